package fuse

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// caller is a process of which a test says what it does.
type caller struct {
	office
	mu                  sync.Mutex
	asleep, told, known bool
}

func (c *caller) waits(uint32) (asleep, told, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asleep, c.told, c.known
}

func (c *caller) set(asleep, told, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asleep, c.told, c.known = asleep, told, known
}

func TestRequestEnds(t *testing.T) {
	type world struct {
		b      *bound
		c      *caller
		cancel chan struct{}
		r      *request
	}
	for name, test := range map[string]struct {
		do    func(w *world)
		after time.Duration
		want  error
	}{
		"when its time is over":       {func(*world) {}, patience, context.DeadlineExceeded},
		"at Ctrl-C":                   {func(w *world) { w.c.set(true, true, true); close(w.cancel) }, 0, context.Canceled},
		"when nothing can be told":    {func(w *world) { w.c.set(false, false, false); close(w.cancel) }, 0, context.Canceled},
		"when forced":                 {func(w *world) { close(w.b.quit) }, 0, context.Canceled},
		"when interrupted and forced": {func(w *world) { close(w.cancel); synctest.Wait(); close(w.b.quit) }, 0, context.Canceled},
		"after a resized window": {func(w *world) {
			close(w.cancel)
			time.Sleep(time.Second + 1) // between two looks
			if err := w.r.Err(); err != nil {
				t.Errorf("a harmless signal ended the request: %v", err)
			}
			w.c.set(true, true, true)
		}, time.Second + glance, context.Canceled},
		"when the caller was let go": {func(w *world) { w.c.set(false, false, true); close(w.cancel) }, letGo * glance, context.Canceled},
		"when it is over":            {func(w *world) { w.r.end() }, 0, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{b: bind(t, Options{}), c: &caller{asleep: true, known: true}, cancel: make(chan struct{})}
				w.b.procs = w.c
				start := time.Now()
				w.r = w.b.request(w.cancel, 7)
				defer w.r.end()
				done := w.r.Done()
				test.do(w)
				<-done
				if took := time.Since(start); took != test.after {
					t.Errorf("ended after %v, want %v", took, test.after)
				}
				if err := w.r.Err(); !errors.Is(err, test.want) {
					t.Errorf("Err = %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestSaveHasNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bind(t, Options{})
		r := b.save(nil, 0)
		r.Done()
		time.Sleep(24 * time.Hour)
		if err := r.Err(); err != nil {
			t.Errorf("a save ended by itself: %v", err)
		}
		if at, ok := r.Deadline(); ok {
			t.Errorf("a save has the deadline %v", at)
		}
		r.end()
	})
}

func TestRequestThatNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bind(t, Options{})
		r := b.request(nil, 0)
		if err := r.Err(); err != nil {
			t.Errorf("Err = %v", err)
		}
		if at, ok := r.Deadline(); !ok || at != time.Now().Add(patience) {
			t.Errorf("Deadline = %v, %t", at, ok)
		}
		time.Sleep(patience + 1)
		if err := r.Err(); err != context.DeadlineExceeded {
			t.Errorf("Err after its time = %v", err)
		}
		r.end()
		select {
		case <-r.Done():
		default:
			t.Error("not done after its end")
		}
	})
}
