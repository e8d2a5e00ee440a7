package fs

import (
	"strings"

	"replicatefs/api"
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
		if r.Prediction == "" {
			p, err := f.adopt(f.life, r, api.ErrAmbiguous)
			if err != nil {
				f.log.Error("a run was being sent when the last mount ended, and it is not known whether it was started", "model", r.Model, "version", r.Version, "started", r.Started, "err", err)
				f.report(r.Note, "", f.explain(err, r.Note))
				continue
			}
			r.Prediction = p.ID
			f.note(f.life, p, true)
			f.follow(p, func() {})
		} else if err := f.claim(r.Prediction); err != nil {
			f.log.Warn("a run of the last mount cannot be looked for yet", "prediction", r.Prediction, "err", err)
			continue
		}
		f.report(r.Note, r.Prediction, nil)
		f.forget(f.life, r.ID)
	}
}

// report shows where a save was made what became of it after its mount had
// ended: its prediction, or why there is none. What was saved there since is
// newer.
func (f *FS) report(where, id string, err error) {
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
		f.reportDraft(where, id, err)
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

func (f *FS) reportDraft(where, id string, err error) {
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
	if info, err := dir.Stat("."); err == nil {
		(&draftScribe{f, dir, storedIno(info)}).accepted(id)
	}
}

// claim takes a prediction for ours that the last mount had created, and had
// not written down as such when it was killed.
func (f *FS) claim(id string) error {
	if known, ok := f.catalog.Prediction(id); ok && known.Mine {
		return nil
	}
	p, err := f.api.Prediction(f.life, id)
	if err != nil {
		return translate(err)
	}
	f.claims.take(id)
	f.note(f.life, p, true)
	f.follow(p, func() {})
	return nil
}
