package fs

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
)

// Collections cost one request each, and following their links none.
func TestCollections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// No news while requests are counted.
		w := newWorld(t, sim.Options{}, Options{Poll: 24 * time.Hour})
		w.Start()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.sim.ResetRequests()
		slugs := w.names("collections")
		if want := "embedding-models image-to-text language-models official super-resolution text-to-image text-to-video try-for-free"; slugs != want {
			t.Errorf("collections has %q, want %q", slugs, want)
		}
		if n := len(w.sim.Requests()); n != 1 {
			t.Errorf("a listing cost %d requests, want 1", n)
		}
		w.sim.ResetRequests()
		links := strings.Fields(w.names("collections/text-to-image"))
		if len(links) == 0 {
			t.Fatal("no models in a collection")
		}
		for _, name := range links {
			if !strings.Contains(name, "--") {
				t.Errorf("a model is called %q", name)
			}
			node, err := w.at("collections/text-to-image/" + name)
			if err != nil {
				t.Fatalf("following %s: %v", name, err)
			}
			if _, ok := node.(*deskDir); !ok {
				t.Errorf("%s leads to %T", name, node)
			}
			w.read("collections/text-to-image/" + name + "/model.json")
		}
		// Each model.json is asked for again behind its reader, as it was told by a list.
		if n := w.sim.Count("GET", "/v1/collections/*"); n != 1 {
			t.Errorf("a collection cost %d requests, want 1", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.sim.ResetRequests()
		for _, name := range []string{"nothing", ".git", "HEAD", "desktop.ini", "text-to-image/.hidden", "text-to-image/README.md", "text-to-image/acme--nothing"} {
			if _, err := w.at("collections/" + name); err == nil {
				t.Errorf("collections/%s is there", name)
			}
		}
		if n := len(w.sim.Requests()); n != 0 {
			t.Errorf("names that nobody has cost %d requests: %v", n, w.sim.Requests())
		}
	})
}

// What was seen of collections is there after a remount, without the API, and
// a day later it is asked for again.
func TestCollectionsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := newWorld(t, sim.Options{}, Options{})
		first := mountWorld(t, a.sim, dir, Options{})
		models := first.names("collections/official")
		before := must(must(first.at("collections/official")).Info(t.Context()))
		first.Close()
		first.catalog.Close()
		first.cache.Close()
		broken := a.sim.Inject(sim.Fault{Host: sim.API, Reset: true, Times: -1, Path: "/v1/co*"})
		w := mountWorld(t, a.sim, dir, Options{})
		w.Start()
		if got := w.names("collections/official"); got != models {
			t.Errorf("without the API there is %q, want %q", got, models)
		}
		if got := must(must(w.at("collections/official")).Info(t.Context())); got != before {
			t.Errorf("the folder is %+v, was %+v", got, before)
		}
		broken.Stop()
		time.Sleep(25 * time.Hour)
		w.sim.ResetRequests()
		w.names("collections/official")
		synctest.Wait()
		if n := w.sim.Count("GET", "/v1/collections/official"); n != 1 {
			t.Errorf("a day later it was asked for %d times, want once", n)
		}
	})
}

// A search is made when somebody looks inside, once in a while, and is in no
// listing.
func TestSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		w.Start()
		synctest.Wait()
		w.sim.ResetRequests()
		must(must(w.at("search/flux")).Info(t.Context()))
		if n := len(w.sim.Requests()); n != 0 {
			t.Errorf("a look at the folder cost %d requests", n)
		}
		found := w.names("search/flux")
		if !strings.Contains(found, "black-forest-labs--flux-schnell") {
			t.Errorf("flux was searched for, and %q was found", found)
		}
		if got := w.names("search/flux/black-forest-labs--flux-schnell"); !strings.Contains(got, "prompt.txt") {
			t.Errorf("what was found has %q", got)
		}
		w.names("search/flux")
		if _, err := w.at("search/flux/.directory"); err == nil {
			t.Error("a hidden name was found")
		}
		if n := w.sim.Count("GET", "/v1/search"); n != 1 {
			t.Errorf("one query cost %d requests", n)
		}
		if got := w.names("search/no such model at all"); got != "" {
			t.Errorf("nothing was searched for, and %q found", got)
		}
		if got := w.names("search"); got != "" {
			t.Errorf("search lists %q", got)
		}
		time.Sleep(searchLife)
		w.names("search/flux")
		synctest.Wait()
		if n := w.sim.Count("GET", "/v1/search"); n != 3 {
			t.Errorf("after a while it was searched for %d times in all, want 3", n)
		}
		for n := range maxRosters + 10 { // nothing grows
			w.names(fmt.Sprint("search/lion ", n))
		}
		if n := w.rosters.recent.Len(); n != maxRosters {
			t.Errorf("%d queries are remembered, want %d", n, maxRosters)
		}
	})
}

// Names that programs invent are no queries.
func TestIsQuery(t *testing.T) {
	for _, name := range []string{
		"flux", "upscale a photo", "llama 3", "stable diffusion 3.5", "sd-3.5", "cat & dog", "人像", "what is this?", "a/b"[:1], "r2d2", "model owner",
	} {
		if !isQuery(name) {
			t.Errorf("%q is no query", name)
		}
	}
	for _, name := range []string{
		"", ".", "..", ".git", ".hidden", ".Trash-1000", ".DS_Store", "desktop.ini", "Desktop.ini", "Thumbs.db", "ehthumbs.db", "autorun.inf", "AutoRun.inf",
		"HEAD", "folder.jpg", "package.json", "go.mod", "Cargo.toml", "Makefile", "node_modules", "lost+found", "*", "*.png", "[a-z]*", "...", "---", "-l",
		"#x#", "x~", "~x", "a\nb", "a\x00b", "a/b", "\xff\xfe", "$RECYCLE.BIN", "System Volume Information", "x.swp", "index.html",
	} {
		if isQuery(name) {
			t.Errorf("%q is a query", name)
		}
	}
}
