package fs

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
)

// The gallery shows what was made in the way that a browser can show it, with
// a link to its folder, and costs no request.
func TestGallery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		add := func(prompt string, output any) string {
			return w.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Succeeded, Source: "web", Output: output,
				Input: raw(t, map[string]string{"prompt": prompt}), CreatedAt: time.Now().Add(-time.Hour)})
		}
		picture := add("a lion", []any{sim.NewBlob("a.png", 5), sim.NewBlob("b.png", 5), sim.NewBlob("c.png", 5), sim.NewBlob("d.png", 5), sim.NewBlob("e.png", 5)})
		film := add("a film", sim.NewBlob("film.mp4", 5))
		sound := add("a song", sim.NewBlob("song.mp3", 5))
		mesh := add("a statue", sim.NewBlob("mesh.glb", 5))
		add("a story", "Once upon a time "+strings.Repeat("x", 5000))
		silent := w.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Failed, Source: "web"})
		running := w.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Processing, Output: "soon"})
		w.Start()
		synctest.Wait()
		w.sim.ResetRequests()
		page := w.read("gallery.html")
		for _, want := range []string{
			`<img src="predictions/` + picture + `/output-0.png" alt="a lion" loading="lazy" decoding="async">`,
			`<a href="predictions/` + picture + `/">acme/puppet</a>`, "1 more",
			`<video class="tile" src="predictions/` + film + `/output.mp4"`,
			`<audio src="predictions/` + sound + `/output.mp3"`,
			`<a class="tile file" href="predictions/` + mesh + `/output.glb"><span>output.glb</span>`,
			"Once upon a time xxx", `preload="none"`,
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the gallery does not have %s", want)
			}
		}
		for _, no := range []string{silent, running, "output-4.png", "http:", "https:", "<script", strings.Repeat("x", maxExcerpt)} {
			if strings.Contains(page, no) {
				t.Errorf("the gallery has %s", no)
			}
		}
		if n := len(w.sim.Requests()); n != 0 {
			t.Errorf("the gallery costs %d requests: %v", n, w.sim.Requests())
		}
	})
}

// Words of others stay words: no markup, no script, no address comes out of a
// prompt, a text or the name of an output.
func TestGalleryInert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		const evil = `</p><script>alert(1)</script><img src=x onerror=alert(1)>" onmouseover="alert(1)`
		for _, output := range []any{evil, sim.NewBlob(`"><script>.png`, 3), map[string]any{`"onload="alert(1)`: sim.NewBlob("x.png", 3), `javascript:alert(1)`: evil}} {
			w.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Succeeded, Source: "web", Output: output, Input: raw(t, map[string]string{"prompt": evil})})
		}
		w.Start()
		synctest.Wait()
		page := w.read("gallery.html")
		for _, no := range []string{"<script", "<img src=x", `" onmouseover`, `"onload`, `="javascript:`} {
			if strings.Contains(strings.ToLower(page), no) {
				t.Errorf("the gallery has %s", no)
			}
		}
		if !strings.Contains(page, "&lt;script&gt;alert(1)") {
			t.Error("the gallery does not show the words")
		}
	})
}

// The page is the same after a remount, and newer when it shows something
// else.
func TestGalleryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := newWorld(t, sim.Options{}, Options{})
		made := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
		a.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Succeeded, Source: "web", Output: "a text", CreatedAt: made, CompletedAt: made})
		first := mountWorld(t, a.sim, dir, Options{})
		first.Start()
		synctest.Wait()
		before := must(must(first.at("gallery.html")).Info(t.Context()))
		first.Close()
		first.catalog.Close()
		first.cache.Close()
		time.Sleep(time.Hour)
		w := mountWorld(t, a.sim, dir, Options{})
		w.Start()
		synctest.Wait()
		if got := must(must(w.at("gallery.html")).Info(t.Context())); got != before {
			t.Errorf("after a remount the page is %+v, was %+v", got, before)
		}
		a.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Processing})
		time.Sleep(time.Minute)
		if got := must(must(w.at("gallery.html")).Info(t.Context())); got != before {
			t.Errorf("after a run began that it does not show, the page is %+v, was %+v", got, before)
		}
		a.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Succeeded, Source: "web", Output: "another"})
		time.Sleep(time.Minute)
		if got := must(must(w.at("gallery.html")).Info(t.Context())); !got.ModTime.After(before.ModTime) || got.Size <= before.Size {
			t.Errorf("after another output the page is %+v, was %+v", got, before)
		}
	})
}

// However large the account is, the page is not, and it is made in one go.
func TestGalleryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Past: 600, PastModel: official, Limits: sim.Limits{Create: -1, Other: -1}}, Options{})
		w.Start()
		time.Sleep(time.Minute)
		page := w.read("gallery.html")
		if n := strings.Count(page, "<img "); n < maxGallery || n >= maxGallery+maxTiles {
			t.Errorf("the page has %d pictures, want %d", n, maxGallery)
		}
		if len(page) > 300<<10 {
			t.Errorf("the page has %d bytes", len(page))
		}
	})
}

// An account without anything is told what to do.
func TestGalleryOfNothing(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	if page := w.read("gallery.html"); !strings.Contains(page, "prompt.txt") {
		t.Errorf("the page of an empty account is %s", page)
	}
}

// BenchmarkGallery makes the page of an account of 10,000.
func BenchmarkGallery(b *testing.B) {
	w := benchWorld(b, 10_000)
	for b.Loop() {
		if _, _, err := w.gallery.render(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for _, test := range []struct {
		text string
		most int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"äöüß", 3, "äöü…"}, {"ab cd", 3, "ab…"}, {"a\xffb", 3, "a\ufffdb"},
	} {
		if got := excerpt(test.text, test.most); got != test.want {
			t.Errorf("excerpt(%s, %d) is %q, want %q", fmt.Sprintf("%q", test.text), test.most, got, test.want)
		}
	}
}
