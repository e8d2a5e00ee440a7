package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// collection is models that go together: those with its tag.
type collection struct {
	slug, name, about, full string
	tags                    []string
}

var collections = []collection{
	{"text-to-image", "Generate images", "Models that generate images from text prompts",
		"## Generate images\n\nThese models make pictures from a prompt. Start with `flux-schnell`: it is the fastest.\n", []string{"text-to-image"}},
	{"language-models", "Use LLMs", "Models that can understand and generate text", "", []string{"language-models"}},
	{"super-resolution", "Upscale images", "Upscaling models that create high-quality images from low-quality ones", "", []string{"super-resolution"}},
	{"image-to-text", "Caption images", "Models that generate text from images", "", []string{"image-to-text"}},
	{"embedding-models", "Get embeddings", "Models that turn text into numbers", "", []string{"embeddings"}},
	{"text-to-video", "Generate videos", "Models that make moving pictures", "", []string{"text-to-video"}},
	{"official", "Official models", "Official models are always on, maintained, and have predictable pricing", "", nil},
	{"try-for-free", "Try for free", "Each of these shows one thing that models do", "", []string{"acme"}},
}

func (c *collection) has(m *model) bool {
	if c.slug == "official" {
		return m.official
	}
	return c.tags[0] == m.owner || slices.ContainsFunc(c.tags, func(t string) bool { return slices.Contains(m.tags, t) })
}

type collectionShape struct {
	Name  string `json:"name"`
	Slug  string `json:"slug"`
	About string `json:"description"`
}

func (c *collection) shape() collectionShape { return collectionShape{c.name, c.slug, c.about} }

func listCollections(c *call) (*reply, *problem) {
	return c.paged(len(collections), pageSize, func(i int) any {
		return collections[i].shape()
	})
}

func oneCollection(c *call) (*reply, *problem) {
	i := slices.IndexFunc(collections, func(o collection) bool { return o.slug == c.r.PathValue("slug") })
	if i < 0 {
		return nil, errNotFound
	}
	k := &collections[i]
	models := []any{}
	for _, m := range c.s.models.public() {
		if k.has(m) {
			models = append(models, c.s.lockedShape(m, c.bases))
		}
	}
	return success(struct {
		collectionShape
		Full   *string `json:"full_description"`
		Models []any   `json:"models"`
	}{k.shape(), orNull(k.full), models})
}

// found is a model and how well it fits what was searched.
type found struct {
	m     *model
	score float64
}

// search finds the public models that have all words of the query in their
// name, description or tags, the best first.
func (c *catalog) search(query string) []found {
	words := strings.Fields(strings.ToLower(query))
	var out []found
	for _, m := range c.public() {
		c.mu.Lock()
		name, about, tags := strings.ToLower(m.fullName()), strings.ToLower(m.about), strings.Join(m.tags, " ")
		c.mu.Unlock()
		score := 0.0
		for _, w := range words {
			hit := 0.0
			if strings.Contains(name, w) {
				hit++
			}
			if strings.Contains(about, w) {
				hit += 0.5
			}
			if strings.Contains(tags, w) {
				hit += 0.4
			}
			if hit == 0 {
				score = 0
				break
			}
			score += hit
		}
		if score > 0 {
			out = append(out, found{m, score / float64(len(words))})
		}
	}
	slices.SortStableFunc(out, func(a, b found) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	return out
}

func searchAll(c *call) (*reply, *problem) {
	q := c.r.URL.Query()
	query := q.Get("query")
	if query == "" {
		return nil, &problem{Detail: `Query parameter "query" is required`, code: http.StatusBadRequest, plain: true}
	}
	limit := 20
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 50 {
			return nil, &problem{Detail: `Query parameter "limit" must be from 1 to 50`, code: http.StatusBadRequest, plain: true}
		}
		limit = n
	}
	type meta struct {
		About *string  `json:"generated_description"`
		Tags  []string `json:"tags"`
		Score *float64 `json:"score"`
	}
	type hit struct {
		Model any  `json:"model"`
		Meta  meta `json:"metadata"`
	}
	type group struct {
		Name   string   `json:"name"`
		Slug   string   `json:"slug"`
		About  string   `json:"description"`
		Models []string `json:"models"`
	}
	type doc struct {
		Name string `json:"name"`
		Href string `json:"href"`
	}
	out := struct {
		Query       string  `json:"query"`
		Models      []hit   `json:"models"`
		Collections []group `json:"collections"`
		Pages       []doc   `json:"pages"`
	}{query, []hit{}, []group{}, []doc{}}
	for i, f := range c.s.models.search(query) {
		if i == limit {
			break
		}
		h := hit{c.s.lockedShape(f.m, c.bases), meta{Tags: append([]string{}, f.m.tags...)}}
		if f.m.official { // both may be null
			h.Meta.About, h.Meta.Score = orNull(f.m.about+"."), &f.score
		}
		out.Models = append(out.Models, h)
	}
	low := strings.ToLower(query)
	for _, k := range collections {
		if !strings.Contains(strings.ToLower(k.name+" "+k.slug+" "+k.about), low) {
			continue
		}
		g := group{Name: k.name, Slug: k.slug, About: k.about}
		for _, m := range c.s.models.public() {
			if k.has(m) {
				g.Models = append(g.Models, m.fullName())
			}
		}
		out.Collections = append(out.Collections, g)
	}
	for _, d := range []doc{{"Pricing", "/pricing"}, {"Image generation", "/docs/guides/image-generation"}, {"Streaming output", "/docs/topics/predictions/streaming"}} {
		if strings.Contains(strings.ToLower(d.Name), low) {
			out.Pages = append(out.Pages, d)
		}
	}
	return success(&out)
}

// queryModels is the older search: the method is QUERY, the text is the body.
// The JavaScript client sends it as a JSON string.
func queryModels(c *call) (*reply, *problem) {
	b, err := io.ReadAll(io.LimitReader(c.r.Body, 64<<10))
	if err != nil {
		return nil, &problem{Title: "Bad request", Detail: fmt.Sprint("body: ", err), Status: http.StatusBadRequest}
	}
	query := string(b)
	if json.Unmarshal(b, &query) != nil {
		query = string(b)
	}
	out := page{Results: []any{}}
	for i, f := range c.s.models.search(query) {
		if i == 25 {
			break
		}
		out.Results = append(out.Results, c.s.lockedShape(f.m, c.bases))
	}
	return success(&out)
}
