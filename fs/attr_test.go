package fs

import (
	"errors"
	iofs "io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// Predictions and their files say what they are, the same each time, and names
// of others cost nothing.
func TestAttrs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		id := w.sim.Add(sim.Prediction{Model: "acme/blob", Version: strings.Repeat("ab", 32), Status: sim.Succeeded, Output: sim.NewBlob("out.png", 5),
			CreatedAt: at, CompletedAt: at})
		w.Start()
		synctest.Wait()
		w.sim.ResetRequests()
		all := func(path string) string {
			node := must(w.at(path)).(tree.Attributed)
			var b strings.Builder
			for _, name := range must(node.Attrs(t.Context())) {
				value := must(node.Attr(t.Context(), name))
				if name == "replicate.etag" || name == "replicate.url" && strings.Contains(value, "delivery") {
					value = "?"
				}
				b.WriteString(strings.TrimPrefix(name, "replicate.") + "=" + value + " ")
			}
			return b.String()
		}
		model := "id=" + id + " model=acme/blob status=succeeded "
		version := "version=" + strings.Repeat("ab", 32) + " "
		dir := "predictions/" + id
		for path, want := range map[string]string{
			dir:                 "expires=2000-01-01T01:00:00Z " + model + "url=https://replicate.com/p/" + id + " " + version,
			dir + "/status":     "expires=2000-01-01T01:00:00Z " + model + version,
			dir + "/output.png": "content-type=image/png etag=? expires=2000-01-01T01:00:00Z " + model + "url=? " + version,
		} {
			if got := all(path); got != want {
				t.Errorf("%s has %s\nwant %s", path, got, want)
			}
		}
		if n := len(w.sim.Requests()); n != 1 || w.sim.Count("HEAD", "*") != 1 {
			t.Errorf("attributes cost %d requests, want the HEAD of the output", n)
		}
		for _, name := range []string{"xdg.tags", "replicate.", "replicate.kept", "id"} {
			if value, err := must(w.at(dir+"/output.png")).(tree.Attributed).Attr(t.Context(), name); !errors.Is(err, iofs.ErrNotExist) {
				t.Errorf("%s is %q, %v", name, value, err)
			}
		}
	})
}
