package fs

import (
	"errors"
	iofs "io/fs"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
)

// Paths of files, of folders and of views lead to the same outputs, which come
// once and stay after the hour, until they are forgotten.
func TestFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Speed: sim.Instant}, Options{Wait: time.Minute})
		if err := w.save(painter+"/input.json", `{"prompt":"a lion","num_outputs":3}`); err != nil {
			t.Fatal(err)
		}
		w.Start()
		latest := painter + "/latest"
		var last Progress
		for _, path := range []string{latest + "/output-0.webp", latest, "by-status/succeeded", painter + "/predictions", "/predictions/"} {
			if err := w.Fetch(t.Context(), path, func(p Progress) { last = p }); err != nil {
				t.Fatalf("fetch %s: %v", path, err)
			}
			if last.FilesDone != last.Files || last.BytesDone != last.Bytes || last.Bytes == 0 {
				t.Errorf("fetch %s ended with %+v", path, last)
			}
		}
		if last.Files != 3 {
			t.Errorf("the account has %d files, want 3: each once", last.Files)
		}
		if got := w.sim.Count("GET", "/*/*.webp"); got != 3 {
			t.Errorf("%d requests for content, want one each", got)
		}
		for _, path := range []string{"predictions/none", "models/acme/none", "a/b"} {
			if err := w.Fetch(t.Context(), path, nil); !errors.Is(err, iofs.ErrNotExist) {
				t.Errorf("fetch %s: %v", path, err)
			}
		}
		before := w.names(latest)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := w.names(latest); got != before {
			t.Errorf("after the hour: %s\nbefore: %s", got, before)
		}
		if err := w.Forget(t.Context(), latest+"/output-1.webp"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.at(latest + "/output-1.webp"); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("a forgotten file is still there: %v", err)
		}
		w.read(latest + "/output-2.webp")
	})
}
