package fuse

import (
	"context"
	"sync"
	"time"
)

const (
	// patience is the longest that any request but a save may take. Kernel
	// read-ahead cannot be interrupted, so without an end of its own one dead
	// connection would hold a reader, and its folder, for good.
	patience = 90 * time.Second

	// glance is how often a caller with a pending signal is looked at again:
	// short for a person who pressed Ctrl-C, long for the machine.
	glance = 50 * time.Millisecond
	letGo  = 20 // such looks in a row at a caller that is awake: it does not wait
)

// A request is the context of one kernel request. It ends when its time is
// over, when the mount is forced down, and when the caller has been asked to
// end itself.
//
// It does not end at every interrupt. Any signal, a resized window or an
// ended child too, reaches us as one and the same message, and only once; a
// program would see calls fail that never fail on a disk. So after an
// interrupt the caller's pending signals are looked at from time to time.
//
// Most requests are answered from memory and never wait, so what it takes to
// wait is made at the first call of Done.
type request struct {
	b        *binding
	cancel   <-chan struct{} // closed by go-fuse at an interrupt
	tid      uint32
	deadline time.Time // zero: none

	mu   sync.Mutex
	over bool
	ctx  context.Context // nil before the first Done
	stop context.CancelFunc
}

// request returns the context of a request. The caller must end it: go-fuse
// uses the channel again for other requests.
func (b *binding) request(cancel <-chan struct{}, tid uint32) *request {
	return &request{b: b, cancel: cancel, tid: tid, deadline: time.Now().Add(patience)}
}

// save returns the context of a request that may wait for a run, which takes
// as long as it takes.
func (b *binding) save(cancel <-chan struct{}, tid uint32) *request {
	return &request{b: b, cancel: cancel, tid: tid}
}

func (r *request) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.stop != nil {
		r.stop()
	}
}

func (r *request) Deadline() (time.Time, bool) { return r.deadline, !r.deadline.IsZero() }

func (r *request) Value(any) any { return nil }

func (r *request) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ctx != nil:
		return r.ctx.Err()
	case r.over:
		return context.Canceled
	case !r.deadline.IsZero() && time.Now().After(r.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

func (r *request) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil {
		if r.deadline.IsZero() {
			r.ctx, r.stop = context.WithCancel(context.Background())
		} else {
			r.ctx, r.stop = context.WithDeadline(context.Background(), r.deadline)
		}
		if r.over {
			r.stop()
		} else {
			go r.watch(r.ctx, r.stop)
		}
	}
	return r.ctx.Done()
}

// watch ends with the request, at the latest.
func (r *request) watch(ctx context.Context, stop context.CancelFunc) {
	select {
	case <-ctx.Done():
		return
	case <-r.b.quit:
		stop()
		return
	case <-r.cancel:
	}
	again := time.NewTicker(glance)
	defer again.Stop()
	for awake := 0; ; {
		asleep, told, known := r.b.procs.waits(r.tid)
		if asleep {
			awake = 0
		} else {
			awake++
		}
		// Once interrupted, a caller sleeps (state D) until we answer. One
		// that stays awake was let go otherwise: the connection was aborted.
		// On a busy machine it may be long on its way to sleep.
		if !known || told || awake > letGo {
			stop()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-r.b.quit:
			stop()
			return
		case <-again.C:
		}
	}
}
