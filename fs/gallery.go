package fs

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"path"
	"strings"
	"time"

	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// gallery.html shows the newest outputs to a browser that opens it in the
// mount. It is made of what is known here and asks nobody; the browser reads
// what comes into view. It has no script, and its policy allows none: prompts
// and texts of models are other people's words.

//go:embed gallery.html
var galleryPage string

//go:embed gallery.css
var galleryStyle string

var galleryTemplate = template.Must(template.New("gallery").Parse(galleryPage))

// galleryPolicy lets the page load files beside it and its own style, nothing
// else and from nowhere else. A file that a browser opens from disk has no
// origin, so there files are named by their scheme.
var galleryPolicy = func() string {
	sum := sha256.Sum256([]byte(galleryStyle))
	return "default-src 'none'; img-src 'self' file:; media-src 'self' file:; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}()

// Limits of what one page shows and looks at: an account may have any size.
const (
	maxGallery = 200  // outputs
	maxBrowsed = 2000 // predictions
	maxTiles   = 4    // outputs of one prediction
	maxPrompt  = 280  // runes
	maxExcerpt = 600  // runes
)

// A gallery remembers the page as long as the catalog says the same.
type gallery struct {
	fs *FS

	// What follows belongs to who asks the question: there is one at a time.
	made     bool
	revision uint64
	page     []byte
	changed  time.Time
}

// file is gallery.html. It is made once for all who want it at the same time.
func (g *gallery) file() tree.File {
	type version struct {
		page    []byte
		changed time.Time
	}
	return tree.Text(tree.Ino("gallery"), func(ctx context.Context) ([]byte, time.Time, error) {
		g.fs.firstNews(ctx)
		v, err := g.fs.asking.ask(ctx, "gallery", askDeadline, func(ctx context.Context) (any, error) {
			page, changed, err := g.latest(ctx)
			return version{page, changed}, err
		})
		if err != nil {
			return nil, time.Time{}, err
		}
		return v.(version).page, v.(version).changed, nil
	})
}

// latest returns the page, and when it changed.
func (g *gallery) latest(ctx context.Context) ([]byte, time.Time, error) {
	revision := g.fs.catalog.Revision()
	if g.made && g.revision == revision {
		return g.page, g.changed, nil
	}
	page, newest, err := g.render(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	// The page itself can be made again; that it changed cannot be seen from it.
	sum := sha256.Sum256(page)
	changed, err := g.fs.catalog.PutDocTold(ctx, "gallery", sum[:], newest)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("write down the gallery: %w", err)
	}
	g.made, g.revision, g.page, g.changed = true, revision, page, changed.Truncate(time.Second)
	return g.page, g.changed, nil
}

// What the page shows: days, newest first, of predictions.
type (
	galleryDay struct {
		Date, Title string
		Cards       []galleryCard
	}
	galleryCard struct {
		ID, Folder, Model, Prompt string
		Made                      time.Time
		Tiles                     []galleryTile
		More                      int // outputs that are in the folder alone
	}
	galleryTile struct {
		Kind      string // picture, film, sound, text or file
		Name, URL string
		Text      string // of a text
	}
)

// Clock is the time of day.
func (c galleryCard) Clock() string { return c.Made.Format("15:04") }

// Stamp is the time for machines.
func (c galleryCard) Stamp() string { return c.Made.Format(time.RFC3339) }

// Layout is how the tiles lie beside each other.
func (c galleryCard) Layout() string { return fmt.Sprintf("tiles-%d", len(c.Tiles)) }

// Label says what a tile is to who cannot see it.
func (c galleryCard) Label() string {
	if c.Prompt != "" {
		return c.Prompt
	}
	return "Output of " + c.Model
}

// render makes the page, and tells the time of the newest that it shows.
func (g *gallery) render(ctx context.Context) ([]byte, time.Time, error) {
	newest := g.fs.since
	var days []galleryDay
	shown, looked := 0, 0
	for p := range g.fs.catalog.ByCreated() {
		if looked++; shown >= maxGallery || looked > maxBrowsed {
			break
		}
		card, ok, err := g.card(ctx, p)
		if err != nil {
			return nil, newest, err
		}
		if !ok {
			continue
		}
		date := card.Made.Format(time.DateOnly)
		if len(days) == 0 || days[len(days)-1].Date != date {
			days = append(days, galleryDay{Date: date, Title: card.Made.Format("Monday, 2 January 2006")})
		}
		last := &days[len(days)-1]
		last.Cards = append(last.Cards, card)
		shown += len(card.Tiles)
		newest = later(newest, modTime(p))
	}
	var page bytes.Buffer
	err := galleryTemplate.Execute(&page, struct {
		Account, Policy string
		Style           template.CSS
		Days            []galleryDay
		Shown           int
	}{g.fs.account.Username, galleryPolicy, template.CSS(galleryStyle), days, shown})
	return page.Bytes(), newest, err
}

// card is a prediction as the page shows it; false if it has nothing to show.
func (g *gallery) card(ctx context.Context, p catalog.Prediction) (galleryCard, bool, error) {
	if !p.Done || p.Created.IsZero() {
		return galleryCard{}, false, nil
	}
	if items := g.fs.layout(p.Layout); items != nil && !anyShown(items.all) {
		return galleryCard{}, false, nil // known without reading it
	}
	whole, err := g.fs.shelf(p.ID).recall(ctx, p.ID)
	if err != nil {
		g.fs.log.Debug("a prediction could not be shown in the gallery", "prediction", p.ID, "err", err)
		return galleryCard{}, false, ctx.Err()
	}
	items := g.fs.plan(whole)
	lost, err := g.fs.lost(ctx, p, items)
	if err != nil {
		return galleryCard{}, false, err
	}
	card := galleryCard{
		ID: p.ID, Folder: "predictions/" + url.PathEscape(p.ID) + "/", Model: p.Model, Made: p.Created.UTC(),
		Prompt: excerpt(strings.TrimSpace(string(prompt(whole))), maxPrompt),
	}
	for _, it := range items {
		if !isShown(it) || lost[it.name] {
			continue
		}
		tile := galleryTile{Kind: mediaKind(it), Name: it.name, URL: card.Folder + url.PathEscape(it.name)}
		if tile.Kind == "text" {
			if tile.Text = excerpt(strings.TrimSpace(it.text), maxExcerpt); tile.Text == "" {
				continue
			}
		}
		if len(card.Tiles) == maxTiles {
			card.More++
			continue
		}
		card.Tiles = append(card.Tiles, tile)
	}
	return card, len(card.Tiles) > 0, nil
}

// isShown tells whether an item is something that the model made.
func isShown(it item) bool {
	return strings.HasPrefix(it.name, "output") && (it.kind == remote || it.kind == embedded || it.kind == inline)
}

func anyShown(items []item) bool {
	for _, it := range items {
		if isShown(it) {
			return true
		}
	}
	return false
}

// mediaKind is what a browser can make of an item.
func mediaKind(it item) string {
	if it.kind == inline {
		return "text"
	}
	switch strings.ToLower(path.Ext(it.name)) {
	case ".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".svg", ".bmp", ".ico":
		return "picture"
	case ".mp4", ".webm", ".mov", ".m4v", ".ogv":
		return "film"
	case ".mp3", ".wav", ".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".weba":
		return "sound"
	}
	return "file"
}

// excerpt is the beginning of a text.
func excerpt(text string, most int) string {
	text = strings.ToValidUTF8(text, "�")
	n := 0
	for i := range text {
		if n++; n > most {
			return strings.TrimRight(text[:i], " \n") + "…"
		}
	}
	return text
}
