package fuse

import (
	"context"
	"errors"
	iofs "io/fs"
	"syscall"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// change is what the requests have in common that change a folder.
func (b *binding) change(op string, cancel <-chan struct{}, h *gofuse.InHeader, name string, f func(ctx context.Context, dir tree.Dir) error) gofuse.Status {
	dir, status := b.dir(h.NodeId)
	if status != gofuse.OK {
		return status
	}
	if b.o.ReadOnly {
		return gofuse.EROFS
	}
	ctx := b.request(cancel, h.Pid)
	defer ctx.end()
	return b.fail(op, aChange, h.NodeId, name, f(ctx, dir))
}

func (b *binding) Create(cancel <-chan struct{}, in *gofuse.CreateIn, name string, out *gofuse.CreateOut) gofuse.Status {
	return b.change("create", cancel, &in.InHeader, name, func(ctx context.Context, dir tree.Dir) error {
		f, err := b.create(ctx, dir, name, in.Flags&syscall.O_EXCL != 0)
		if err != nil {
			return err
		}
		if err := sound(f); err != nil {
			return err
		}
		info, err := told(ctx, f)
		if err != nil {
			return err
		}
		b.fill(dir, f, info, &out.EntryOut)
		err = b.openDraft(ctx, out.NodeId, f, in.Flags, in.Pid, &out.OpenOut)
		if err != nil {
			b.nodes.forget(out.NodeId, 1) // the kernel is told of the error only
		}
		return err
	})
}

// create makes a file, or finds the one that somebody else has just made.
func (b *binding) create(ctx context.Context, dir tree.Dir, name string, exclusive bool) (tree.File, error) {
	c, ok := dir.(tree.Creator)
	if !ok {
		return nil, tree.ErrReadOnly
	}
	f, err := c.Create(ctx, name)
	if err == nil || exclusive || !errors.Is(err, iofs.ErrExist) {
		return f, err
	}
	n, err := dir.Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	if f, ok := n.(tree.File); ok {
		return f, nil
	}
	return nil, tree.ErrIsDir
}

// Mknod makes empty files, and nothing else.
func (b *binding) Mknod(cancel <-chan struct{}, in *gofuse.MknodIn, name string, out *gofuse.EntryOut) gofuse.Status {
	if in.Mode&syscall.S_IFMT != gofuse.S_IFREG {
		return gofuse.EPERM
	}
	return b.change("create", cancel, &in.InHeader, name, func(ctx context.Context, dir tree.Dir) error {
		f, err := b.create(ctx, dir, name, true)
		if err != nil {
			return err
		}
		return b.entry(ctx, dir, f, out)
	})
}

func (b *binding) Mkdir(cancel <-chan struct{}, in *gofuse.MkdirIn, name string, out *gofuse.EntryOut) gofuse.Status {
	return b.change("mkdir", cancel, &in.InHeader, name, func(ctx context.Context, dir tree.Dir) error {
		m, ok := dir.(tree.Maker)
		if !ok {
			return tree.ErrReadOnly
		}
		d, err := m.Mkdir(ctx, name)
		if err != nil {
			return err
		}
		return b.entry(ctx, dir, d, out)
	})
}

func (b *binding) Symlink(cancel <-chan struct{}, h *gofuse.InHeader, target, name string, out *gofuse.EntryOut) gofuse.Status {
	if dir, status := b.dir(h.NodeId); status == gofuse.OK {
		if _, ok := dir.(tree.Linker); !ok {
			return gofuse.EPERM // this is no place for links, whoever asks
		}
	}
	return b.change("symlink", cancel, h, name, func(ctx context.Context, dir tree.Dir) error {
		l, err := dir.(tree.Linker).Link(ctx, name, target)
		if err != nil {
			return err
		}
		return b.entry(ctx, dir, l, out)
	})
}

func (b *binding) Unlink(cancel <-chan struct{}, h *gofuse.InHeader, name string) gofuse.Status {
	return b.remove(cancel, h, name, false)
}

func (b *binding) Rmdir(cancel <-chan struct{}, h *gofuse.InHeader, name string) gofuse.Status {
	return b.remove(cancel, h, name, true)
}

func (b *binding) remove(cancel <-chan struct{}, h *gofuse.InHeader, name string, isDir bool) gofuse.Status {
	return b.change("remove", cancel, h, name, func(ctx context.Context, dir tree.Dir) error {
		r, ok := dir.(tree.Remover)
		if !ok {
			return tree.ErrReadOnly
		}
		n, err := dir.Lookup(ctx, name)
		if err != nil {
			return err
		}
		if err := r.Remove(ctx, name, isDir); err != nil {
			return err
		}
		b.unlinked(n)
		return nil
	})
}

// unlinked notes that the name of n is gone. Who has it open goes on reading
// and writing it by its handle.
func (b *binding) unlinked(n tree.Node) {
	if id, ok := b.nodes.id(n.Ino()); ok {
		b.nodes.look(id, func(o *opened) { o.unlinked = true })
	}
}

// Flags of renameat2.
const renameNoReplace = 1

// Rename may be a save: editors write another file and move it over the one
// they mean. So it waits like a close. The kernel keeps both folders locked
// meanwhile.
func (b *binding) Rename(cancel <-chan struct{}, in *gofuse.RenameIn, name, newName string) gofuse.Status {
	to, status := b.dir(in.Newdir)
	if status != gofuse.OK {
		return status
	}
	if in.Flags&^renameNoReplace != 0 {
		return gofuse.EINVAL
	}
	return b.change("rename", cancel, &in.InHeader, name, func(_ context.Context, dir tree.Dir) error {
		r, ok := dir.(tree.Renamer)
		if !ok || !changeable(to) {
			return tree.ErrReadOnly
		}
		ctx := b.save(cancel, in.Pid)
		defer ctx.end()
		replaced, err := to.Lookup(ctx, newName)
		switch {
		case err == nil && in.Flags&renameNoReplace != 0:
			return iofs.ErrExist
		case err != nil && !errors.Is(err, iofs.ErrNotExist):
			return err
		}
		content := b.content(ctx, dir, name)
		if err := r.Rename(ctx, name, to, newName); err != nil {
			return err
		}
		// Where the new name says nothing of what was moved onto it, that was
		// a save.
		if now, err := to.Lookup(ctx, newName); err == nil && content != nil {
			if info, ok := now.Peek(); ok && info.Size == 0 {
				b.echoes.keep(now.Ino(), b.procs.tgid(in.Pid), content)
			}
		}
		if replaced != nil {
			b.unlinked(replaced)
		}
		// Who has it open, or works in it, knows it by its number: that one
		// must be found at its new place.
		if moved, err := to.Lookup(ctx, newName); err == nil {
			b.nodes.renew(moved)
		}
		return nil
	})
}

// content is what a file in dir holds that is small and can be written, or nil.
func (b *binding) content(ctx context.Context, dir tree.Dir, name string) []byte {
	n, err := dir.Lookup(ctx, name)
	if err != nil {
		return nil
	}
	f, ok := n.(tree.Saver)
	if !ok {
		return nil
	}
	info, err := told(ctx, f)
	if err != nil || info.Size <= 0 || info.Size > maxEcho {
		return nil
	}
	h, err := f.Open(ctx)
	if err != nil {
		return nil
	}
	defer h.Close()
	p := make([]byte, info.Size)
	read, _ := h.ReadAt(ctx, p, 0)
	return p[:read]
}

// SetAttr changes sizes, and times where there is a place for them. Editors
// and cp -p also set modes, owners and times of what they have written; to
// refuse those would make a good save look failed.
func (b *binding) SetAttr(cancel <-chan struct{}, in *gofuse.SetAttrIn, out *gofuse.AttrOut) gofuse.Status {
	n, ok := b.nodes.node(in.NodeId)
	if !ok {
		return gofuse.ENOENT
	}
	saver, _ := n.(tree.Saver)
	toucher, _ := n.(tree.Toucher)
	if b.o.ReadOnly || saver == nil && toucher == nil && !changeable(n) {
		return gofuse.EROFS
	}
	ctx := b.request(cancel, in.Pid)
	defer ctx.end()
	if size, ok := in.GetSize(); ok {
		if saver == nil {
			return gofuse.EISDIR
		}
		if err := b.truncate(ctx, saver, in, int64(size)); err != nil {
			return b.fail("truncate", aChange, in.NodeId, "", err)
		}
	}
	if mod, ok := in.GetMTime(); ok && toucher != nil {
		if err := toucher.Touch(ctx, mod); err != nil {
			return b.fail("touch", aChange, in.NodeId, "", err)
		}
	}
	get := gofuse.GetAttrIn{InHeader: in.InHeader}
	if fh, ok := in.GetFh(); ok {
		get.Flags_, get.Fh_ = gofuse.FUSE_GETATTR_FH, fh
	}
	return b.GetAttr(cancel, &get, out)
}

func (b *binding) truncate(ctx context.Context, f tree.Saver, in *gofuse.SetAttrIn, size int64) error {
	if size < 0 {
		return iofs.ErrInvalid
	}
	if fh, ok := in.GetFh(); ok {
		if w, ok := b.handles.get(fh).(*draft); ok {
			return w.truncate(ctx, size)
		}
	}
	if t, ok := f.(tree.Truncater); ok {
		return t.Truncate(ctx, size)
	}
	if size != 0 {
		return iofs.ErrInvalid
	}
	return nil
}
