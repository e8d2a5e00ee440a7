package cache

import (
	"context"
	"sync"
	"time"
)

// writer brings chunks to the disk, off the path of readers. Its queue is bounded: when the disk is slower than the
// network, chunks stay unstored rather than make anybody wait.
type writer struct {
	limit int64
	wake  chan struct{}
	done  chan struct{}

	mu    sync.Mutex // guards what follows
	queue []job
	bytes int64
	room  chan struct{} // closed when bytes falls below limit; nil if nobody waits
	ended bool
}

// job is a chunk to write, or, without one, a mark that someone waits for.
type job struct {
	o    *object
	ch   *chunk
	done chan struct{}
}

// writeRun is how many chunks that follow one another become one write.
const writeRun = 16

func newWriter(limit int64) *writer {
	return &writer{limit: limit, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// putLocked queues ch of o, whose lock is held. A chunk that must be stored is queued even when the queue is full.
func (w *writer) putLocked(o *object, ch *chunk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || w.bytes >= w.limit && o.must == 0 {
		o.c.count.unwritten.Add(1)
		return
	}
	ch.writing = true
	o.writing++
	w.bytes += ch.cost()
	w.pushLocked(job{o: o, ch: ch})
}

func (w *writer) pushLocked(j job) {
	w.queue = append(w.queue, j)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// wait returns when the queue has room.
func (w *writer) wait(ctx context.Context) error {
	w.mu.Lock()
	if w.bytes < w.limit || w.ended {
		w.mu.Unlock()
		return nil
	}
	if w.room == nil {
		w.room = make(chan struct{})
	}
	room := w.room
	w.mu.Unlock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drain returns when all that is queued now is written, or was refused.
func (w *writer) drain(ctx context.Context) error {
	j := job{done: make(chan struct{})}
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return nil
	}
	w.pushLocked(j)
	w.mu.Unlock()
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run writes until end.
func (w *writer) run() {
	defer close(w.done)
	for {
		run := w.take()
		switch {
		case run == nil:
			w.mu.Lock()
			ended := w.ended && len(w.queue) == 0
			w.mu.Unlock()
			if ended {
				return
			}
			<-w.wake
		case run[0].ch == nil:
			close(run[0].done)
		default:
			w.write(run)
		}
	}
}

// take gives the first job and those that can be written along with it.
func (w *writer) take() []job {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue = nil
		return nil
	}
	n := 1
	for first := w.queue[0]; first.ch != nil && n < min(len(w.queue), writeRun); n++ {
		if next := w.queue[n]; next.o != first.o || next.ch.index != first.ch.index+int64(n) {
			break
		}
	}
	run := append([]job(nil), w.queue[:n]...)
	clear(w.queue[:n])
	w.queue = w.queue[n:]
	return run
}

func (w *writer) write(run []job) {
	o := run[0].o
	chs := make([]*chunk, len(run))
	var n int64
	for i, j := range run {
		chs[i] = j.ch
		n += j.ch.cost()
	}
	err := o.write(chs)
	w.mu.Lock()
	w.bytes -= n
	if w.room != nil && w.bytes < w.limit {
		close(w.room)
		w.room = nil
	}
	w.mu.Unlock()
	o.c.stored(o, err)
}

// end lets run finish what is queued and waits for it.
func (w *writer) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	<-w.done
}

func (w *writer) queued() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes
}

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
