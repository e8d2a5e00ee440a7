package cache

import (
	"sync"
	"time"
)

// flushDelay is how long a sidecar may lag behind its data: a crash loses no more than was fetched meanwhile.
const flushDelay = 2 * time.Second

// flusher brings sidecars up to date in the background, since a sync of the disk may take long.
type flusher struct {
	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex // guards what follows
	dirty map[*object]struct{}
}

func newFlusher() *flusher {
	return &flusher{
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), dirty: map[*object]struct{}{},
	}
}

// add notes that the sidecar of o is to be written.
func (f *flusher) add(o *object) {
	f.mu.Lock()
	f.dirty[o] = struct{}{}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *flusher) run() {
	defer close(f.done)
	for stopping := false; !stopping; {
		select {
		case <-f.wake:
			t := time.NewTimer(flushDelay)
			select {
			case <-t.C:
			case <-f.stop:
				stopping = true
			}
			t.Stop()
		case <-f.stop:
			stopping = true
		}
		f.round()
	}
}

// round saves all that is dirty now.
func (f *flusher) round() {
	f.mu.Lock()
	dirty := f.dirty
	f.dirty = map[*object]struct{}{}
	f.mu.Unlock()
	for o := range dirty {
		if err := o.save(); err != nil {
			o.c.log.Debug("stored object is not saved", "key", o.id.key, "error", err)
			o.mu.Lock()
			again := o.store.dirty
			o.mu.Unlock()
			if again {
				f.add(o)
				continue
			}
		}
		o.c.retire(o)
	}
}

// end saves what is dirty and waits.
func (f *flusher) end() {
	close(f.stop)
	<-f.done
}
