package fs

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"replicatefs/api/sim"
)

// When documents were asked for is remembered for as long as it means anything:
// each prediction of an account is one.
func TestDocsForget(t *testing.T) {
	now := time.Now()
	w := newWorld(t, sim.Options{}, Options{Now: func() time.Time { return now }})
	for i := range 3 * maxFetched {
		if !w.docs.old(fmt.Sprint("expiry/", i)) {
			t.Fatalf("document %d is not due", i)
		}
		now = now.Add(docLife / 1000)
	}
	if n := len(w.docs.fetched); n > maxFetched {
		t.Errorf("%d documents are remembered, want at most %d", n, maxFetched)
	}
	if w.docs.old(fmt.Sprint("expiry/", 3*maxFetched-1)) {
		t.Error("the last one is due again at once")
	}
}

// What was read from the catalog before news came does not take their place.
func TestDocsStayNew(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	read, told := &modelDoc{}, &modelDoc{}
	w.docs.hold("acme/x", told, true)
	if got := w.docs.hold("acme/x", read, false); got != told || w.docs.parsed["acme/x"] != told {
		t.Error("an older description took the place of the newer one")
	}
}

// Of lists that are written down at once the newest comes last.
func TestUploadsWrittenDown(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	for round := range 20 {
		done := make(chan error)
		const n = 8
		for i := range n {
			go func() { done <- w.put(fmt.Sprintf("%d-%d.txt", round, i), "x") }()
		}
		for range n {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		raw, _, err := w.catalog.Doc(t.Context(), uploadsKey)
		if err != nil {
			t.Fatal(err)
		}
		var kept []upload
		if err := json.Unmarshal(raw, &kept); err != nil {
			t.Fatal(err)
		}
		same := slices.EqualFunc(kept, w.uploads.current(), func(a, b upload) bool { return a.ID == b.ID && a.Ours == b.Ours })
		if !same {
			t.Fatalf("round %d: %d files are written down, want %d", round, len(kept), len(w.uploads.current()))
		}
	}
}
