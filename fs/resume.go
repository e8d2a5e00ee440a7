package fs

import (
	"bytes"
	"strings"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
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
				f.follow(p, f.guard.join())
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
		if r.Prediction == "" {
			continue
		}
		f.claims.take(r.Prediction) // whatever tells of it from now on says whose it is
		if err := f.claim(r.Prediction); err != nil {
			f.log.Warn("a run of the last mount cannot be looked for yet", "prediction", r.Prediction, "err", err)
			continue
		}
		f.report(r, r.Prediction, nil)
		f.forget(f.life, r.ID)
	}
	for _, r := range runs {
		if r.Prediction != "" {
			continue
		}
		select {
		case <-f.progress.heard: // an API that is away tells nothing
		case <-f.life.Done():
			return
		}
		f.trace(r)
	}
}

// trace looks for a run whose answer never came. That it is not found is said
// once, by this mount if not by the one that sent it.
func (f *FS) trace(r catalog.Run) {
	if r.State != "" {
		f.lose(r)
		return
	}
	p, err := f.adopt(f.life, r, api.ErrAmbiguous)
	switch {
	case err == nil:
		f.found(r, p)
	case f.life.Err() == nil:
		f.log.Error("a run was being sent when the last mount ended, and it is not known whether it was started", "model", r.Model, "version", r.Version, "started", r.Started, "err", err)
		err = f.explain(err, r.Note)
		f.report(r, "", err)
		f.told(f.life, r, err)
	}
}

// report shows where a save was made what became of it after its mount had
// ended: its prediction, or why there is none. What was saved there since is
// newer; what was said of it before, if anything, is not.
func (f *FS) report(r catalog.Run, id string, err error) {
	words := strings.Split(r.Note, "/")
	var d *deskDir
	switch n := len(words); {
	case n == 3 && words[0] == "deployments":
		d = f.deployment(words[1] + "/" + words[2])
	case n == 3 && words[0] == "models":
		d = f.model(words[1] + "/" + words[2])
	case n == 5:
		d = f.version(words[1]+"/"+words[2], words[4])
	case n == 4 || n == 6:
		f.reportDraft(r, id, err)
		return
	default:
		return // written down before places were
	}
	s := d.last()
	switch {
	case s == nil:
		s = d.begin(nil)
		if err == nil {
			s.accept(id)
		}
		d.end(s, err)
	case id != "" && s.found(id, r):
		f.notify(tree.Change{Node: d.ino(), Content: true})
	}
}

func (f *FS) reportDraft(r catalog.Run, id string, err error) {
	where, before := r.Note, r.State
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
	f.mu.Lock()
	d := f.desks[where]
	f.mu.Unlock()
	if d != nil && d.last() != nil && !d.last().found(id, r) {
		return
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
	if ok {
		f.store(f.life, catalog.Record{Prediction: catalog.Prediction{ID: id, Mine: true}})
	}
	p, err := f.api.Prediction(f.life, id)
	if err != nil {
		return translate(err)
	}
	err = f.note(f.life, p)
	f.follow(p, f.guard.join())
	return err
}
