package fs

import (
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// Programs look at the tree from the moment that it is mounted, which is before
// it is said who is told of changes.
func TestWatchedLate(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	id := w.sim.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded})
	done := make(chan struct{})
	go func() {
		defer close(done)
		must(w.at("predictions/" + id)) // which makes it known
		w.Stats()
	}()
	w.Watch(func(tree.Change) {})
	w.Describe(func() MountStats { return MountStats{} })
	<-done
}
