package fs

import (
	"context"
	"encoding/json"
	"errors"
	iofs "io/fs"
	"time"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// News comes from three sides into the catalog: sync polls the list for what
// is new and, in the background, goes through what is old once; flights watch
// runs under way; lookups ask for what is named and unknown. Nothing is ever
// taken out of the catalog because the API did not answer.

const (
	overlap      = 2 * time.Minute // the list is asked again for so much: it may fill in late
	firstLimit   = 5 * time.Second // how long the first listing waits for the first news
	arrivedLife  = 10 * time.Minute
	crawlPause   = 100 * time.Millisecond // between pages of the past: 600 a minute of 3,000 allowed
	watchedAtAll = 50                     // runs of others that are asked for in one poll
	maxPollPause = 5 * time.Minute

	retention     = time.Hour + time.Minute // after which API predictions lose their data
	expiriesAtAll = 20                      // predictions that are asked about it in one poll
)

// progress is how far the list was read, kept over restarts.
type progress struct {
	Complete bool   `json:"complete"`       // all of the past is in the catalog
	Next     string `json:"next,omitempty"` // else: the page to go on with
}

const progressKey = "sync"

// sync runs until Close.
func (f *FS) sync() {
	defer f.first.Do(func() { close(f.synced) })
	f.tasks.Go(f.crawl)
	for failures := 0; ; {
		err := f.poll(f.life)
		switch {
		case f.life.Err() != nil:
			return
		case err != nil:
			if failures == 0 {
				f.log.Warn("no news from the API; what is known stays", "err", err)
			}
			failures++
		default:
			if failures > 0 {
				f.log.Info("news from the API again")
			}
			failures = 0
		}
		f.first.Do(func() { close(f.synced) })
		pause := f.o.Poll
		for range min(failures, 10) {
			pause = min(2*pause, max(maxPollPause, f.o.Poll))
		}
		if !f.sleep(pause) {
			return
		}
	}
}

// poll asks for what is new, and for what became of runs that nobody watches.
func (f *FS) poll(ctx context.Context) error {
	var filter api.Filter
	if newest := f.catalog.Newest(); !newest.IsZero() {
		filter.CreatedAfter = newest.Add(-overlap)
	}
	for next := ""; ; {
		page, err := f.api.PredictionPage(ctx, filter, next)
		if err != nil {
			return err
		}
		f.put(ctx, page.Predictions...)
		if next = page.Next; next == "" || filter.CreatedAfter.IsZero() {
			// With an empty catalog the first page is the news, the rest the past.
			break
		}
	}
	if err := f.pollOthers(ctx); err != nil {
		return err
	}
	return f.pollExpired(ctx)
}

// pollOthers asks for runs that were made elsewhere and had not ended when
// last seen. One that says the same for long is asked for ever more rarely.
func (f *FS) pollOthers(ctx context.Context) error {
	asked := 0
	for p := range f.catalog.Unfinished() {
		if asked == watchedAtAll {
			break
		}
		if f.watched(p.ID) || !f.due(p) {
			continue
		}
		asked++
		if err := f.refresh(ctx, p.ID); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// pollExpired asks, a few at a time, whether Replicate has deleted the data of
// predictions whose hour is over. Only its word counts: a clock may be wrong,
// and an account may have other terms.
func (f *FS) pollExpired(ctx context.Context) error {
	asked := 0
	for p := range f.catalog.Between(time.Unix(0, 1), f.now().Add(-retention)) {
		if p.Source != "api" || p.Removed || !p.Done || !f.docs.old("expiry/"+p.ID) {
			continue
		}
		if asked++; asked > expiriesAtAll {
			break
		}
		if err := f.refresh(ctx, p.ID); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *FS) watched(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flights[id] != nil
}

// due spreads the questions about a run over time: one in ten minutes of age
// is asked for with every poll, one of ten hours with every sixtieth.
func (f *FS) due(p catalog.Prediction) bool {
	age := f.now().Sub(p.Created)
	every := max(1, int64(age/(10*time.Minute)))
	return every == 1 || f.now().UnixNano()/int64(f.o.Poll)%every == 0
}

// crawl goes through the past, once, however often it is interrupted.
func (f *FS) crawl() {
	var at progress
	if raw, _, err := f.catalog.Doc(f.life, progressKey); err == nil && json.Unmarshal(raw, &at) != nil {
		at = progress{}
	}
	pause := crawlPause
	for !at.Complete {
		page, err := f.api.PredictionPage(f.life, api.Filter{}, at.Next)
		switch {
		case f.life.Err() != nil:
			return
		case errors.Is(err, iofs.ErrInvalid) || errors.Is(err, iofs.ErrNotExist):
			at.Next = "" // a cursor that the API no longer knows
			fallthrough
		case err != nil:
			pause = min(2*pause, maxPollPause)
			if !f.sleep(pause) {
				return
			}
			continue
		}
		pause = crawlPause
		f.put(f.life, page.Predictions...)
		at = progress{Complete: page.Next == "" || page.Next == at.Next, Next: page.Next}
		raw, _ := json.Marshal(at)
		if _, err := f.catalog.PutDoc(f.life, progressKey, raw); err != nil {
			f.log.Warn("how far the list was read could not be written down", "err", err)
		}
		if !at.Complete && !f.sleep(pause) {
			return
		}
	}
}

// sleep waits; false when the mount ends.
func (f *FS) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-f.life.Done():
		return false
	}
}

// firstNews lets the first listing of a new account wait a moment, rather
// than show it empty.
func (f *FS) firstNews(ctx context.Context) {
	if f.catalog.Len() > 0 {
		return
	}
	timer := time.NewTimer(firstLimit)
	defer timer.Stop()
	select {
	case <-f.synced:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// refresh asks for one prediction.
func (f *FS) refresh(ctx context.Context, id string) error {
	p, err := f.api.Prediction(ctx, id)
	if err != nil {
		return translate(err)
	}
	f.put(ctx, p)
	return nil
}

// note takes in a prediction as it was just told; started says that it was
// started here.
func (f *FS) note(ctx context.Context, p *api.Prediction, started bool) {
	rec := f.record(p)
	rec.Mine = started
	f.store(ctx, rec)
}

// put takes in what the API told when it was asked. Lists may leave logs out,
// so of a run under way they only tell that it is there.
func (f *FS) put(ctx context.Context, some ...*api.Prediction) {
	recs := make([]catalog.Record, 0, len(some))
	for _, p := range some {
		if _, known := f.catalog.Prediction(p.ID); known && !p.Done() && !p.HasLogs {
			continue
		}
		recs = append(recs, f.record(p))
	}
	f.store(ctx, recs...)
}

func (f *FS) record(p *api.Prediction) catalog.Record {
	return catalog.Record{
		Prediction: catalog.Prediction{
			ID: p.ID, Model: p.Model, Version: p.Version, Status: p.Status, Source: p.Source, Deployment: p.Deployment,
			Created: p.Created, Completed: p.Completed,
			Done: p.Done(), Full: p.Done() && p.HasLogs && !p.DataRemoved, Removed: p.DataRemoved,
			Layout: f.layoutOf(p),
		},
		Raw: p.Raw,
	}
}

// store writes records into the catalog and tells the kernel what is no
// longer as it was.
func (f *FS) store(ctx context.Context, recs ...catalog.Record) {
	known := f.arrive(recs)
	changed, err := f.catalog.Put(ctx, recs...)
	if err != nil && ctx.Err() == nil {
		f.log.Error("news could not be written down", "err", err)
	}
	f.changes.Add(uint64(len(changed)))
	for _, id := range changed {
		f.folders.Remove(id)
		if known[id] {
			f.changed(ctx, id)
		}
	}
	if len(changed) > 0 {
		f.notify(tree.Change{Node: tree.Ino("predictions")})
	}
}

// changed tells the kernel of a prediction that it may have looked at: names
// came (a run made its output) or went (its hour is over).
func (f *FS) changed(ctx context.Context, id string) {
	dir := tree.Ino("prediction", id)
	f.notify(tree.Change{Node: dir})
	known, err := f.folder(ctx, id)
	if err != nil {
		return
	}
	for _, it := range known.items {
		f.notify(tree.Change{Dir: dir, Name: it.name})
	}
	f.notify(tree.Change{Dir: dir, Name: "cancel"})
	f.notify(tree.Change{Dir: dir, Name: expiredName})
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
		}
		f.forget(f.life, r.ID)
	}
}
