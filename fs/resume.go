package fs

import (
	"bytes"
	"context"
	"strings"

	"replicatefs/api"
	"replicatefs/cache/catalog"
)

// resume picks up what the last mount left: runs of ours that had not ended
// are watched again, and creates whose answers never came are looked for.
func (f *FS) resume() {
	for p := range f.catalog.Unfinished() {
		if !p.Mine {
			continue
		}
		if raw, err := f.catalog.Raw(f.life, p.ID); err == nil {
			if p, err := api.ParsePrediction(raw); err == nil {
				f.follow(p, func() {})
			}
		}
	}
	runs, err := f.catalog.Runs(f.life)
	if f.life.Err() != nil { // a command that only looked, and has
		return
	}
	if err != nil {
		f.log.Warn("runs under way could not be read", "err", err)
		return
	}
	for _, r := range runs {
		if r.Prediction != "" {
			f.claims.take(r.Prediction) // before an equal one is looked for
		}
	}
	for _, r := range runs {
		if r.Prediction == "" {
			select {
			case <-f.progress.heard: // an API that is away tells nothing
			case <-f.life.Done():
				return
			}
			p := f.trace(r)
			if p == nil {
				continue
			}
			r.Prediction = p.ID
			f.note(f.life, p, true)
			f.follow(p, func() {})
		} else if err := f.claim(r.Prediction); err != nil {
			f.log.Warn("a run of the last mount cannot be looked for yet", "prediction", r.Prediction, "err", err)
			continue
		}
		f.report(r.Note, r.Prediction, nil, r.State)
		f.forget(f.life, r.ID)
	}
}

// trace looks for a run whose answer never came. That it is not found is said
// once, by this mount if not by the one that sent it. After that it is looked
// for by each mount, until the hour is over.
func (f *FS) trace(r catalog.Run) *api.Prediction {
	if r.State == "" {
		p, err := f.adopt(f.life, r, api.ErrAmbiguous)
		if err == nil || f.life.Err() != nil {
			return p
		}
		f.log.Error("a run was being sent when the last mount ended, and it is not known whether it was started", "model", r.Model, "version", r.Version, "started", r.Started, "err", err)
		err = f.explain(err, r.Note)
		f.report(r.Note, "", err, "")
		f.told(f.life, r, err)
		return nil
	}
	found, err := f.unclaimed(f.life, r)
	switch {
	case err != nil:
		f.log.Debug("a run that may have been started cannot be looked for yet", "run", r.ID, "err", err)
	case len(found) == 1 && f.claims.take(found[0].ID):
		f.log.Warn("found the run whose answer was lost", "prediction", found[0].ID)
		return found[0]
	case f.now().Sub(r.Started) > retention:
		f.log.Info("a run that may have been started is looked for no longer", "run", r.ID, "started", r.Started)
		f.forget(f.life, r.ID)
	}
	return nil
}

// told writes down what was said of a run that was not found.
func (f *FS) told(ctx context.Context, r catalog.Run, said error) {
	r.State = said.Error()
	if err := f.catalog.PutRun(ctx, r); err != nil {
		f.log.Warn("what was said of a run will be said again", "run", r.ID, "err", err)
	}
}

// report shows where a save was made what became of it after its mount had
// ended: its prediction, or why there is none. What was saved there since is
// newer; what was said of it before, if anything, is not.
func (f *FS) report(where, id string, err error, before string) {
	words := strings.Split(where, "/")
	var d *deskDir
	switch n := len(words); {
	case n == 3 && words[0] == "deployments":
		d = f.deployment(words[1] + "/" + words[2])
	case n == 3 && words[0] == "models":
		d = f.model(words[1] + "/" + words[2])
	case n == 5:
		d = f.version(words[1]+"/"+words[2], words[4])
	case n == 4 || n == 6:
		f.reportDraft(where, id, err, before)
		return
	default:
		return // written down before places were
	}
	if d.last() != nil {
		return
	}
	s := d.begin(nil)
	if err == nil {
		s.accept(id)
	}
	d.end(s, err)
}

func (f *FS) reportDraft(where, id string, err error, before string) {
	if _, newer := f.drafts.stat(where + "/" + latestName); newer == nil {
		return
	}
	if err != nil {
		f.tellDraft(where, err.Error())
		return
	}
	dir, missing := f.drafts.root.OpenRoot(where)
	if missing != nil {
		return // it was removed; its run is not
	}
	defer dir.Close()
	said, missing := dir.ReadFile(errorName)
	if missing == nil && (before == "" || !bytes.Equal(said, line(before))) {
		return // of a newer save
	}
	if info, err := dir.Stat("."); err == nil {
		keep := &draftScribe{f, dir, storedIno(info)}
		keep.clear()
		keep.accepted(id)
	}
}

// claim takes a prediction for ours that the last mount had created, and had
// not written down as such when it was killed.
func (f *FS) claim(id string) error {
	known, ok := f.catalog.Prediction(id)
	if ok && known.Mine {
		return nil
	}
	f.claims.take(id) // whatever tells of it from now on says whose it is
	if ok {
		f.store(f.life, catalog.Record{Prediction: catalog.Prediction{ID: id, Mine: true}})
	}
	p, err := f.api.Prediction(f.life, id)
	if err != nil {
		return translate(err)
	}
	f.follow(p, func() {})
	return f.note(f.life, p, true)
}
