package cache

import (
	"sync"
	"time"
)

// flushDelay is how long a sidecar may lag behind its data: a crash loses no more than was fetched meanwhile.
const flushDelay = 2 * time.Second

// A backup reads many small files, and each holds a descriptor until its sidecar is written, for which it waits for the
// disk several times. So many may lag behind, and so many wait for the disk at the same time.
const (
	flushMost   = 128
	flushAtOnce = 8
)

// flusher brings sidecars up to date in the background, since a sync of the disk may take long.
type flusher struct {
	wake chan struct{}
	stop chan struct{}
	done chan struct{}
	full chan struct{} // there is no time to wait for more

	mu     sync.Mutex // guards what follows
	dirty  map[*object]struct{}
	saving int
	fewer  sync.Cond // of mu: fewer than before lag behind
}

func newFlusher() *flusher {
	f := &flusher{
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), full: make(chan struct{}, 1),
		dirty: map[*object]struct{}{},
	}
	f.fewer.L = &f.mu
	return f
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

// wait returns when few enough lag behind. The writer calls it: what comes meanwhile stays unstored, as with a slow disk.
func (f *flusher) wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.dirty)+f.saving >= flushMost {
		select {
		case f.full <- struct{}{}:
		default:
		}
		f.fewer.Wait()
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
			case <-f.full:
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
	f.dirty, f.saving = map[*object]struct{}{}, len(dirty)
	f.mu.Unlock()
	var work sync.WaitGroup
	places := make(chan struct{}, flushAtOnce)
	for o := range dirty {
		places <- struct{}{}
		work.Go(func() {
			f.save(o)
			f.mu.Lock()
			f.saving--
			f.mu.Unlock()
			f.fewer.Broadcast()
			<-places
		})
	}
	work.Wait()
}

// save saves one, and sees to it that it is tried again if that is of use.
func (f *flusher) save(o *object) {
	if err := o.save(); err != nil {
		o.c.log.Debug("stored object is not saved", "key", o.id.key, "error", err)
		o.mu.Lock()
		again := o.store.dirty
		o.mu.Unlock()
		if again {
			f.add(o)
			return
		}
	}
	o.c.retire(o)
}

// end saves what is dirty and waits.
func (f *flusher) end() {
	close(f.stop)
	<-f.done
}
