package fs

import (
	"context"

	"replicatefs/api"
	"replicatefs/cache/catalog"
)

// A lostRun is one of which its save said that nobody knows whether it was
// started: its answer was lost, and then the network for longer than a person
// waits in close(). It is looked for with the news, until its hour is over, so
// that what was paid for is shown and kept.
type lostRun struct {
	catalog.Run
	looked  bool
	changes uint64 // of the catalog, when it was last looked for
}

// told writes down what was said of a run that was not found.
func (f *FS) told(ctx context.Context, r catalog.Run, said error) {
	r.State = said.Error()
	if err := f.catalog.PutRun(ctx, r); err != nil {
		f.log.Warn("what was said of a run will be said again", "run", r.ID, "err", err)
	}
	f.lose(r)
}

func (f *FS) lose(r catalog.Run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.losses[r.ID] = &lostRun{Run: r}
}

// pollLost looks for lost runs again if there is something new among which one
// may be.
func (f *FS) pollLost() {
	changes := f.changes.Load()
	var due []*lostRun
	f.mu.Lock()
	for _, l := range f.losses {
		if !l.looked || l.changes != changes || f.over(l) {
			due = append(due, l)
		}
	}
	f.mu.Unlock()
	for _, l := range due {
		if !f.claims.busy(runKey(l.Run)) { // else it is waited for, and the news would wait too
			l.looked, l.changes = f.look(l), changes
		}
	}
}

// over tells whether there is nothing left of a run that could be kept.
func (f *FS) over(l *lostRun) bool { return f.now().Sub(l.Started) > retention }

// look looks for a lost run once; false: that was not possible.
func (f *FS) look(l *lostRun) bool {
	found, err := f.unclaimed(f.life, l.Run)
	switch {
	case err != nil:
		f.log.Debug("a run that may have been started cannot be looked for yet", "run", l.ID, "err", err)
		return false
	case len(found) == 1 && f.claims.take(found[0].ID):
		f.log.Warn("found the run whose answer was lost", "prediction", found[0].ID)
		f.found(l.Run, found[0])
	case f.over(l):
		f.log.Info("a run that may have been started is looked for no longer", "run", l.ID, "started", l.Started)
		f.forget(f.life, l.ID)
	default:
		return true
	}
	f.mu.Lock()
	delete(f.losses, l.ID)
	f.mu.Unlock()
	return true
}

// found takes a prediction for that of a run whose answer was lost.
func (f *FS) found(r catalog.Run, p *api.Prediction) {
	noted := f.note(f.life, p)
	f.follow(p, f.guard.join())
	f.report(r, p.ID, nil)
	if noted == nil { // else the next mount finds it
		f.forget(f.life, r.ID)
	}
}
