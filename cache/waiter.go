package cache

import (
	"context"
	"math"
)

// waiter is one who waits for bytes of a fetch: not for all of it, only for those below need. Guarded by object.mu.
type waiter struct {
	need int64
	done chan struct{}
	err  error // once done
}

// waitLocked waits, without the lock, until f has brought all bytes below need.
func (o *object) waitLocked(ctx context.Context, f *fetch, need int64) error {
	w := f.joinLocked(need)
	switch {
	case w == nil && f.mark.Load() >= need:
		return nil
	case w == nil:
		return f.err
	}
	o.mu.Unlock()
	select {
	case <-w.done:
		o.mu.Lock()
		return w.err
	case <-ctx.Done():
	}
	o.mu.Lock()
	f.leaveLocked(w)
	return context.Cause(ctx)
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
