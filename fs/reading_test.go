package fs

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"replicatefs/api/sim"
	"replicatefs/cache"
	"replicatefs/fs/tree"
)

// Whoever was given wrong bytes gets no more of that opening, however often
// it asks; and the kernel does not keep what it has of the file.
func TestWrongBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		w := newWorld(t, sim.Options{}, Options{})
		id := w.sim.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Output: sim.NewBlob("out.bin", size)})
		node := must(w.at("predictions/" + id + "/output.bin"))
		if info, err := node.Info(t.Context()); err != nil || info.Valid != tree.Final {
			t.Fatalf("info is %+v, %v", info, err)
		}
		w.sim.Inject(sim.Fault{Host: sim.Delivery, Method: "GET", Corrupt: true})
		h, err := node.(tree.File).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		want := make([]byte, size)
		w.sim.ContentAt(id, 0, want, 0)
		b := make([]byte, size)
		switch _, err := h.ReadAt(t.Context(), b, 0); {
		case err == nil && bytes.Equal(b, want):
			// Found out before any of it was given away, and fetched again.
		case !errors.Is(err, cache.ErrMismatch):
			t.Errorf("wrong bytes: %v, want ErrMismatch", err)
		default:
			for _, off := range []int64{0, size / 2, size - 1} {
				if _, err := h.ReadAt(t.Context(), b[:1], off); !errors.Is(err, cache.ErrMismatch) {
					t.Errorf("after wrong bytes, at %d: %v, want ErrMismatch", off, err)
				}
			}
			if h.(tree.Prover).Proven() {
				t.Error("the kernel may keep what it has of it")
			}
		}
		// Another opening may have been there before that was known. It gets
		// the error or the right bytes, and the one after it the right ones.
		var again []byte
		for range 2 {
			h, err := node.(tree.File).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			again = make([]byte, size)
			_, err = h.ReadAt(t.Context(), again, 0)
			h.Close()
			if err == nil {
				break
			}
			if !errors.Is(err, cache.ErrMismatch) {
				t.Error(err)
			}
		}
		if !bytes.Equal(again, want) {
			t.Error("the next opening reads wrong bytes")
		}
	})
}
