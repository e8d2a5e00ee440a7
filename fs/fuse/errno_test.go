package fuse

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"syscall"
	"testing"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

func TestErrno(t *testing.T) {
	_, missing := os.Open("/no/such/file/of/ours")
	for _, test := range []struct {
		err   error
		s     subject
		want  syscall.Errno
		meant bool
	}{
		{nil, aName, 0, true},
		{iofs.ErrNotExist, aName, syscall.ENOENT, true},
		{iofs.ErrPermission, aName, syscall.EACCES, true},
		{iofs.ErrExist, aChange, syscall.EEXIST, true},
		{iofs.ErrInvalid, aChange, syscall.EINVAL, true},
		{tree.ErrReadOnly, aName, syscall.EROFS, true},
		{tree.ErrBusy, aChange, syscall.EBUSY, true},
		{tree.ErrQuota, aChange, syscall.EDQUOT, true},
		{tree.ErrTooLarge, aChange, syscall.EFBIG, true},
		{tree.ErrNotEmpty, aChange, syscall.ENOTEMPTY, true},
		{tree.ErrIsDir, aName, syscall.EISDIR, true},
		{tree.ErrNotDir, aName, syscall.ENOTDIR, true},
		{tree.ErrGone, aName, syscall.ENOENT, true},
		{tree.ErrGone, aHandle, syscall.ESTALE, true},
		{errCommitted, aChange, syscall.EBADF, true},
		{context.Canceled, aHandle, syscall.EINTR, true},
		{context.Canceled, aChange, syscall.EIO, true},
		{context.DeadlineExceeded, aHandle, syscall.EIO, false},
		{errors.New("weird"), aName, syscall.EIO, false},
		// Wrapped as often as may be.
		{fmt.Errorf("a: %w", fmt.Errorf("b: %w", tree.ErrBusy)), aChange, syscall.EBUSY, true},
		{&iofs.PathError{Op: "x", Path: "y", Err: iofs.ErrNotExist}, aName, syscall.ENOENT, true},
		// What the machine says about a file of ours is not about the user's.
		{missing, aName, syscall.EIO, false},
		{fmt.Errorf("cache: %w", syscall.ENOSPC), aHandle, syscall.EIO, false},
		// But what is written and does not fit does not fit.
		{fmt.Errorf("drafts: %w", syscall.ENOSPC), aChange, syscall.ENOSPC, true},
		{fmt.Errorf("cache: %w", syscall.ENOSYS), aName, syscall.EIO, false},
		{fmt.Errorf("cache: %w", syscall.EACCES), aName, syscall.EIO, false},
		{fmt.Errorf("%w: %w", tree.ErrBusy, syscall.EAGAIN), aChange, syscall.EBUSY, true},
	} {
		got, meant := errno(test.err, test.s)
		if got != gofuse.Status(test.want) || meant != test.meant {
			t.Errorf("errno(%v, %d) = %v, %t, want %v, %t", test.err, test.s, got, meant, test.want, test.meant)
		}
	}
}

func TestErrnoNeverSaysNeverAgain(t *testing.T) {
	for _, e := range errnos {
		if e.status == gofuse.ENOSYS {
			t.Errorf("%v is ENOSYS, which turns the request off for the whole mount", e.err)
		}
	}
}
