package cache

import (
	"container/list"
	"context"
	"sync"
)

// slots limits how many fetches hold a connection at once. Those that somebody waits for go first, and a few slots are
// theirs alone, so that reading ahead never makes a reader wait.
type slots struct {
	mu      sync.Mutex // guards what follows
	free    int
	reserve int // of free, for urgent tickets only
	urgent  list.List
	ahead   list.List
}

// ticket is the place of one fetch in the queues.
type ticket struct {
	urgent bool // guarded by slots.mu, like the rest
	ready  chan struct{}
	queue  *list.List // nil when it is in none
	place  *list.Element
}

func newSlots(n int) *slots {
	return &slots{free: n, reserve: min(n-1, (n+7)/8)}
}

// enter waits for a slot. Each nil answer is paid back with leave.
func (s *slots) enter(ctx context.Context, t *ticket) error {
	s.mu.Lock()
	if s.free > 0 && (t.urgent && s.urgent.Len() == 0 || s.free > s.reserve && s.ahead.Len()+s.urgent.Len() == 0) {
		s.free--
		s.mu.Unlock()
		return nil
	}
	t.ready = make(chan struct{})
	s.pushLocked(t)
	s.mu.Unlock()
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.queue == nil { // granted in this very moment
		s.free++
		s.grantLocked()
	} else {
		t.queue.Remove(t.place)
		t.queue = nil
	}
	return ctx.Err()
}

func (s *slots) pushLocked(t *ticket) {
	t.queue = &s.ahead
	if t.urgent {
		t.queue = &s.urgent
	}
	t.place = t.queue.PushBack(t)
}

// promote makes t urgent, wherever it is.
func (s *slots) promote(t *ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.urgent {
		return
	}
	t.urgent = true
	if t.queue != nil {
		t.queue.Remove(t.place)
		s.pushLocked(t)
		s.grantLocked()
	}
}

// leave gives a slot back.
func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	s.grantLocked()
}

func (s *slots) grantLocked() {
	for {
		q := &s.urgent
		if q.Len() == 0 && s.free > s.reserve {
			q = &s.ahead
		}
		e := q.Front()
		if e == nil || s.free == 0 {
			return
		}
		t := q.Remove(e).(*ticket)
		t.queue = nil
		s.free--
		close(t.ready)
	}
}

// queued is the number of fetches that wait for a slot.
func (s *slots) queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urgent.Len() + s.ahead.Len()
}
