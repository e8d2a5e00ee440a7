package fuse

import (
	"syscall"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// refusals answers what we do not do. Each answer is chosen: for some
// requests ENOSYS makes the kernel do the right thing by itself and never ask
// again, for others a program would see it as the answer.
//
// Left at ENOSYS on purpose:
//
//   - Access: not sent, because the kernel checks modes (default_permissions).
//   - Lseek: the kernel then finds data everywhere and a hole at the end.
//   - CopyFileRange, Tmpfile, Fallocate: the kernel tells the program that it
//     is not supported, and cp, editors and the C library do without.
//   - Statx: the kernel then uses GetAttr; we know no more than that.
//   - GetLk, SetLk, SetLkw: not sent, locks are kept in the kernel.
//   - Writev: go-fuse then calls Write.
type refusals struct {
	gofuse.RawFileSystem
}

// Link fails cleanly: vim and others try a hard link for their backups, and
// then copy.
func (refusals) Link(<-chan struct{}, *gofuse.LinkIn, string, *gofuse.EntryOut) gofuse.Status {
	return gofuse.EPERM
}

// Fsync saves nothing: editors call it in the middle. What was written is as
// safe as it will be.
func (refusals) Fsync(<-chan struct{}, *gofuse.FsyncIn) gofuse.Status { return gofuse.OK }

func (refusals) FsyncDir(<-chan struct{}, *gofuse.FsyncIn) gofuse.Status { return gofuse.OK }

// Ioctl says what a disk file says to what is meant for a terminal.
func (refusals) Ioctl(<-chan struct{}, *gofuse.IoctlIn, []byte, *gofuse.IoctlOut, []byte) gofuse.Status {
	return gofuse.Status(syscall.ENOTTY)
}

// Extended attributes can be read (see xattr.go) and not set.

func (refusals) SetXAttr(<-chan struct{}, *gofuse.SetXAttrIn, string, []byte) gofuse.Status {
	return gofuse.ENOTSUP
}

func (refusals) RemoveXAttr(<-chan struct{}, *gofuse.InHeader, string) gofuse.Status {
	return gofuse.ENOTSUP
}
