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

// behind tells whether the queue is full.
func (w *writer) behind() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes >= w.limit && !w.ended
}

// pacing is how long the fetches of one object have waited for the disk; guarded by object.mu.
type pacing struct {
	began time.Time     // the first fetch
	spent time.Duration // waiting
	since time.Time     // when those that wait now began to
	count int           // of them
}

// pace lets a fetch wait for the disk to catch up, so that what is read in one go is stored whole where disk and network are
// about as fast. But never for more than a quarter of the time that the reading takes: a slow disk stores less, and the
// network sets the pace.
func (o *object) pace(ctx context.Context) {
	w := o.c.writer
	if w == nil {
		return
	}
	behind := w.behind()
	o.mu.Lock()
	now := time.Now()
	p := &o.pacing
	if p.began.IsZero() {
		p.began = now
	}
	left := min(now.Sub(p.began)/4-p.spent, time.Second)
	if !behind || left <= 0 || !o.store.storesLocked() {
		o.mu.Unlock()
		return
	}
	if p.count++; p.count == 1 {
		p.since = now
	}
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, left)
	w.wait(ctx)
	cancel()
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.count--; p.count == 0 {
		p.spent += time.Since(p.since)
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
