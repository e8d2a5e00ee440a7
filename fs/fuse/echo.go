package fuse

import (
	"context"
	"sync"
	"time"

	"replicatefs/fs/tree"
)

// echoes are what processes have saved into files that do not store it. Such a
// file reads as empty, but the process that has just saved it finds there, for
// a moment, what it wrote. rclone looks, and would otherwise take its transfer
// for a failure and write again, and again: three runs, and three prices. To
// everybody else, a backup above all, the file stays empty.
type echoes struct {
	mu  sync.Mutex // guards all below
	all map[uint64]echo
}

type echo struct {
	process uint32
	content []byte
	until   time.Time
}

const (
	echoLife = 10 * time.Second // a program looks at once, if it does
	maxEcho  = 8 << 20          // bytes; of more there is none
	maxEchos = 8                // files; the kernel's requests are many, these are few
)

// keep has a process find in a file, by its Ino, what it saved there.
func (e *echoes) keep(ino uint64, process uint32, content []byte) {
	if process == 0 || len(content) == 0 {
		return
	}
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for ino, old := range e.all {
		if now.After(old.until) || len(e.all) >= maxEchos {
			delete(e.all, ino)
		}
	}
	if e.all == nil {
		e.all = make(map[uint64]echo)
	}
	e.all[ino] = echo{process, content, now.Add(echoLife)}
}

// hear returns what the process of a thread is to find in a file.
func (e *echoes) hear(ino uint64, procs processes, tid uint32) ([]byte, bool) {
	e.mu.Lock()
	found, ok := e.all[ino]
	e.mu.Unlock()
	if !ok || time.Now().After(found.until) || procs.tgid(tid) != found.process {
		return nil, false
	}
	return found.content, true
}

// forget ends the echo of a file that is written again.
func (e *echoes) forget(ino uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.all, ino)
}

// An echoed file is one as the process sees it that has just saved it.
type echoed struct {
	tree.Saver
	content []byte
}

func (f echoed) Open(context.Context) (tree.Handle, error) { return tree.Memory(f.content), nil }

// written reads back what a draft holds, or nil if that is too much.
func written(ctx context.Context, d tree.Draft) []byte {
	size := d.Size()
	if size == 0 || size > maxEcho {
		return nil
	}
	b := make([]byte, size)
	n, _ := d.ReadAt(ctx, b, 0)
	return b[:n]
}
