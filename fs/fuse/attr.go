package fuse

import (
	"errors"
	iofs "io/fs"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// blockSize is what stat calls the best size for reading and writing. The C
// library's and Python's files read that much at a time, so it must not be
// larger than what a look at a header should cost.
const blockSize = 128 << 10

// attr fills in what stat shows of n, and returns for how long the kernel may
// believe it.
func (b *binding) attr(id uint64, n tree.Node, info tree.Info, a *gofuse.Attr) time.Duration {
	valid := info.Valid
	a.Nlink = 1 // of folders too, so that find does not count on it
	var writer *draft
	b.nodes.look(id, func(o *opened) {
		if o.unlinked {
			a.Nlink = 0
		}
		if len(o.drafts) > 0 {
			valid = 0
		}
		for _, d := range o.drafts {
			if d.dirty.Load() {
				writer = d
			}
		}
	})
	// The program that writes sees its own file grow, else appending and
	// fstat would not fit together. Once it is saved, the node tells again
	// what it is.
	if writer != nil {
		info.Size = writer.d.Size()
	}
	a.Ino = b.nodes.ino(n)
	a.Mode = mode(n, info, b.o.Umask)
	a.Size = uint64(max(info.Size, 0)) // what is Unknown reads as empty until it is read
	// As if all were stored: cp and tar take a file with fewer blocks than
	// its size needs for one with holes.
	a.Blocks = (a.Size + 511) / 512
	a.Blksize = blockSize
	a.Uid, a.Gid = b.o.UID, b.o.GID
	if t := info.ModTime; t.Unix() > 0 {
		a.SetTimes(&t, &t, &t)
	}
	return valid
}

// mode is Info.Mode in the kernel's words. The type is that of the node: a
// node that says something else would be taken for another file.
func mode(n tree.Node, info tree.Info, umask uint32) uint32 {
	kind := fileType(n)
	if kind == gofuse.S_IFLNK {
		umask = 0 // a link's own permissions mean nothing, and are always all
	}
	return kind | uint32(info.Mode.Perm())&^umask
}

func fileType(n tree.Node) uint32 {
	switch tree.Type(n) {
	case iofs.ModeDir:
		return gofuse.S_IFDIR
	case iofs.ModeSymlink:
		return gofuse.S_IFLNK
	default:
		return gofuse.S_IFREG
	}
}

// nameless is what stat shows of a stored file whose name was removed while it
// is open for writing.
func (b *binding) nameless(id uint64, err error) (tree.Info, error) {
	info := tree.Info{Mode: 0o644, Live: true}
	b.nodes.look(id, func(o *opened) {
		if len(o.drafts) > 0 {
			info.Size, err = o.drafts[len(o.drafts)-1].d.Size(), nil
		}
	})
	return info, err
}

// echo shows a process the size of what it has just saved.
func (b *binding) echo(n tree.Node, pid uint32, a *gofuse.Attr) bool {
	content, ok := b.echoes.hear(n.Ino(), b.procs, pid)
	if !ok || a.Size != 0 {
		return false
	}
	a.Size = uint64(len(content))
	a.Blocks = (a.Size + 511) / 512
	return true
}

func (b *binding) GetAttr(cancel <-chan struct{}, in *gofuse.GetAttrIn, out *gofuse.AttrOut) gofuse.Status {
	n, ok := b.nodes.node(in.NodeId)
	if !ok {
		return gofuse.ENOENT
	}
	ctx := b.request(cancel, in.Pid)
	defer ctx.end()
	info, err := told(ctx, n)
	if errors.Is(err, iofs.ErrNotExist) {
		info, err = b.nameless(in.NodeId, err)
	}
	if err != nil {
		return b.fail("stat", aName, in.NodeId, "", err)
	}
	out.SetTimeout(b.attr(in.NodeId, n, info, &out.Attr))
	if b.echo(n, in.Pid, &out.Attr) {
		out.SetTimeout(0)
	}
	if in.Flags()&gofuse.FUSE_GETATTR_FH != 0 {
		if d, ok := b.handles.get(in.Fh()).(*draft); ok && d.dirty.Load() {
			out.Size = uint64(d.d.Size())
			out.Blocks = (out.Size + 511) / 512
		}
	}
	return gofuse.OK
}
