package fs

import (
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// BenchmarkFind lists the folders of 10,000 predictions that are known and
// not at hand, as find does first: what the kernel costs comes on top.
func BenchmarkFind(b *testing.B) {
	w := benchWorld(b, 10_000)
	root, err := w.at("predictions")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		files := 0
		entries, err := root.(tree.Dir).List(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range entries {
			inside, err := e.Node.(tree.Dir).List(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range inside {
				e.Node.Peek()
				files++
			}
		}
		b.ReportMetric(float64(files)/float64(len(entries)), "files/folder")
	}
}

// benchWorld is a tree that has learned of so many predictions.
func benchWorld(b *testing.B, past int) *world {
	b.Helper()
	w := newWorld(b, sim.Options{Past: past, Limits: sim.Limits{Create: -1, Other: -1}}, Options{})
	w.Start()
	for w.catalog.Len() < past {
		time.Sleep(10 * time.Millisecond)
	}
	return w
}
