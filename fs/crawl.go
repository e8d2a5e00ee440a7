package fs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"sync"
	"time"

	"replicatefs/api"
)

// What is known of the list is two things, both kept over restarts: the past,
// gone through once from the newest page to the oldest, and since then the
// news, complete up to a moment.

// crawled is how far the past was read.
type crawled struct {
	Complete bool   `json:"complete"`       // all of it is in the catalog
	Next     string `json:"next,omitempty"` // else: the page to go on with
}

// heard is up to when the news is complete: all that was created before is in
// the catalog, but for the past that is still to be read.
type heard struct {
	Until time.Time `json:"until"`
}

const (
	crawledKey = "sync"
	heardKey   = "news"
)

func (f *FS) readHeard(ctx context.Context) (h heard, err error) {
	raw, _, err := f.catalog.Doc(ctx, heardKey)
	if errors.Is(err, iofs.ErrNotExist) || err == nil && json.Unmarshal(raw, &h) != nil {
		return heard{}, nil
	}
	return h, err
}

func (f *FS) writeHeard(ctx context.Context, before heard, until time.Time) error {
	if until.Equal(before.Until) {
		return nil
	}
	raw, _ := json.Marshal(heard{until})
	if _, err := f.catalog.PutDoc(ctx, heardKey, raw); err != nil {
		return fmt.Errorf("write down how far the news was read: %w", err)
	}
	return nil
}

// crawl goes through the past, once, however often it is interrupted. It
// begins after the first news, so that no prediction falls between the two.
func (f *FS) crawl() {
	select {
	case <-f.progress.heard:
	case <-f.life.Done():
		return
	}
	at := f.progress.past()
	failures := 0
	for !at.Complete {
		err := f.crawlPage(&at)
		switch {
		case f.life.Err() != nil:
			return
		case err == nil:
			failures = 0
		default:
			failures++
			if errors.Is(err, iofs.ErrInvalid) || errors.Is(err, iofs.ErrNotExist) {
				at.Next = "" // a page that the API no longer knows
			}
			f.log.Debug("a page of the past could not be read", "err", err)
		}
		f.progress.crawled(at, err)
		pause := pagePause
		for range min(failures, 12) {
			pause = min(2*pause, maxPollPause)
		}
		if !at.Complete && !f.sleep(pause) {
			return
		}
	}
}

// crawlPage reads the next page of the past and writes down that it did.
func (f *FS) crawlPage(at *crawled) error {
	page, err := f.api.PredictionPage(f.life, api.Filter{}, at.Next)
	if err != nil {
		return err
	}
	if err := f.put(f.life, page.Predictions...); err != nil {
		return err
	}
	*at = crawled{Complete: page.Next == "" || page.Next == at.Next, Next: page.Next}
	if at.Complete {
		at.Next = ""
		f.log.Info("the list of predictions is complete", "predictions", f.catalog.Len())
	}
	raw, _ := json.Marshal(at)
	if _, err := f.catalog.PutDoc(f.life, crawledKey, raw); err != nil {
		f.log.Warn("how far the list was read could not be written down", "err", err)
	}
	return nil
}

// A progress is where sync stands, for itself and for who wants to know.
type progress struct {
	heard chan struct{} // closed with the first news
	first sync.Once

	mu      sync.Mutex // guards what follows
	crawl   crawled
	stuck   error // of the last page of the past that was asked for
	polls   int
	last    time.Time            // of the news
	err     error                // why there is no news
	failing time.Time            // since when
	asks    map[string]time.Time // when a run elsewhere was asked for
}

// newProgress goes on where the last mount ended.
func (f *FS) newProgress() *progress {
	p := &progress{heard: make(chan struct{}), asks: map[string]time.Time{}}
	if raw, _, err := f.catalog.Doc(f.life, crawledKey); err == nil && json.Unmarshal(raw, &p.crawl) != nil {
		p.crawl = crawled{}
	}
	return p
}

func (p *progress) polled(now time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if p.err == nil {
			p.failing = now
		}
		p.err = err
		return
	}
	p.polls++
	p.last, p.err, p.failing = now, nil, time.Time{}
}

// begin lets the crawl begin.
func (p *progress) begin() { p.first.Do(func() { close(p.heard) }) }

func (p *progress) past() crawled {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crawl
}

func (p *progress) complete() bool { return p.past().Complete }

func (p *progress) crawled(at crawled, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crawl, p.stuck = at, err
}

// wrong is why the list does not get longer, nil if it does.
func (p *progress) wrong() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return cmp.Or(p.stuck, p.err)
}

// asked is when a run was asked for last.
func (p *progress) asked(id string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asks[id]
}

func (p *progress) ask(id string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asks) > 10_000 {
		clear(p.asks) // most of them have ended
	}
	p.asks[id] = now
}
