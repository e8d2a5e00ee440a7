package cache

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// datasync has the bytes of a file on the disk, and as much of what is known
// about them as is needed to find them.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// niceness is that of the writer's thread. At 19 reading was measured to be no faster, and the thread could be kept waiting for
// long in the few moments in which the Go scheduler waits for it.
const niceness = 10

// lowerPriority has the calling thread come after others, if it may.
func lowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceness) }

// pwritev writes bufs one after the other at off.
func pwritev(f *os.File, bufs [][]byte, off int64) error {
	for len(bufs) > 0 {
		n, err := unix.Pwritev(int(f.Fd()), bufs, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		off += int64(n)
		for n > 0 && len(bufs) > 0 {
			if n < len(bufs[0]) {
				bufs = append([][]byte{bufs[0][n:]}, bufs[1:]...)
				break
			}
			n -= len(bufs[0])
			bufs = bufs[1:]
		}
	}
	return nil
}
