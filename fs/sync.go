package fs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"replicatefs/api"
	"replicatefs/cache/catalog"
)

// News comes from three sides into the catalog: sync polls the list for what
// is new and, in the background, goes through what is old once; flights watch
// runs under way; lookups ask for what is named and unknown. Nothing is ever
// taken out of the catalog because the API did not answer.

const (
	overlap      = 2 * time.Minute // the list is asked again for so much: it may fill in late
	firstLimit   = 5 * time.Second // how long who looks waits for the first news
	arrivedLife  = 10 * time.Minute
	pagePause    = 100 * time.Millisecond // between pages: at most 600 a minute of 3,000 allowed
	quickPoll    = 3 * time.Second        // while something runs elsewhere
	youth        = 10 * time.Minute       // of a run, in which it is likely to end
	watchedAtAll = 50                     // runs of others that are asked for in one poll
	maxPollPause = time.Minute            // while the API does not answer

	retention     = time.Hour + time.Minute // after which API predictions lose their data
	expiriesAtAll = 20                      // predictions that are asked about it in one poll
)

// sync runs until Close.
func (f *FS) sync() {
	defer f.first.Do(func() { close(f.synced) })
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
		f.progress.polled(f.now(), err)
		f.first.Do(func() { close(f.synced) })
		pause := f.o.Poll
		if failures == 0 && f.busy() {
			pause = min(pause, quickPoll)
		}
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
	if err := f.pollNeighbours(ctx); err != nil {
		return err
	}
	if err := f.pollNew(ctx); err != nil {
		return err
	}
	f.pollLost()
	if err := f.pollOthers(ctx); err != nil {
		return err
	}
	if err := f.trainings.poll(ctx); err != nil {
		return err
	}
	return f.pollExpired(ctx)
}

// pollNeighbours takes over what other processes with the same catalog wrote.
func (f *FS) pollNeighbours(ctx context.Context) error {
	changed, err := f.catalog.Refresh(ctx)
	if len(changed) > 0 {
		f.tell(ctx, changed, func(string) bool { return true })
	}
	return err
}

// pollNew reads the list back to what all is known of: not to the newest that
// is known, which may be one that was made here while the list went unread.
func (f *FS) pollNew(ctx context.Context) error {
	known, err := f.readHeard(ctx)
	if err != nil {
		return err
	}
	var filter api.Filter
	if !known.Until.IsZero() {
		filter.CreatedAfter = known.Until.Add(-overlap)
	}
	until := known.Until
	for next := ""; ; {
		page, err := f.api.PredictionPage(ctx, filter, next)
		if err != nil {
			return err
		}
		if err := f.put(ctx, page.Predictions...); err != nil {
			return err
		}
		for _, p := range page.Predictions {
			if p.Created.After(until) {
				until = p.Created
			}
		}
		if page.Next == "" || page.Next == next {
			break
		}
		if known.Until.IsZero() && !f.progress.complete() {
			break // the first page is the news, the rest the past
		}
		next = page.Next
		if !f.sleep(pagePause) {
			return f.life.Err()
		}
	}
	if err := f.writeHeard(ctx, known, until); err != nil {
		return err
	}
	f.progress.begin()
	return nil
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
		if err := f.again(ctx, p.ID); err != nil {
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
		if err := f.again(ctx, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// again asks for a prediction that is known. One that the API does not tell
// must not keep the others waiting; an API that is not there fails.
func (f *FS) again(ctx context.Context, id string) error {
	err := f.refresh(ctx, id)
	var answer *api.Error
	if err == nil || errors.As(err, &answer) && answer.Status != http.StatusTooManyRequests {
		return nil
	}
	return err
}

func (f *FS) watched(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flights[id] != nil
}

// busy tells whether a run that nobody here watches is young enough to end at
// any moment.
func (f *FS) busy() bool {
	for p := range f.catalog.Unfinished() {
		if f.now().Sub(p.Created) < youth && !f.watched(p.ID) {
			return true
		}
	}
	return false
}

// due spreads the questions about a run over time: a young one is asked for
// with every poll, one of an hour every minute and a half, one of a day every
// half hour.
func (f *FS) due(p catalog.Prediction) bool {
	age := f.now().Sub(p.Created)
	if age >= youth && f.now().Sub(f.progress.asked(p.ID)) < age/40 {
		return false
	}
	f.progress.ask(p.ID, f.now())
	return true
}

// away is why the last poll had no answer, nil if it had.
func (f *FS) away() error {
	f.progress.mu.Lock()
	defer f.progress.mu.Unlock()
	return f.progress.err
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

// firstNews lets who looks into a new account wait a moment, rather than see
// it empty or in part.
func (f *FS) firstNews(ctx context.Context) {
	if f.fresh {
		f.news(ctx)
	}
}

// news waits a moment for the first news of this mount.
func (f *FS) news(ctx context.Context) {
	timer := time.NewTimer(firstLimit)
	defer timer.Stop()
	select {
	case <-f.synced:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Whole waits until the list of predictions is as the API has it: read to its
// end once, and with the news, unless these do not come within a moment. It is
// for who looks once and goes away. While the list is being read, tell is
// called with how much of it is known. The error is why it is known in part.
func (f *FS) Whole(ctx context.Context, tell func(known int)) error {
	f.news(ctx)
	tick := time.NewTicker(pagePause)
	defer tick.Stop()
	for !f.progress.complete() {
		if err := f.progress.wrong(); err != nil {
			return fmt.Errorf("the list of predictions is not whole: %w", err)
		}
		tell(f.catalog.Len())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-f.life.Done():
			return f.life.Err()
		}
	}
	return nil
}
