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
// The kernel takes locks to hear it, and may hold them while it waits for us:
// a folder's while something in it is made or moved, a page's while it is
// read. So nothing here is ever sent by a handler or under a lock of ours; a
// folder that we are changing is told when that is done; and pages of an open
// file are left alone.
type notifier struct {
	b    *binding
	wake chan struct{} // something to do
	stop chan struct{}
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards all below
	queue   []tree.Change
	waiting map[tree.Change]bool // what is in the queue or held, by change without Content: its Content
	busy    map[uint64]int       // folders under change
	held    map[uint64][]tree.Change
	dropped int
	prune   bool // the table is large
}

func newNotifier(b *binding) *notifier {
	return &notifier{
		b:       b,
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		waiting: make(map[tree.Change]bool),
		busy:    make(map[uint64]int),
		held:    make(map[uint64][]tree.Change),
	}
}

// add takes a change to the queue and returns at once.
func (q *notifier) add(c tree.Change) {
	content := c.Content && c.Name == ""
	c.Content = false
	q.mu.Lock()
	defer q.mu.Unlock()
	before, ok := q.waiting[c]
	if ok {
		q.waiting[c] = before || content
		return
	}
	if len(q.waiting) >= backlog {
		if q.dropped++; q.dropped == 1 {
			q.b.log.Warn("too many changes at once, some show later")
		}
		return
	}
	q.waiting[c] = content
	q.queue = append(q.queue, c)
	q.signal()
}

// signal wakes the goroutine.
func (q *notifier) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// hold keeps back news of a folder until as many calls of resume.
func (q *notifier) hold(folder uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy[folder]++
}

func (q *notifier) resume(folder uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy[folder]--; q.busy[folder] > 0 {
		return
	}
	delete(q.busy, folder)
	if held := q.held[folder]; held != nil {
		delete(q.held, folder)
		q.queue = append(q.queue, held...)
		q.signal()
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
	c := q.queue[0]
	q.queue = q.queue[1:]
	if c.Name != "" {
		folder, ok := q.b.nodes.id(c.Dir)
		if ok && q.busy[folder] > 0 {
			q.held[folder] = append(q.held[folder], c)
			q.mu.Unlock()
			return true
		}
	}
	c.Content = q.waiting[c]
	key := c
	key.Content = false
	delete(q.waiting, key)
	q.mu.Unlock()
	q.send(c)
	return true
}

func (q *notifier) send(c tree.Change) {
	b := q.b
	if c.Name != "" {
		if folder, ok := b.nodes.id(c.Dir); ok {
			q.log("entry", c, b.kernel.EntryNotify(folder, c.Name))
		}
		return
	}
	id, ok := b.nodes.id(c.Node)
	if !ok {
		return // the kernel knows nothing that could be wrong
	}
	// An offset below 0 means attributes only. To drop pages, the kernel
	// waits for each that is being read, so while the file is open it is only
	// made to ask for the attributes: a new size or time drops the pages too.
	off := int64(-1)
	if c.Content && !b.nodes.isOpen(id) {
		off = 0
	}
	q.log("inode", c, b.kernel.InodeNotify(id, off, 0))
}

func (q *notifier) log(what string, c tree.Change, status gofuse.Status) {
	// ENOENT: the kernel did not know it, which is as good.
	if status != gofuse.OK && status != gofuse.ENOENT {
		q.b.log.Debug("kernel not told", "what", what, "change", c, "status", status.String())
	}
}

// news is how many changes wait, and how many were dropped.
func (q *notifier) news() (waiting, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), q.dropped
}
