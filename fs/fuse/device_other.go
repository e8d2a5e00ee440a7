//go:build !linux

package fuse

import (
	"errors"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

// A device is the kernel behind a mount.
type device struct {
	*gofuse.Server
}

func (device) back(uintptr) (int32, error) { return 0, errors.ErrUnsupported }

func (device) unback(int32) {}
