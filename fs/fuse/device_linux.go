package fuse

import (
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// A device is the kernel behind a mount.
type device struct {
	*gofuse.Server
}

func (d device) back(fd uintptr) (int32, error) {
	id, err := d.RegisterBackingFd(&gofuse.BackingMap{Fd: int32(fd)})
	if err != 0 {
		return 0, err
	}
	return id, nil
}

func (d device) unback(id int32) { d.UnregisterBackingFd(id) }
