package sim

import (
	"compress/gzip"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// answer is the ResponseWriter of every request: it keeps the journal, the
// pace of the connection, and does to the body what a fault says.
type answer struct {
	http.ResponseWriter
	ctx   context.Context
	note  func(func(*Request))
	pace  *pace  // nil is as fast as can be
	fault *Fault // nil is none
	began bool
	sent  int64
	zip   *gzip.Writer
}

// Unwrap serves http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.began {
		return
	}
	a.began = true
	a.note(func(r *Request) { r.Status = status })
	f := a.fault
	if f == nil {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	h := a.Header()
	for k, v := range f.Header {
		h[k] = v
	}
	if f.NoLength || f.Gzip {
		h.Del("Content-Length")
	}
	if f.Gzip && status == http.StatusOK {
		h.Set("Content-Encoding", "gzip")
		a.zip = gzip.NewWriter(raw{a})
	}
	a.ResponseWriter.WriteHeader(status)
	if f.NoLength || f.CutAfter < 0 || f.StallAfter < 0 {
		a.Flush()
	}
	if f.CutAfter < 0 {
		panic(http.ErrAbortHandler)
	}
	if f.StallAfter < 0 {
		a.stall()
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.zip != nil {
		return a.zip.Write(p)
	}
	return a.write(p)
}

// write sends p in pieces that end where the fault strikes.
func (a *answer) write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := len(p) - done
		if a.pace != nil {
			n = min(n, 64<<10)
		}
		cut, stall := false, false
		if f := a.fault; f != nil {
			if left := f.CutAfter - a.sent; f.CutAfter > 0 && left <= int64(n) {
				n, cut = int(left), true
			}
			if left := f.StallAfter - a.sent; f.StallAfter > 0 && left > 0 && left <= int64(n) {
				n, cut, stall = int(left), false, true
			}
		}
		if a.pace != nil && !a.pace.wait(a.ctx, n) {
			return done, a.ctx.Err()
		}
		n, err := a.ResponseWriter.Write(p[done : done+n])
		done += n
		a.sent += int64(n)
		a.note(func(r *Request) { r.Sent = a.sent })
		if err != nil {
			return done, err
		}
		if cut {
			a.Flush()
			panic(http.ErrAbortHandler)
		}
		if stall {
			a.Flush()
			a.stall()
		}
	}
	return done, nil
}

func (a *answer) stall() {
	if a.fault.StallFor == 0 {
		<-a.ctx.Done()
		panic(http.ErrAbortHandler)
	}
	sleep(a.ctx, a.fault.StallFor)
}

// Flush sends what was written so far.
func (a *answer) Flush() {
	http.NewResponseController(a.ResponseWriter).Flush()
}

// close ends the body.
func (a *answer) close() {
	if a.zip != nil {
		a.zip.Close()
	}
}

// raw is the answer behind its gzip writer.
type raw struct{ a *answer }

func (r raw) Write(p []byte) (int, error) { return r.a.write(p) }

// pace is what the requests of one connection share.
type pace struct {
	secure bool // the client takes it for HTTPS
	used   atomic.Bool
	net    Network
	mu     sync.Mutex
	free   time.Time // when the line is free again; guarded by mu
}

// wait takes the line for n bytes and sleeps until they would have passed.
func (p *pace) wait(ctx context.Context, n int) bool {
	if p.net.Bandwidth <= 0 {
		return true
	}
	p.mu.Lock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(int64(n) * int64(time.Second) / p.net.Bandwidth))
	d := p.free.Sub(now)
	p.mu.Unlock()
	return sleep(ctx, d)
}

// sleep waits for d and tells whether ctx lasted.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
