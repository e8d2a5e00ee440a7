package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"sync"
	"sync/atomic"
	"time"

	"replicatefs/fs/tree"
)

// saveMode is the mode of what its owner may write.
const saveMode = iofs.FileMode(0o644)

// A trigger is a file that reads as empty and runs the model when saved. That
// it is empty is a promise: what was copied out of a mount and is copied back
// (a restored backup, rsync) runs nothing.
type trigger struct {
	desk *desk
	name string
}

func (t *trigger) Ino() uint64 { return tree.Ino("trigger", t.desk.where, t.name) }

func (t *trigger) Peek() (tree.Info, bool) {
	mode := saveMode
	if t.desk.fs.o.ReadOnly {
		mode = tree.FileMode
	}
	return tree.Info{Mode: mode, ModTime: t.desk.fs.since, Live: true}, true
}

func (t *trigger) Info(context.Context) (tree.Info, error) {
	info, _ := t.Peek()
	return info, nil
}

func (t *trigger) Open(context.Context) (tree.Handle, error) { return tree.Memory(nil), nil }

func (t *trigger) Save(context.Context) (tree.Draft, error) {
	if t.desk.fs.o.ReadOnly {
		return nil, tree.ErrReadOnly
	}
	b := &buffer{}
	return &opening{
		buffer:   b,
		commit:   func(ctx context.Context) error { return t.desk.trigger(ctx, t.name, b.content()) },
		tooLarge: func() { t.desk.refuseSize(t.name) },
	}, nil
}

// refuseSize refuses a save that is too large.
func (d *desk) refuseSize(name string) error {
	why := fmt.Sprintf("%s is too large: at most %d MB. A large file goes into a draft, or its address into input.json.", name, maxSave>>20)
	err := &refusal{sentence: why, kind: tree.ErrTooLarge}
	d.end(d.begin(nil), err)
	return err
}

// A scratch is a temporary file of an editor: it keeps what is written to it,
// and means nothing.
type scratch struct {
	buffer
	ino uint64
	mod atomic.Int64 // seconds
	cut atomic.Bool  // it was too large to be written whole
	now func() time.Time
}

func newScratch(d *desk, name string) *scratch {
	now := d.fs.now()
	s := &scratch{ino: tree.Ino("scratch", d.where, name, now.String()), now: d.fs.now}
	s.mod.Store(now.Unix())
	return s
}

func (s *scratch) touched() time.Time { return time.Unix(s.mod.Load(), 0) }
func (s *scratch) Ino() uint64        { return s.ino }

func (s *scratch) Peek() (tree.Info, bool) {
	return tree.Info{Mode: saveMode, Size: s.Size(), ModTime: s.touched(), Live: true}, true
}

func (s *scratch) Info(context.Context) (tree.Info, error) {
	info, _ := s.Peek()
	return info, nil
}

func (s *scratch) Open(context.Context) (tree.Handle, error) { return tree.Memory(s.content()), nil }

// Save writes into the file itself: nothing needs a Commit to be seen.
func (s *scratch) Save(context.Context) (tree.Draft, error) {
	return &opening{
		buffer: &s.buffer,
		commit: func(context.Context) error {
			s.mod.Store(s.now().Unix())
			return nil
		},
		tooLarge: func() { s.cut.Store(true) },
	}, nil
}

// An opening is one opening of a trigger or temporary file.
type opening struct {
	*buffer
	commit   func(context.Context) error
	tooLarge func() // says so; nil: nobody is told
}

// WriteAt refuses what is too large. There is no Commit after that, so it is
// said here.
func (d *opening) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	n, err := d.buffer.WriteAt(ctx, p, off)
	if errors.Is(err, tree.ErrTooLarge) && d.tooLarge != nil {
		d.tooLarge()
	}
	return n, err
}

func (d *opening) Commit(ctx context.Context) error { return d.commit(ctx) }
func (d *opening) Close() error                     { return nil }

// A buffer is a file in memory, up to maxSave.
type buffer struct {
	mu sync.Mutex
	b  []byte // guarded by mu; replaced, never changed, once content was lent
}

// content lends what was written so far.
func (f *buffer) content() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.b = f.b[:len(f.b):len(f.b)] // what is appended later goes elsewhere
	return f.b
}

func (f *buffer) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.b))
}

func (f *buffer) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off >= int64(len(f.b)) {
		return 0, io.EOF
	}
	n := copy(p, f.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *buffer) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := off + int64(len(p))
	switch size := int64(len(f.b)); {
	case end > maxSave:
		return 0, tree.ErrTooLarge
	case off == size:
		f.b = append(f.b, p...)
	default: // over what may have been lent
		b := make([]byte, max(end, size))
		copy(b, f.b)
		copy(b[off:], p)
		f.b = b
	}
	return len(p), nil
}

func (f *buffer) Truncate(_ context.Context, size int64) error {
	if size > maxSave {
		return tree.ErrTooLarge
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b := make([]byte, size)
	copy(b, f.b)
	f.b = b
	return nil
}
