package fuse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"syscall"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// How the kernel was told to treat an opening. While an inode is open cached
// it must not be opened for passthrough, nor the other way round: the kernel
// answers the later open with EIO. Direct goes with both.
type way int

const (
	cached way = iota // pages are kept and read ahead
	direct            // every read comes to us
	pass              // the kernel reads a local file, no read comes to us
)

// A reader is a file open for reading.
type reader struct {
	id   uint64
	h    tree.Handle
	way  way
	size int64 // what the kernel believes; tree.Unknown where it asks us
	done atomic.Bool

	local atomic.Pointer[localFile] // once the whole content is one
}

// A localFile is the complete content of a file on this machine.
type localFile struct {
	fd   uintptr // stays open as long as the handle
	size int64
}

func (b *binding) Open(cancel <-chan struct{}, in *gofuse.OpenIn, out *gofuse.OpenOut) gofuse.Status {
	n, ok := b.nodes.node(in.NodeId)
	if !ok {
		return gofuse.ENOENT
	}
	f, ok := n.(tree.File)
	if !ok {
		if _, dir := n.(tree.Dir); dir {
			return gofuse.EISDIR
		}
		return gofuse.EINVAL
	}
	ctx := b.request(cancel, in.Pid)
	defer ctx.end()
	var err error
	if in.Flags&(syscall.O_ACCMODE|syscall.O_TRUNC) != syscall.O_RDONLY {
		err = b.openDraft(ctx, in.NodeId, f, in.Flags, in.Pid, out)
	} else {
		if s, ok := f.(tree.Saver); ok {
			if content, ok := b.echoes.hear(f.Ino(), b.procs, in.Pid); ok {
				f = echoed{s, content}
			}
		}
		err = b.openReader(ctx, in.NodeId, f, out)
	}
	return b.fail("open", aName, in.NodeId, "", err)
}

func (b *binding) openReader(ctx context.Context, id uint64, f tree.File, out *gofuse.OpenOut) error {
	info, err := told(ctx, f)
	if err != nil {
		return err
	}
	h, err := f.Open(ctx)
	if err != nil {
		return err
	}
	r := &reader{id: id, h: h, size: info.Size}
	_, saver := f.(tree.Saver)
	// What is written through one opening is not what another reads, so the
	// pages of a file that can be written belong to nobody.
	if info.Live || info.Size == tree.Unknown || saver {
		r.way, r.size = direct, tree.Unknown
	} else {
		r.findLocal()
	}
	// Nothing was written, so there is nothing to flush: saves a round trip
	// for each close.
	out.OpenFlags = gofuse.FOPEN_NOFLUSH
	p, doubts := h.(tree.Prover)
	proven := !doubts || p.Proven()
	b.nodes.with(id, func(o *opened) {
		switch {
		case r.way == direct:
			o.direct++
			out.OpenFlags |= gofuse.FOPEN_DIRECT_IO
		case b.backing.use(b, o, r):
			r.way = pass
			o.pass++
			out.BackingID = o.backing
			out.OpenFlags |= gofuse.FOPEN_PASSTHROUGH
		default:
			o.cached++
			// Programs that look at pictures open a file several times;
			// what cannot change is fetched once.
			if info.Valid == tree.Final && proven {
				out.OpenFlags |= gofuse.FOPEN_KEEP_CACHE
			}
		}
	})
	out.Fh = b.handles.add(r)
	if a, ok := h.(tree.Announcer); ok && r.way == cached {
		a.Announce(func(off int64, p []byte) { b.push(r, off, p) })
	}
	if a, ok := h.(tree.Recaller); ok && r.way == cached {
		a.Recall(func(off int64, p []byte) int {
			n, _ := b.kernel.InodeRetrieveCache(r.id, off, p)
			return n
		})
	}
	return nil
}

// findLocal notices when the whole content has become a local file.
func (r *reader) findLocal() *localFile {
	if l := r.local.Load(); l != nil {
		return l
	}
	backed, ok := r.h.(tree.Backed)
	if !ok {
		return nil
	}
	f, ok := backed.File()
	if !ok {
		return nil
	}
	l := &localFile{f.Fd(), size(f)}
	if l.size != r.size {
		return nil // not what the kernel was told: the tree shall decide
	}
	r.local.Store(l)
	return l
}

func size(f *os.File) int64 {
	st, err := f.Stat()
	if err != nil {
		return tree.Unknown
	}
	return st.Size()
}

func (b *binding) Read(cancel <-chan struct{}, in *gofuse.ReadIn, buf []byte) (gofuse.ReadResult, gofuse.Status) {
	ctx := b.request(cancel, in.Pid)
	defer ctx.end()
	buf = buf[:min(len(buf), int(in.Size))]
	switch h := b.handles.get(in.Fh).(type) {
	case *reader:
		if h.way == cached {
			asked := span{int64(in.Offset), int64(in.Offset) + int64(len(buf))}
			b.nodes.look(h.id, func(o *opened) { o.reads = append(o.reads, asked) })
			defer b.nodes.look(h.id, func(o *opened) {
				if i := slices.Index(o.reads, asked); i >= 0 {
					o.reads = slices.Delete(o.reads, i, i+1)
				}
			})
		}
		result, err := h.read(ctx, buf, int64(in.Offset))
		return result, b.fail("read", aHandle, in.NodeId, "", err)
	case *draft:
		result, err := h.read(ctx, buf, int64(in.Offset))
		return result, b.fail("read", aHandle, in.NodeId, "", err)
	}
	return nil, gofuse.EBADF
}

// read gives the kernel the bytes with as few copies as there can be: none
// from a local file, one from lent memory, two from any other handle.
//
// Replies of bytes are vectors always, because go-fuse tries to splice all
// others and prepares a pipe for it in vain.
func (r *reader) read(ctx context.Context, buf []byte, off int64) (gofuse.ReadResult, error) {
	want := int64(len(buf))
	if r.size != tree.Unknown {
		want = max(min(want, r.size-off), 0)
	}
	if l := r.findLocal(); l != nil && want > 0 {
		return gofuse.ReadResultFd(l.fd, off, int(want)), nil
	}
	var pieces [][]byte
	var n int64
	if lender, ok := r.h.(tree.Lender); ok {
		var err error
		if pieces, err = lender.ReadVec(ctx, off, int(want)); err != nil {
			return nil, err
		}
		for _, p := range pieces {
			n += int64(len(p))
		}
	} else {
		got, err := r.h.ReadAt(ctx, buf[:want], off)
		// Bytes that come with another error are not used: the kernel takes
		// a short read for the end of the file, and keeps believing it.
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		n = int64(got)
		pieces = [][]byte{buf[:got]}
	}
	if r.size != tree.Unknown && n < want {
		return nil, fmt.Errorf("content ends at %d of %d bytes: %w", off+n, r.size, io.ErrUnexpectedEOF)
	}
	return gofuse.ReadResultVector(pieces), nil
}

func (b *binding) Release(_ <-chan struct{}, in *gofuse.ReleaseIn) {
	b.handles.release(in.Fh, b)
}

func (r *reader) close(b *binding) {
	r.done.Store(true)
	b.nodes.with(r.id, func(o *opened) {
		switch r.way {
		case cached:
			o.cached--
		case direct:
			o.direct--
		case pass:
			o.pass--
			b.backing.drop(b, o)
		}
	})
	if err := r.h.Close(); err != nil {
		b.log.Debug("close", "ino", r.id, "err", err)
	}
}
