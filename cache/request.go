package cache

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"
)

var (
	errStalled = errors.New("no byte for too long")
	errSlow    = errors.New("request took too long")
	errLong    = errors.New("more bytes than asked for")
	errNoRoom  = errors.New("no memory to read ahead")
)

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
	f.asked = time.Now()
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
				c.meter.waited(f.began.Sub(f.asked))
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

// arrived hands a whole chunk over.
func (f *fetch) arrived(ch *chunk) {
	ch.sum = checksum(ch.buf)
	f.o.c.rush.came(ch.cost(), time.Now())
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	f.o.arrivedLocked(ch)
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
