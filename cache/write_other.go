//go:build !linux

package cache

import "os"

func datasync(f *os.File) error { return f.Sync() }

// pwritev writes bufs one after the other at off.
func pwritev(f *os.File, bufs [][]byte, off int64) error {
	for _, b := range bufs {
		n, err := f.WriteAt(b, off)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// lowerPriority is for Linux only, where threads have priorities of their own.
func lowerPriority() {}
