package fuse

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"replicatefs/fs/tree"
)

var when = time.Date(2026, 11, 22, 15, 30, 12, 0, time.UTC)

// An event is something that a sample tree wants its test to know.
type event struct {
	Kind    string // commit, late, waiting, ended, pushed
	Name    string
	Content string
	Err     string
}

// sample is a tree in memory with one of each kind.
type sample struct {
	events func(event)
	infos  atomic.Int64 // Info calls, each a request to the network in life
	desk   *desk
	grows  *growing
	list   *tree.Listing // the root
	extra  []tree.Entry
	mu     sync.Mutex // guards finish
	finish chan struct{}
}

func newSample(events func(event)) *sample {
	if events == nil {
		events = func(event) {}
	}
	s := &sample{events: events, finish: make(chan struct{})}
	s.desk = newDesk(s, "desk")
	s.grows = &growing{}
	big := bytes.Repeat([]byte("0123456789abcdef"), 8<<10) // 128 KiB
	run := tree.Folder(tree.Ino("run"), when,
		tree.Entry{Name: "status", Node: tree.Bytes(tree.Ino("status"), when, []byte("succeeded\n"))},
		tree.Entry{Name: "output.bin", Node: tree.Bytes(tree.Ino("output"), when, big)},
		tree.Entry{Name: "empty", Node: tree.Bytes(tree.Ino("empty"), when, nil)},
	)
	entries := []tree.Entry{
		{Name: "run", Node: run},
		{Name: "latest", Node: tree.Symlink(tree.Ino("latest", "run"), when, "run")},
		{Name: "live.txt", Node: s.grows},
		{Name: "desk", Node: s.desk},
		{Name: "heads", Node: s.heads()},
	}
	s.list = &tree.Listing{
		Number: tree.Ino("root"),
		Told:   func() tree.Info { return tree.Info{Mode: tree.DirMode, ModTime: when, Valid: time.Second} },
		Entries: func(context.Context) ([]tree.Entry, error) {
			return append(slices.Clone(entries), s.extra...), nil
		},
	}
	return s
}

// heads is a folder of files whose size has to be asked for.
func (s *sample) heads() tree.Dir {
	return tree.Folder(tree.Ino("heads"), when,
		tree.Entry{Name: "a", Node: &asked{s: s, name: "a"}},
		tree.Entry{Name: "b", Node: &asked{s: s, name: "b"}},
		tree.Entry{Name: "broken", Node: &asked{s: s, name: "broken", err: errors.New("no network")}},
		tree.Entry{Name: "gone", Node: &asked{s: s, name: "gone", err: tree.ErrGone}},
	)
}

// asked is a file whose size only the network knows.
type asked struct {
	s    *sample
	name string
	err  error
}

func (f *asked) Ino() uint64             { return tree.Ino("asked", f.name) }
func (f *asked) Peek() (tree.Info, bool) { return tree.Info{}, false }
func (f *asked) Info(context.Context) (tree.Info, error) {
	f.s.infos.Add(1)
	return tree.Info{Mode: tree.FileMode, Size: int64(len(f.name)), ModTime: when, Valid: tree.Final}, f.err
}
func (f *asked) Open(context.Context) (tree.Handle, error) { return tree.Memory(f.name), f.err }

// growing is a file like the log of a run.
type growing struct {
	mu sync.Mutex
	b  []byte
}

func (g *growing) Ino() uint64 { return tree.Ino("growing") }
func (g *growing) Peek() (tree.Info, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return tree.Info{Mode: tree.FileMode, Size: int64(len(g.b)), ModTime: when, Live: true}, true
}
func (g *growing) Info(context.Context) (tree.Info, error) {
	info, _ := g.Peek()
	return info, nil
}
func (g *growing) Open(context.Context) (tree.Handle, error) { return growingHandle{g}, nil }
func (g *growing) add(s string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.b = append(g.b, s...)
}

type growingHandle struct{ *growing }

func (h growingHandle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return tree.Memory(h.b).ReadAt(ctx, p, off)
}
func (h growingHandle) Close() error { return nil }

// done lets the saves that wait now come to their end.
func (s *sample) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.finish)
	s.finish = make(chan struct{})
}

// localTree is a file whose content is, or becomes, a local file.
type localTree struct {
	name  string
	path  string
	size  int64
	ready *atomic.Bool
}

func (f *localTree) Ino() uint64 { return tree.Ino("local", f.name) }
func (f *localTree) Peek() (tree.Info, bool) {
	return tree.Info{Mode: tree.FileMode, Size: f.size, ModTime: when, Valid: tree.Final}, true
}
func (f *localTree) Info(context.Context) (tree.Info, error) {
	info, _ := f.Peek()
	return info, nil
}
func (f *localTree) Open(context.Context) (tree.Handle, error) {
	file, err := os.Open(f.path)
	return &localHandle{file, f.ready}, err
}

type localHandle struct {
	f     *os.File
	ready *atomic.Bool
}

func (h *localHandle) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return h.f.ReadAt(p, off)
}
func (h *localHandle) Close() error           { return h.f.Close() }
func (h *localHandle) File() (*os.File, bool) { return h.f, h.ready.Load() }

// newLocal makes a local file with content.
func newLocal(t testing.TB, name string, content []byte, ready bool) *localTree {
	t.Helper()
	path := t.TempDir() + "/" + name
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f := &localTree{name: name, path: path, size: int64(len(content)), ready: new(atomic.Bool)}
	f.ready.Store(ready)
	return f
}

var (
	_ tree.Creator   = (*desk)(nil)
	_ tree.Maker     = (*desk)(nil)
	_ tree.Remover   = (*desk)(nil)
	_ tree.Renamer   = (*desk)(nil)
	_ tree.Saver     = (*trigger)(nil)
	_ tree.Truncater = (*stored)(nil)
	_ tree.Backed    = (*localHandle)(nil)
)
