package cache

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// budget counts the memory of chunks in use. Reading ahead waits for room; a chunk that a reader waits for never does, so
// the limit may be passed by what readers wait for at one moment, and no more.
type budget struct {
	limit int64
	full  func() // called without a lock when reading ahead has to wait

	mu    sync.Mutex // guards what follows
	used  int64
	queue list.List // of *taker, first come first served
}

type taker struct {
	n     int64
	ready chan struct{}
	place *list.Element // nil once granted
}

// take reserves n bytes. It returns at once if there is room, or as soon as urgent answers true; urgent is asked again
// after each value from kick. After patience it gives up with errNoRoom.
func (b *budget) take(ctx context.Context, n int64, patience time.Duration, urgent func() bool, kick <-chan struct{}) error {
	b.mu.Lock()
	if b.queue.Len() == 0 && b.used+n <= b.limit || urgent() {
		b.used += n
		b.mu.Unlock()
		return nil
	}
	t := &taker{n: n, ready: make(chan struct{})}
	t.place = b.queue.PushBack(t)
	b.mu.Unlock()
	b.full()
	late := time.NewTimer(patience)
	defer late.Stop()
	var err error
	for waiting := true; waiting; {
		select {
		case <-t.ready:
			return nil
		case <-kick:
			waiting = !urgent()
		case <-late.C:
			err, waiting = errNoRoom, false
		case <-ctx.Done():
			err, waiting = ctx.Err(), false
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	granted := t.place == nil // in this very moment
	switch {
	case err == nil && !granted:
		b.used += n
		b.queue.Remove(t.place)
	case err != nil && granted:
		b.used -= n
		b.grantLocked()
	case err != nil:
		b.queue.Remove(t.place)
		b.grantLocked()
	}
	return err
}

// force takes n bytes without waiting.
func (b *budget) force(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
}

// give returns n bytes.
func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	b.grantLocked()
}

func (b *budget) grantLocked() {
	for e := b.queue.Front(); e != nil; e = b.queue.Front() {
		t := e.Value.(*taker)
		if b.used+t.n > b.limit {
			return
		}
		b.used += t.n
		b.queue.Remove(e)
		t.place = nil
		close(t.ready)
	}
}

// inUse is the number of bytes taken now.
func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
