package cache

import (
	"context"
	"errors"
	"io"
	"time"
)

// A connection that died in its sleep swallows a request without a word, and only the next one finds out. So a request that
// is not answered in good time gets a second one beside it, and the first answer counts. A host that is slow for everybody
// must not be asked twice for everything: a twentieth of the requests, and a few, are all that may be doubled.
const (
	hedgeAfter = 2 * time.Second
	hedgePart  = 20
	hedgeFirst = 5
)

// answer is what came of one call of Source.Fetch.
type answer struct {
	body io.ReadCloser
	err  error
	try  int
}

// open asks src for [off, off+n).
func (f *fetch) open(ctx context.Context, src Source, off, n int64) (io.ReadCloser, error) {
	c := f.o.c
	answers := make(chan answer)
	done := make(chan struct{})
	defer close(done)
	var stops [2]context.CancelFunc
	stopAll := func() {
		for _, stop := range stops {
			if stop != nil {
				stop()
			}
		}
	}
	ask := func(try int) {
		var own context.Context
		own, stops[try] = context.WithCancel(ctx)
		c.count.fetches.Add(1)
		c.wg.Go(func() { // the fetch's own goroutine is counted as long as this is called
			body, err := src.Fetch(own, off, n, f.bulk)
			select {
			case answers <- answer{body, err, try}:
			case <-done: // the other one was first
				if err == nil {
					body.Close()
				}
			}
		})
	}
	ask(0)
	late := time.NewTimer(hedgeAfter)
	defer late.Stop()
	asked, failed := 1, error(nil)
	for {
		select {
		case a := <-answers:
			asked--
			if a.err == nil {
				if other := stops[1-a.try]; other != nil {
					other()
				}
				return &owned{a.body, stops[a.try]}, nil
			}
			stops[a.try]()
			failed = errors.Join(failed, a.err)
			if asked == 0 || permanent(a.err) {
				stopAll()
				return nil, failed
			}
		case <-ctx.Done(): // whatever the source makes of it
			stopAll()
			return nil, ctx.Err()
		case <-late.C:
			if c.count.hedged.Load() < hedgeFirst+c.count.fetches.Load()/hedgePart {
				c.count.hedged.Add(1)
				asked++
				ask(1)
			}
		}
	}
}

// owned is a body that ends its context when it is closed.
type owned struct {
	io.ReadCloser
	stop context.CancelFunc
}

func (o *owned) Close() error {
	err := o.ReadCloser.Close()
	o.stop()
	return err
}
