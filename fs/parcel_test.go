package fs

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
)

// A list that is read while an upload is being answered tells of it already.
// It is not taken for an older file of that name, nor shown twice.
func TestUploadListedMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		before string
		fault  sim.Fault
		want   int // deletions
	}{
		"while it is made":             {"", sim.Fault{Method: "POST", Path: "/v1/files", Late: true}, 0},
		"while an old one is put away": {"old", sim.Fault{Method: "DELETE", Path: "/v1/files/*"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Options{}, Options{})
				if test.before != "" {
					if err := w.put("photo.jpg", test.before); err != nil {
						t.Fatal(err)
					}
				}
				hold := make(chan struct{})
				test.fault.Hold = hold
				w.sim.Inject(test.fault)
				done := make(chan error)
				go func() { done <- w.put("photo.jpg", "a photo") }()
				synctest.Wait()
				w.names("files")
				close(hold)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if got := w.names("files"); got != "photo.jpg" {
					t.Errorf("files/ has %q, want photo.jpg alone", got)
				}
				if got := w.read("files/photo.jpg"); got != "a photo" {
					t.Errorf("it reads as %q", got)
				}
				if n := w.sim.Count("DELETE", "/v1/files/*"); n != test.want {
					t.Errorf("%d deletions, want %d", n, test.want)
				}
				n := 0
				for file, err := range w.api.Files(t.Context()) {
					if err != nil || file.Name != "photo.jpg" {
						t.Errorf("Replicate has %+v, %v", file, err)
					}
					n++
				}
				if n != 1 {
					t.Errorf("Replicate has %d files, want 1", n)
				}
			})
		})
	}
}

// Who asks for the list while somebody else does can leave.
func TestUploadsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		hold := make(chan struct{})
		w.sim.Inject(sim.Fault{Method: "GET", Path: "/v1/files", Hold: hold})
		go w.uploads.List(t.Context())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		w.uploads.List(ctx)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("who had a second was held for %v", took)
		}
		close(hold)
		synctest.Wait()
		if n := w.sim.Count("GET", "/v1/files"); n != 1 {
			t.Errorf("%d requests for the list, want 1", n)
		}
	})
}

// A temporary file that another is moved onto, or that is left when the mount
// ends, leaves nothing on the disk.
func TestParcelsLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		for _, name := range []string{".a", ".b", ".c"} {
			if err := w.put(name, "temporary"); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.uploads.Rename(t.Context(), ".a", w.uploads, ".b"); err != nil {
			t.Fatal(err)
		}
		check := func(when string, want int) {
			t.Helper()
			if left, _ := os.ReadDir(w.uploads.dir); len(left) != want {
				t.Errorf("%s the disk has %v, want %d files", when, left, want)
			}
		}
		check("after a move", 2)
		w.Close()
		check("after the end", 0)
	})
}
