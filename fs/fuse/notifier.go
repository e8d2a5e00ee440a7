package fuse

import (
	"sync"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// backlog is how many changes wait at most. One more is dropped, and then
// what the kernel knows is right again when its time is over: tree.Info.Valid
// is short for all that changes.
const backlog = 1 << 16

// A notifier tells the kernel what changed by itself, from one goroutine.
//
// The kernel takes locks to hear it, and may hold them while it waits for us.
// So nothing is sent by a handler or under a lock of ours, and nothing at all
// that takes a lock under which the kernel asks us something. This is not only
// for speed: a program that is killed while it waits for such a lock cannot
// end, the connection lives on with it, and its mount hangs for good.
//
//   - That a name came or went (FUSE_NOTIFY_INVAL_ENTRY) takes the lock of its
//     folder, which is held during each lookup and listing. So that is never
//     told. The folder is told to have changed, which drops the names that the
//     kernel keeps of it, and names are believed for a short time only
//     (tree.Info.Valid) where another node may come to have them.
//   - To drop pages, the kernel waits for each that is being read. Pages of an
//     open file are left alone.
type notifier struct {
	b    *binding
	wake chan struct{} // something to do
	stop chan struct{}
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards all below
	queue   []uint64
	waiting map[uint64]bool // the nodes in the queue: whether their content changed
	dropped int
	prune   bool // the table is large
}

func newNotifier(b *binding) *notifier {
	return &notifier{
		b:       b,
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		waiting: make(map[uint64]bool),
	}
}

// add takes a change to the queue and returns at once.
func (q *notifier) add(c tree.Change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	content, ok := q.waiting[c.Node]
	if !ok && len(q.waiting) >= backlog {
		if q.dropped++; q.dropped == 1 {
			q.b.log.Warn("too many changes at once, some show later")
		}
		return
	}
	q.waiting[c.Node] = content || c.Content
	if !ok {
		q.queue = append(q.queue, c.Node)
		q.signal()
	}
}

// signal wakes the goroutine.
func (q *notifier) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// shrink asks for the table to be made smaller.
func (q *notifier) shrink() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.prune = true
	q.signal()
}

// run sends until close.
func (q *notifier) run() {
	defer close(q.done)
	for {
		select {
		case <-q.stop:
			return
		case <-q.wake:
		}
		for q.next() {
			select {
			case <-q.stop:
				return
			default:
			}
		}
	}
}

// close ends run and waits for it. The mount must be gone by then, or run
// could be waiting in the kernel.
func (q *notifier) close() {
	close(q.stop)
	<-q.done
}

// next sends one change, and says whether there may be more.
func (q *notifier) next() bool {
	q.mu.Lock()
	if q.prune {
		q.prune = false
		q.mu.Unlock()
		q.b.prune(q.stop)
		return true
	}
	if len(q.queue) == 0 {
		q.queue = nil // a burst must not keep its memory
		q.mu.Unlock()
		return false
	}
	c := tree.Change{Node: q.queue[0], Content: q.waiting[q.queue[0]]}
	q.queue = q.queue[1:]
	delete(q.waiting, c.Node)
	q.mu.Unlock()
	q.send(c)
	return true
}

func (q *notifier) send(c tree.Change) {
	id, ok := q.b.nodes.id(c.Node)
	if !ok {
		return // the kernel knows nothing that could be wrong
	}
	// An offset below 0 means attributes only. An open file is only made to
	// ask for these: a new size or time drops the pages too.
	off := int64(-1)
	if c.Content && !q.b.nodes.isOpen(id) {
		off = 0
	}
	// ENOENT: the kernel did not know it, which is as good.
	if status := q.b.kernel.InodeNotify(id, off, 0); status != gofuse.OK && status != gofuse.ENOENT {
		q.b.log.Debug("kernel not told", "change", c, "status", status.String())
	}
}

// news is how many changes wait, and how many were dropped.
func (q *notifier) news() (waiting, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), q.dropped
}
