package fs

import (
	"context"
	"errors"
	iofs "io/fs"
	"time"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// note takes in a prediction as it was just told.
func (f *FS) note(ctx context.Context, p *api.Prediction) error { return f.store(ctx, f.record(p)) }

// put takes in what a list told. Lists may leave logs out, so they never take
// the place of what is known of a run under way, whose logs would go; that it
// has ended is a reason to ask for it.
func (f *FS) put(ctx context.Context, some ...*api.Prediction) error {
	recs := make([]catalog.Record, 0, len(some))
	var ended []string
	for _, p := range some {
		if k, known := f.catalog.Prediction(p.ID); known && !k.Done && !p.HasLogs {
			if p.Done() && !f.watched(p.ID) {
				ended = append(ended, p.ID)
			}
			continue
		}
		recs = append(recs, f.record(p))
	}
	if err := f.store(ctx, recs...); err != nil {
		return err
	}
	for _, id := range ended {
		if err := f.refresh(ctx, id); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *FS) record(p *api.Prediction) catalog.Record {
	return catalog.Record{
		Prediction: catalog.Prediction{
			ID: p.ID, Model: p.Model, Version: p.Version, Status: p.Status, Source: p.Source, Deployment: p.Deployment,
			Created: p.Created, Completed: p.Completed,
			Done: p.Done(), Full: p.Done() && p.HasLogs && !p.DataRemoved, Removed: p.DataRemoved,
			Mine:   f.claims.has(p.ID), // said each time: the disk may have been full when it was first
			Layout: f.layoutOf(p),
		},
		Raw: p.Raw,
	}
}

// store writes records into the catalog and tells the kernel what is no
// longer as it was.
func (f *FS) store(ctx context.Context, recs ...catalog.Record) error {
	known := f.arrive(recs)
	changed, err := f.catalog.Put(ctx, recs...)
	if err != nil && ctx.Err() == nil {
		f.log.Error("news could not be written down", "err", err)
	}
	f.tell(ctx, changed, func(id string) bool { return known[id] })
	return err
}

// tell makes changes of the catalog known: of predictions that were known
// before, and of new ones.
func (f *FS) tell(ctx context.Context, changed []string, known func(id string) bool) {
	f.changes.Add(uint64(len(changed)))
	defer f.keeper.consider(changed)
	for _, id := range changed {
		f.folders.Remove(id)
		if known(id) {
			f.changed(ctx, id)
		}
	}
	if len(changed) > 0 {
		f.notify(tree.Change{Node: tree.Ino("predictions"), Content: true})
	}
}

// changed tells the kernel of a prediction that it may have looked at: names
// came (a run made its output) or went (its hour is over).
func (f *FS) changed(ctx context.Context, id string) {
	dir := tree.Ino("prediction", id)
	f.notify(tree.Change{Node: dir, Content: true})
	known, err := f.folder(ctx, id)
	if err != nil {
		return
	}
	for _, it := range known.all {
		f.notify(tree.Change{Node: tree.Ino("prediction", id, it.name)})
	}
}

// arrive notes when predictions were first seen, which tells a run of ours
// whose answer was lost from one that was there before. It returns those that
// were known.
func (f *FS) arrive(recs []catalog.Record) map[string]bool {
	known := map[string]bool{}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for _, rec := range recs {
		if _, ok := f.catalog.Prediction(rec.ID); ok {
			known[rec.ID] = true
		} else if f.arrived[rec.ID].IsZero() {
			f.arrived[rec.ID] = now
		}
	}
	for id, at := range f.arrived {
		if now.Sub(at) > arrivedLife {
			delete(f.arrived, id)
		}
	}
	return known
}

// seenBefore tells whether a prediction was known at that moment. Of moments
// before this mount nothing is known.
func (f *FS) seenBefore(id string, moment time.Time) bool {
	if moment.Before(f.begun) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at, lately := f.arrived[id]
	_, known := f.catalog.Prediction(id)
	return known && (!lately || at.Before(moment))
}
