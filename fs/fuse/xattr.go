package fuse

import (
	"context"
	"errors"
	iofs "io/fs"
	"strings"
	"syscall"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// Requests for extended attributes come here with Options.XAttr only. Else the
// first is answered with ENOSYS, and the kernel never asks again.

// userSpace is where attributes live that anybody may read. Those of other
// spaces mean something to the system, and no node has any.
const userSpace = "user."

func (b *binding) GetXAttr(cancel <-chan struct{}, h *gofuse.InHeader, name string, dest []byte) (uint32, gofuse.Status) {
	n, ok := b.nodes.node(h.NodeId)
	if !ok {
		return 0, gofuse.ENOENT
	}
	short, ours := strings.CutPrefix(name, userSpace)
	a, has := n.(tree.Attributed)
	if !ours || !has {
		return 0, gofuse.ENOATTR
	}
	ctx := b.request(cancel, h.Pid)
	defer ctx.end()
	value, err := a.Attr(ctx, short)
	if errors.Is(err, iofs.ErrNotExist) {
		return 0, gofuse.ENOATTR
	}
	return b.attribute("getxattr", h.NodeId, []byte(value), err, dest)
}

func (b *binding) ListXAttr(cancel <-chan struct{}, h *gofuse.InHeader, dest []byte) (uint32, gofuse.Status) {
	n, ok := b.nodes.node(h.NodeId)
	if !ok {
		return 0, gofuse.ENOENT
	}
	a, has := n.(tree.Attributed)
	if !has {
		return 0, gofuse.OK
	}
	ctx := b.request(cancel, h.Pid)
	defer ctx.end()
	names, err := attrs(ctx, a)
	return b.attribute("listxattr", h.NodeId, names, err, dest)
}

// attrs are the names as the kernel takes them: each with a zero behind it.
func attrs(ctx context.Context, a tree.Attributed) ([]byte, error) {
	names, err := a.Attrs(ctx)
	var all []byte
	for _, name := range names {
		all = append(append(all, userSpace+name...), 0)
	}
	return all, err
}

// attribute answers with bytes, or with how many there are to who has not made
// room for them.
func (b *binding) attribute(op string, id uint64, value []byte, err error, dest []byte) (uint32, gofuse.Status) {
	switch {
	case err != nil:
		return 0, b.fail(op, aName, id, "", err)
	case len(value) > len(dest):
		return uint32(len(value)), gofuse.Status(syscall.ERANGE)
	}
	return uint32(copy(dest, value)), gofuse.OK
}
