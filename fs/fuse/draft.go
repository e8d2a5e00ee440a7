package fuse

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// A draft is a file open for writing. It is saved once, when the program that
// opened it has said all that it wants to say:
//
//   - at the FLUSH (a close, or a dup2 over a descriptor) by the process that
//     opened the file, if it wrote and has no other descriptor of the file left;
//     the error of the save is then the result of close;
//   - else at the RELEASE, when no process has the file open any more. Nobody
//     waits for that one and nobody learns its error.
//
// An ordinary, stored file (tree.Truncater) may be written again after that,
// and is then saved again.
//
// Shells are why it is not simpler. For { echo a; echo b >&2; echo c; } > f
// they flush f in the middle, and each child that inherited f flushes it too.
// A program that is killed flushes as well; its draft is never saved. Neither
// is one of which a write failed: cp closes it all the same.
type draft struct {
	id     uint64
	ino    uint64
	d      tree.Draft
	opener uint32 // the process; 0 if unknown
	mode   uint32 // O_WRONLY or O_RDWR
	whole  bool   // a change of the size is a write too, see tree.Truncater
	dirty  atomic.Bool

	mu    sync.Mutex // guards what follows, and keeps appends in order
	state state
	torn  error // a change that failed: it is not what its writer meant
}

// The states of a draft. It only goes down this list.
type state int

const (
	writing   state = iota
	committed       // or being so, or having failed to: all once and for good
	abandoned       // its writer was killed, or could not write all of it
)

// openDraft opens f for writing.
func (b *binding) openDraft(ctx context.Context, id uint64, f tree.File, flags, tid uint32, out *gofuse.OpenOut) error {
	saver, ok := f.(tree.Saver)
	if !ok || b.o.ReadOnly {
		return tree.ErrReadOnly
	}
	cut := flags&syscall.O_TRUNC != 0
	if t, ok := f.(tree.Truncater); ok && cut {
		if err := t.Truncate(ctx, 0); err != nil {
			return err
		}
	}
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		return b.openReader(ctx, id, f, out) // O_TRUNC alone
	}
	d, err := saver.Save(ctx)
	if err != nil {
		return err
	}
	if cut && d.Size() > 0 {
		if err := d.Truncate(ctx, 0); err != nil {
			return errors.Join(err, d.Close())
		}
	}
	_, whole := f.(tree.Truncater)
	b.echoes.forget(f.Ino())
	w := &draft{id: id, ino: b.nodes.ino(f), d: d, opener: b.procs.tgid(tid), mode: flags & syscall.O_ACCMODE, whole: whole}
	b.nodes.with(id, func(o *opened) {
		o.direct++
		o.drafts = append(o.drafts, w)
	})
	// Each opening has a content of its own, so there can be no pages that
	// all openings share.
	out.OpenFlags = gofuse.FOPEN_DIRECT_IO
	out.Fh = b.handles.add(w)
	return nil
}

func (b *binding) Write(cancel <-chan struct{}, in *gofuse.WriteIn, p []byte) (uint32, gofuse.Status) {
	w, ok := b.handles.get(in.Fh).(*draft)
	if !ok {
		return 0, gofuse.EBADF
	}
	ctx := b.request(cancel, in.Pid)
	defer ctx.end()
	n, err := w.write(ctx, p, int64(in.Offset), in.Flags&syscall.O_APPEND != 0)
	if err != nil {
		return 0, b.fail("write", aChange, in.NodeId, "", err)
	}
	b.nodes.look(w.id, func(o *opened) {
		if i := slices.Index(o.drafts, w); i >= 0 && i < len(o.drafts)-1 {
			o.drafts = append(slices.Delete(o.drafts, i, i+1), w)
		}
	})
	return uint32(n), gofuse.OK
}

