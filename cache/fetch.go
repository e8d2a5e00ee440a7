package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

var (
	errStalled = errors.New("no byte for too long")
	errSlow    = errors.New("request took too long")
	errLong    = errors.New("more bytes than asked for")
	errNobody  = errors.New("nobody wants it any more")
	errNoRoom  = errors.New("no memory to read ahead")
)

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
	began time.Time // the first byte came
	base  int64     // the mark then

	// Guarded by object.mu.
	waiters []*waiter
	over    bool
	err     error // once over
}

type waiter struct {
	need int64
	done chan struct{}
	err  error // once done
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

// joinLocked adds a waiter for the bytes below need, or answers nil if there is nothing to wait for.
func (f *fetch) joinLocked(need int64) *waiter {
	if f.over {
		return nil
	}
	w := &waiter{need: need, done: make(chan struct{})}
	f.waiters = append(f.waiters, w)
	if need < f.next.Load() {
		f.next.Store(need)
	}
	// The mark is looked at after next is set, as run does it the other way round: one of the two sees the other.
	if f.mark.Load() >= need {
		f.leaveLocked(w)
		return nil
	}
	if need > f.most.Load() {
		f.most.Store(need)
		select {
		case f.kick <- struct{}{}:
		default:
		}
	}
	f.o.c.slots.promote(&f.ticket)
	return w
}

// leaveLocked removes a waiter.
func (f *fetch) leaveLocked(w *waiter) {
	next := int64(math.MaxInt64)
	rest := f.waiters[:0]
	for _, v := range f.waiters {
		if v != w {
			rest = append(rest, v)
			next = min(next, v.need)
		}
	}
	clear(f.waiters[len(rest):])
	f.waiters = rest
	f.next.Store(next)
	f.reconsiderLocked()
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

// wakeLocked ends the waiting for all bytes below mark.
func (f *fetch) wakeLocked(mark int64, err error) {
	next := int64(math.MaxInt64)
	rest := f.waiters[:0]
	for _, w := range f.waiters {
		if w.need <= mark {
			w.err = err
			close(w.done)
			continue
		}
		rest = append(rest, w)
		next = min(next, w.need)
	}
	clear(f.waiters[len(rest):])
	f.waiters = rest
	f.next.Store(next)
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

// backoff is the pause before the given try: a quarter second, doubled each time, half of it by chance.
func backoff(try int) time.Duration {
	d := min(250*time.Millisecond<<(try-1), 8*time.Second)
	return d/2 + rand.N(d)
}

// sleep waits for d and tells whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// request asks for the bytes from the mark on, once.
func (f *fetch) request(ctx context.Context) error {
	c := f.o.c
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	deadline := time.AfterFunc(c.opt.FetchTimeout, func() { stop(errSlow) })
	defer deadline.Stop()
	stall := time.AfterFunc(c.opt.StallTimeout, func() { stop(errStalled) })
	defer stall.Stop()

	f.o.mu.Lock()
	src := f.o.src
	f.o.mu.Unlock()
	from := f.mark.Load()
	body, err := f.open(ctx, src, from, f.end-from)
	if err != nil {
		return cause(ctx, err)
	}
	defer body.Close()
	f.began = time.Time{}
	defer func() {
		if !f.began.IsZero() {
			c.count.receiving.Add(-1)
		}
	}()
	for _, ch := range f.chunks {
		if from >= ch.hi {
			continue
		}
		if ch.buf == nil {
			stall.Stop() // it is we who make the origin wait
			now := time.Now()
			if err := f.allocate(ctx, ch); err != nil {
				return cause(ctx, err)
			}
			if waited := time.Since(now); waited > 0 {
				if !f.began.IsZero() {
					f.began = f.began.Add(waited)
				}
				deadline.Reset(c.opt.FetchTimeout)
			}
			stall.Reset(c.opt.StallTimeout)
		}
		if err := f.fill(ch, body, stall); err != nil {
			return cause(ctx, err)
		}
		f.arrived(ch)
		c.meter.note(ch.hi-f.base, time.Since(f.began), int(c.count.receiving.Load()))
	}
	return nil
}

// cause prefers the reason for which ctx was cancelled to the error that came of it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// allocate takes memory for ch. A chunk that somebody waits for does not wait for others to leave; one that nobody waits for
// gives its connection to others after a while.
func (f *fetch) allocate(ctx context.Context, ch *chunk) error {
	c := f.o.c
	f.o.pace(ctx)
	urgent := func() bool { return f.most.Load() > ch.lo }
	if err := c.budget.take(ctx, ch.hi-ch.lo, c.opt.StallTimeout, urgent, f.kick); err != nil {
		return err
	}
	ch.counted = true
	ch.buf = make([]byte, ch.hi-ch.lo)
	return nil
}

// fill reads the rest of ch and moves the mark as bytes come.
func (f *fetch) fill(ch *chunk, body io.Reader, stall *time.Timer) error {
	c := f.o.c
	for empty := 0; f.mark.Load() < ch.hi; {
		mark := f.mark.Load()
		n, err := body.Read(ch.buf[mark-ch.lo:])
		if n > 0 {
			empty = 0
			if f.began.IsZero() {
				f.began, f.base = time.Now(), mark+int64(n)
				f.first.Store(true)
				c.count.receiving.Add(1)
			}
			stall.Reset(c.opt.StallTimeout)
			c.count.fetchedBytes.Add(int64(n))
			mark += int64(n)
			if mark == f.end && err == nil {
				// A body that goes on is not the answer to our question: then its end is not to be trusted either. And
				// a connection is used again only if its body was read to the end.
				err = ended(body)
			}
			if err == nil || err == io.EOF || mark < f.end {
				f.mark.Store(mark)
				f.wake(mark)
			}
		}
		switch {
		case err == io.EOF && f.mark.Load() == f.end:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		if n == 0 {
			if empty++; empty > 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// ended reads past the last byte, where nothing but io.EOF may come.
func ended(body io.Reader) error {
	var b [1]byte
	for range 100 {
		n, err := body.Read(b[:])
		if n > 0 {
			return errLong
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// wake tells waiters that the mark has passed what they need.
func (f *fetch) wake(mark int64) {
	if mark < f.next.Load() {
		return
	}
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	if !f.over {
		f.wakeLocked(mark, nil)
	}
}

// arrived hands a whole chunk over.
func (f *fetch) arrived(ch *chunk) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	f.o.arrivedLocked(ch)
}
