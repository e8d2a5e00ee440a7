//go:build !linux

package command

import (
	"context"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// replace puts a file in the place of a descriptor.
func replace(fd int, f *os.File) error { return unix.Dup2(int(f.Fd()), fd) }

func keepForUs() {}

// endPause is between two looks whether a process has ended.
const endPause = 50 * time.Millisecond

// follow returns how to wait for the end of a process that is not ours.
func follow(pid int) (end func(context.Context) error, close func(), err error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, nil, err
	}
	end = func(ctx context.Context) error {
		for p.Signal(syscall.Signal(0)) == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(endPause):
			}
		}
		return nil
	}
	return end, func() { p.Release() }, nil
}
