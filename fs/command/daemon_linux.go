package command

import (
	"context"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// replace puts a file in the place of a descriptor.
func replace(fd int, f *os.File) error { return unix.Dup3(int(f.Fd()), fd, 0) }

// keepForUs has programs that are started from now on inherit nothing but what
// they are given. Kernels before 5.11 cannot.
func keepForUs() { unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }

// endPause is how long a look for the end of a process may take at a time.
const endPause = 50 // ms

// follow returns how to wait for the end of a process that is not ours: its
// being a zombie, which nobody may ever collect, is its end, and another one
// that gets its number is not taken for it.
func follow(pid int) (end func(context.Context) error, close func(), err error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, nil, err
	}
	end = func(ctx context.Context) error {
		for ctx.Err() == nil {
			if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, endPause); n > 0 {
				return nil
			}
		}
		return ctx.Err()
	}
	return end, func() { unix.Close(fd) }, nil
}
