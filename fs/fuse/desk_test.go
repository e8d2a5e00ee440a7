package fuse

import (
	"context"
	iofs "io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"replicatefs/fs/tree"
)

// desk is a folder where everything can be changed. Its prompt.txt is a
// trigger: it reads as empty, and saving it is an event.
type desk struct {
	s    *sample
	name string

	mu    sync.Mutex
	nodes map[string]tree.Node
}

func newDesk(s *sample, name string) *desk {
	d := &desk{s: s, name: name, nodes: map[string]tree.Node{}}
	d.nodes["prompt.txt"] = &trigger{s: s, name: name + "/prompt.txt"}
	return d
}

func (d *desk) Ino() uint64 { return tree.Ino("desk", d.name) }
func (d *desk) Peek() (tree.Info, bool) {
	return tree.Info{Mode: iofs.ModeDir | 0o755, ModTime: when, Valid: time.Second}, true
}
func (d *desk) Info(context.Context) (tree.Info, error) {
	info, _ := d.Peek()
	return info, nil
}

func (d *desk) Lookup(_ context.Context, name string) (tree.Node, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, ok := d.nodes[name]; ok {
		return n, nil
	}
	return nil, iofs.ErrNotExist
}

func (d *desk) List(context.Context) ([]tree.Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var entries []tree.Entry
	for _, name := range slices.Sorted(maps.Keys(d.nodes)) {
		entries = append(entries, tree.Entry{Name: name, Node: d.nodes[name]})
	}
	return entries, nil
}

func (d *desk) make(name string, n tree.Node) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.nodes[name]; ok {
		return iofs.ErrExist
	}
	if strings.HasPrefix(name, "forbidden") {
		return tree.ErrReadOnly
	}
	d.nodes[name] = n
	return nil
}

func (d *desk) Create(_ context.Context, name string) (tree.Saver, error) {
	if name == "prompt.txt" {
		f := &trigger{s: d.s, name: d.name + "/" + name}
		return f, d.make(name, f)
	}
	f := &stored{s: d.s, name: d.name + "/" + name}
	return f, d.make(name, f)
}

func (d *desk) Mkdir(_ context.Context, name string) (tree.Dir, error) {
	f := newDesk(d.s, d.name+"/"+name)
	return f, d.make(name, f)
}

func (d *desk) Remove(_ context.Context, name string, dir bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := d.nodes[name].(type) {
	case nil:
		return iofs.ErrNotExist
	case *trigger: // mv from elsewhere removes what it writes
	case *desk:
		if !dir {
			return tree.ErrIsDir
		}
		if len(n.nodes) > 1 {
			return tree.ErrNotEmpty
		}
	default:
		if dir {
			return tree.ErrNotDir
		}
	}
	delete(d.nodes, name)
	return nil
}

func (d *desk) Rename(ctx context.Context, name string, to tree.Dir, newName string) error {
	n, err := d.Lookup(ctx, name)
	if err != nil {
		return err
	}
	into, ok := to.(*desk)
	if !ok {
		return tree.ErrReadOnly
	}
	old, _ := into.Lookup(ctx, newName)
	if t, ok := old.(*trigger); ok {
		f, ok := n.(*stored)
		if !ok {
			return tree.ErrReadOnly
		}
		if err := t.run(ctx, f.content()); err != nil {
			return err
		}
	} else {
		into.mu.Lock()
		into.nodes[newName] = n
		into.mu.Unlock()
	}
	d.mu.Lock()
	delete(d.nodes, name)
	d.mu.Unlock()
	return nil
}

// trigger is a file that reads as empty and does something when saved.
type trigger struct {
	s    *sample
	name string
}

func (f *trigger) Ino() uint64 { return tree.Ino("trigger", f.name) }
func (f *trigger) Peek() (tree.Info, bool) {
	return tree.Info{Mode: 0o644, ModTime: when, Valid: time.Minute}, true
}
func (f *trigger) Info(context.Context) (tree.Info, error) {
	info, _ := f.Peek()
	return info, nil
}
func (f *trigger) Open(context.Context) (tree.Handle, error) { return tree.Memory(nil), nil }
func (f *trigger) Save(context.Context) (tree.Draft, error)  { return &memoryDraft{save: f.run}, nil }

// run is a save. What it does depends on what is saved.
func (f *trigger) run(ctx context.Context, content []byte) error {
	s := f.s
	switch strings.TrimSpace(string(content)) {
	case "refuse":
		s.events(event{Kind: "commit", Name: f.name, Content: string(content)})
		return tree.ErrQuota
	case "panic":
		panic("on purpose")
	case "wait":
		s.mu.Lock()
		finish := s.finish
		s.mu.Unlock()
		s.events(event{Kind: "waiting", Name: f.name})
		select {
		case <-finish:
		case <-ctx.Done():
			s.events(event{Kind: "ended", Name: f.name})
			return nil
		}
	}
	s.events(event{Kind: "commit", Name: f.name, Content: string(content)})
	return nil
}

// stored is a file that keeps what is written to it.
type stored struct {
	s    *sample
	name string

	mu sync.Mutex
	b  []byte
}

func (f *stored) Ino() uint64 { return tree.Ino("stored", f.name) }
func (f *stored) Peek() (tree.Info, bool) {
	return tree.Info{Mode: 0o644, Size: int64(len(f.content())), ModTime: when, Valid: time.Second}, true
}
func (f *stored) Info(context.Context) (tree.Info, error) {
	info, _ := f.Peek()
	return info, nil
}
func (f *stored) content() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b
}
func (f *stored) keep(_ context.Context, b []byte) error {
	f.mu.Lock()
	f.b = slices.Clone(b)
	f.mu.Unlock()
	f.s.events(event{Kind: "commit", Name: f.name, Content: string(b)})
	return nil
}
func (f *stored) Open(context.Context) (tree.Handle, error) { return tree.Memory(f.content()), nil }
func (f *stored) Save(context.Context) (tree.Draft, error) {
	return &memoryDraft{save: f.keep, b: slices.Clone(f.content())}, nil
}
func (f *stored) Truncate(_ context.Context, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.b = slices.Clone(f.b)
	if size <= int64(len(f.b)) {
		f.b = f.b[:size]
	} else {
		f.b = append(f.b, make([]byte, size-int64(len(f.b)))...)
	}
	return nil
}

// memoryDraft is a draft in memory.
type memoryDraft struct {
	save func(context.Context, []byte) error

	mu      sync.Mutex
	b       []byte
	commits int
}

func (d *memoryDraft) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return tree.Memory(d.b).ReadAt(ctx, p, off)
}

func (d *memoryDraft) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if end := off + int64(len(p)); end > 1<<20 {
		return 0, tree.ErrTooLarge
	} else if end > int64(len(d.b)) {
		d.b = append(d.b, make([]byte, end-int64(len(d.b)))...)
	}
	return copy(d.b[off:], p), nil
}

func (d *memoryDraft) Truncate(_ context.Context, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size > 1<<20 {
		return tree.ErrTooLarge
	}
	if size > int64(len(d.b)) {
		d.b = append(d.b, make([]byte, size-int64(len(d.b)))...)
	}
	d.b = d.b[:size]
	return nil
}

func (d *memoryDraft) Size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.b))
}

func (d *memoryDraft) Commit(ctx context.Context) error {
	d.mu.Lock()
	b := slices.Clone(d.b)
	d.commits++
	again := d.commits > 1
	d.mu.Unlock()
	if again {
		panic("second commit of one draft")
	}
	return d.save(ctx, b)
}

func (d *memoryDraft) Close() error { return nil }
