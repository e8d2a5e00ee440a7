package fs

import "replicatefs/api"

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
	if err != nil {
		f.log.Warn("runs under way could not be read", "err", err)
		return
	}
	for _, r := range runs {
		if r.Prediction == "" {
			p, err := f.adopt(f.life, r, api.ErrAmbiguous)
			if err != nil {
				f.log.Error("a run was being sent when the last mount ended, and it is not known whether it was started", "model", r.Model, "version", r.Version, "started", r.Started, "err", err)
				continue
			}
			r.Prediction = p.ID
			f.note(f.life, p, true)
			f.follow(p, func() {})
		} else if err := f.claim(r.Prediction); err != nil {
			f.log.Warn("a run of the last mount cannot be looked for yet", "prediction", r.Prediction, "err", err)
			continue
		}
		f.forget(f.life, r.ID)
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
