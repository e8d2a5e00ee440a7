package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

var errNobody = errors.New("nobody wants it any more")

// A bulk connection is worth more than this many bytes: a new one costs two round trips.
const finishBelow = 2 << 20

// fetch brings the bytes [off, end) of a file, once for all who want them. It belongs to none of them: it ends when it is
// done, when its tries are used up, or when nobody wants it any more. Faults are mended inside, by a new request from the
// mark on.
type fetch struct {
	o        *object
	off, end int64
	bulk     bool
	ahead    bool     // begun ahead of need
	chunks   []*chunk // in order
	ticket   ticket
	stop     context.CancelCauseFunc

	mark  atomic.Int64  // bytes below have arrived and never change
	next  atomic.Int64  // least need of a waiter
	most  atomic.Int64  // greatest need that a waiter ever had: up to there memory is taken beyond the budget
	kick  chan struct{} // most has grown
	first atomic.Bool   // a byte has come

	// Of the request that is running, for the meter; run's alone.
	asked time.Time
	began time.Time // the first byte came
	base  int64     // the mark then

	// Guarded by object.mu.
	waiters []*waiter
	over    bool
	err     error // once over
}

// fetchLocked begins a fetch of [off, end).
func (o *object) fetchLocked(off, end int64, urgent, bulk bool) {
	ctx, stop := context.WithCancelCause(o.c.ctx)
	f := &fetch{o: o, off: off, end: end, bulk: bulk, ahead: !urgent, stop: stop, kick: make(chan struct{}, 1)}
	f.ticket.urgent = urgent
	f.mark.Store(off)
	f.next.Store(math.MaxInt64)
	for lo := off; lo < end; {
		ch := &chunk{id: o.id, index: lo / chunkSize, lo: lo, hi: min(down(lo, chunkSize)+chunkSize, end), fetch: f}
		f.chunks = append(f.chunks, ch)
		o.mapLocked(ch)
		lo = ch.hi
	}
	o.fetches[f] = struct{}{}
	if f.ahead {
		o.ahead++
	}
	if !o.c.spawn(func() { f.run(ctx) }) {
		f.overLocked(ErrClosed)
		stop(ErrClosed)
	}
}

// reconsiderLocked cancels the fetch if nobody wants the rest of it.
func (f *fetch) reconsiderLocked() {
	mark := f.mark.Load()
	if f.over || len(f.waiters) > 0 || f.o.wantedLocked(mark, f.end) {
		return
	}
	if f.bulk && f.first.Load() && f.end-mark <= finishBelow {
		return
	}
	f.o.c.count.cancelled.Add(1)
	f.overLocked(errNobody)
	f.stop(errNobody)
}

// overLocked ends the fetch for everybody: its waiters are told, and its unfinished chunks leave the map, so that nobody
// finds it any more. The goroutine may still be inside a Read; it touches no byte below the mark.
func (f *fetch) overLocked(err error) {
	if f.over {
		return
	}
	o := f.o
	f.over, f.err = true, err
	delete(o.fetches, f)
	if f.ahead {
		o.ahead--
	}
	mark := f.mark.Load()
	for _, ch := range f.chunks {
		if ch.fetch != f {
			continue
		}
		o.unmapLocked(ch)
		// What came of a chunk that was cut short serves the next look at a header.
		if mark > ch.lo && mark < ch.hi {
			o.c.tier.put(&chunk{id: ch.id, index: ch.index, lo: ch.lo, hi: mark, buf: ch.buf})
		}
	}
	if err != nil {
		for r := range o.readers {
			r.win.lost(mark, f.end)
		}
	}
	f.wakeLocked(math.MaxInt64, err)
	o.tellLocked()
}

// run makes requests until all bytes are there.
func (f *fetch) run(ctx context.Context) {
	defer f.stop(nil)
	o, c := f.o, f.o.c
	var err error
	for tries := 0; ; {
		before := f.mark.Load()
		if err = c.slots.enter(ctx, &f.ticket); err != nil {
			break
		}
		c.count.inFlight.Add(1)
		err = f.request(ctx)
		c.count.inFlight.Add(-1)
		c.slots.leave()
		if err == nil || ctx.Err() != nil || permanent(err) || errors.Is(err, errNoRoom) {
			break
		}
		if f.mark.Load()-before >= chunkSize {
			tries = 0
		}
		if tries++; tries > c.opt.Retries {
			break
		}
		if !f.still() {
			break
		}
		c.count.retries.Add(1)
		c.log.Debug("fetch goes on after a fault", "key", o.id.key, "offset", f.mark.Load(), "try", tries, "error", err)
		if !sleep(ctx, max(backoff(tries), min(retryAfter(err), time.Minute))) {
			break
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		err = fmt.Errorf("fetch %d bytes at %d: %w", f.end-f.off, f.off, err)
	}

	o.mu.Lock()
	if err != nil && !f.over && ctx.Err() == nil && !errors.Is(err, errNoRoom) {
		c.count.failed.Add(1)
	}
	f.overLocked(err)
	for _, ch := range f.chunks {
		if ch.fetch == f {
			ch.fetch = nil
			o.uncountLocked(ch)
		}
	}
	if err == nil {
		o.pumpLocked() // after a fault the next read has to come first
	}
	o.mu.Unlock()
	c.retire(o)
}

// still tells whether anybody wants the rest.
func (f *fetch) still() bool {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	return len(f.waiters) > 0 || f.o.wantedLocked(f.mark.Load(), f.end)
}
