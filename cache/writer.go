package cache

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

// writer brings chunks to the disk, off the path of readers. Its queue is bounded: when the disk is slower than the
// network, chunks stay unstored rather than make anybody wait, and holes.go sees to them later.
type writer struct {
	limit  int64 // of the queue: chunks that find it longer stay unstored
	wake   chan struct{}
	done   chan struct{}
	work   chan func() error // for lowly
	result chan error

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

// writeMost is the longest queue, in bytes.
const writeMost = 64 << 20

// writeRun is how many chunks that follow one another become one write.
const writeRun = 16

func newWriter(limit int64) *writer {
	return &writer{
		limit: limit, wake: make(chan struct{}, 1), done: make(chan struct{}),
		work: make(chan func() error), result: make(chan error),
	}
}

// lowly runs what it is given in a thread that gets what others leave of the processors: a copy to the disk takes as much of
// them as two to a reader, and can wait. No lock may be held in there.
func (w *writer) lowly() {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	lowerPriority()
	for f := range w.work {
		w.result <- f()
	}
}

// aside has lowly run f.
func (w *writer) aside(f func() error) error {
	w.work <- f
	return <-w.result
}

// putLocked queues ch of o, whose lock is held. A chunk that must be stored is queued even when the queue is full.
func (w *writer) putLocked(o *object, ch *chunk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || w.bytes >= w.limit && o.must == 0 {
		if !w.ended {
			o.leaveOutLocked(ch)
		}
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
	defer close(w.work)
	go w.lowly()
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

// take gives the first job and those that can be written along with it, from wherever they are in the queue: the chunks of
// many connections come in turns, and a write of one chunk costs a system call and a wait for a processor.
func (w *writer) take() []job {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue = nil
		return nil
	}
	run := append(make([]job, 0, writeRun), w.queue[0])
	w.queue[0] = job{}
	w.queue = w.queue[1:]
	for first := run[0]; first.ch != nil && len(run) < writeRun; {
		i := slices.IndexFunc(w.queue, func(j job) bool {
			return j.o == first.o && j.ch != nil && j.ch.index == first.ch.index+int64(len(run))
		})
		if i < 0 {
			break
		}
		run = append(run, w.queue[i])
		w.queue = slices.Delete(w.queue, i, i+1)
	}
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