// write writes p at off, or at the end. The kernel knows one size for all
// openings of a file, so where it thinks the end is means nothing here.
func (w *draft) write(ctx context.Context, p []byte, off int64, end bool) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != writing {
		return 0, errCommitted
	}
	if end {
		off = w.d.Size()
	}
	n, err := w.d.WriteAt(ctx, p, off)
	if n > 0 {
		w.dirty.Store(true)
	}
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if w.torn == nil {
		w.torn = err
	}
	return n, err
}

func (w *draft) truncate(ctx context.Context, size int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != writing {
		return errCommitted
	}
	if size == 0 {
		w.torn = nil // begun anew
	}
	if size == w.d.Size() {
		return nil
	}
	if err := w.d.Truncate(ctx, size); err != nil {
		w.torn = err
		return err
	}
	if w.whole {
		w.dirty.Store(true)
	}
	return nil
}

// read reads back what was written so far.
func (w *draft) read(ctx context.Context, buf []byte, off int64) (gofuse.ReadResult, error) {
	n, err := w.d.ReadAt(ctx, buf, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return gofuse.ReadResultVector([][]byte{buf[:n]}), nil
}

// Flush comes at every close of a descriptor, by whatever process.
func (b *binding) Flush(cancel <-chan struct{}, in *gofuse.FlushIn) gofuse.Status {
	w, ok := b.handles.get(in.Fh).(*draft)
	if !ok || !w.dirty.Load() {
		return gofuse.OK
	}
	if !b.complete(w, in.Pid) {
		return gofuse.OK
	}
	if err := w.failure(); err != nil {
		w.abandon(b, "it could not be written whole")
		return b.fail("save", aChange, in.NodeId, "", err)
	}
	if !w.whole && !w.move(committed) {
		return gofuse.OK
	}
	ctx := b.save(cancel, in.Pid)
	defer ctx.end()
	if w.whole {
		w.dirty.Store(false) // before the content is, so that no write is missed
	}
	err := w.d.Commit(ctx)
	if !w.whole {
		if err == nil {
			b.echoes.keep(w.ino, w.opener, written(ctx, w.d))
		}
		w.dirty.Store(false)
	}
	return b.fail("save", aChange, in.NodeId, "", err)
}

// complete says whether a flush by the thread tid ends the writing.
func (b *binding) complete(w *draft, tid uint32) bool {
	if w.opener == 0 || b.procs.tgid(tid) != w.opener {
		return false
	}
	if b.procs.killed(tid) {
		w.abandon(b, "the program that wrote it was killed")
		return false
	}
	held, known := b.procs.holds(tid, b.device(), w.ino, w.mode)
	return known && !held
}

// move leaves the state of writing. Only the first move counts.
func (w *draft) move(to state) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != writing {
		return false
	}
	w.state = to
	return true
}

// failure is why it could not be written whole, or nil.
func (w *draft) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.torn
}

func (w *draft) abandon(b *binding, why string) {
	if w.dirty.Load() && w.move(abandoned) {
		w.dirty.Store(false)
		b.log.Info("not saved", "why", why, "ino", w.ino)
	}
}

// close comes when no process has the draft open any more.
func (w *draft) close(b *binding) {
	if w.failure() != nil {
		w.abandon(b, "it could not be written whole")
	}
	if w.dirty.Load() && w.move(committed) {
		b.saves.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					b.broken(v)
				}
			}()
			defer w.drop(b)
			ctx := b.save(nil, 0)
			defer ctx.end()
			if err := w.d.Commit(ctx); err != nil {
				b.log.Error("not saved, and nobody could be told", "ino", w.ino, "err", err)
			}
		})
		return
	}
	w.drop(b)
}

func (w *draft) drop(b *binding) {
	w.dirty.Store(false)
	b.nodes.with(w.id, func(o *opened) {
		o.direct--
		o.drafts = slices.DeleteFunc(o.drafts, func(d *draft) bool { return d == w })
	})
	if err := w.d.Close(); err != nil {
		b.log.Debug("close", "ino", w.ino, "err", err)
	}
}
