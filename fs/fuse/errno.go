package fuse

import (
	"context"
	"errors"
	iofs "io/fs"
	"syscall"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// errCommitted answers writes to an opening that was saved already: one
// opening is one save at most.
var errCommitted = errors.New("written after it was saved")

// errnos is the one place where what a tree says becomes what a program sees.
// The first that matches counts. What is not here is EIO and goes to the log.
//
// ENOSYS must never stand here: the kernel takes it for "never ask again".
var errnos = []struct {
	err    error
	status gofuse.Status
}{
	{errCommitted, gofuse.EBADF},
	{tree.ErrReadOnly, gofuse.EROFS},
	{tree.ErrBusy, gofuse.EBUSY},
	{tree.ErrQuota, gofuse.Status(syscall.EDQUOT)},
	{tree.ErrTooLarge, gofuse.Status(syscall.EFBIG)},
	{tree.ErrNotEmpty, gofuse.Status(syscall.ENOTEMPTY)},
	{tree.ErrIsDir, gofuse.EISDIR},
	{tree.ErrNotDir, gofuse.ENOTDIR},
	{tree.ErrGone, gofuse.ENOENT},
	{iofs.ErrNotExist, gofuse.ENOENT},
	{iofs.ErrPermission, gofuse.EACCES},
	{iofs.ErrExist, gofuse.Status(syscall.EEXIST)},
	{iofs.ErrInvalid, gofuse.EINVAL},
	{context.Canceled, gofuse.EINTR},
}

// A subject is what a request was about. It decides between two words for the
// same thing.
type subject int

const (
	aName   subject = iota // a path: what is gone is not there
	aHandle                // an open file: what is gone is stale
	aChange                // a write: it must not be begun twice, so never EINTR
)

// errno translates err. False says that nobody meant the error for a program:
// it is a fault of the machine, the network or ours, and belongs in the log.
func errno(err error, s subject) (gofuse.Status, bool) {
	if err == nil {
		return gofuse.OK, true
	}
	// A syscall.Errno claims to be iofs.ErrNotExist and the like. But a file
	// missing in our cache does not mean that the user's file is missing.
	var foreign syscall.Errno
	machine := errors.As(err, &foreign)
	if machine && s == aChange && foreign == syscall.ENOSPC {
		return gofuse.Status(syscall.ENOSPC), true // that the disk is full is for its owner to know
	}
	for _, e := range errnos {
		if !errors.Is(err, e.err) || machine && errors.Is(foreign, e.err) {
			continue
		}
		switch {
		case s == aHandle && e.err == tree.ErrGone:
			return gofuse.Status(syscall.ESTALE), true
		case s == aChange && e.err == context.Canceled:
			return gofuse.EIO, true
		}
		return e.status, true
	}
	return gofuse.EIO, false
}
