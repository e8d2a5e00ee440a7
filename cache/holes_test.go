package cache

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestHoles reads from a network that is faster than the disk, or in a rush. What was read from end to end is whole on the disk in the
// end, the reader never waits for it, and nothing is fetched again that the receiver still has, or of files that were not
// read to the end.
func TestHoles(t *testing.T) {
	const size, wire, fast = 256 * mib, 200e6, 500e6 // bytes, and bytes per second
	all := func(f *file) func(off int64, p []byte) int {
		return func(off int64, p []byte) int {
			content(f.seed, p, off)
			return len(p)
		}
	}
	for _, test := range []struct {
		name   string
		wire   float64 // bytes per second
		disk   float64 // likewise
		read   int64
		recall func(f *file) func(off int64, p []byte) int
		again  bool // some of it comes twice
		whole  bool // in the end
	}{
		{"as fast", wire, wire, size, nil, false, true},
		{"slower, the receiver has all", wire, 0.1 * wire, size, all, false, true},
		{"slower, the receiver has nothing", wire, 0.1 * wire, size, nil, true, true},
		{"slower, the receiver has half", wire, 0.1 * wire, size, func(f *file) func(off int64, p []byte) int {
			return func(off int64, p []byte) int { return all(f)(off, p[:len(p)*int(off/chunkSize%2)]) }
		}, true, true},
		{"slower, the receiver is wrong", wire, 0.1 * wire, size, func(f *file) func(off int64, p []byte) int {
			return func(off int64, p []byte) int {
				n := all(f)(off, p)
				p[n/2] ^= 1
				return n
			}
		}, true, true},
		{"slower, nearly all read", wire, 0.1 * wire, size - 8*mib, nil, true, true},
		{"slower, half read", wire, 0.1 * wire, size / 2, all, false, false},
		{"a rush", fast, 10 * fast, size, all, false, true},
		{"a rush, the receiver has nothing", fast, 10 * fast, size, func(*file) func(int64, []byte) int {
			return func(int64, []byte) int { return 0 }
		}, true, true},
		{"a rush, and no receiver", fast, 10 * fast, size, nil, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &origin{latency: 40 * time.Millisecond, line: int64(test.wire)}
				c := newCache(t, Options{Dir: t.TempDir(), Memory: 64 * mib})
				c.disk.space = func() (int64, int64, error) { return 100 << 30, 50 << 30, nil }
				c.disk.pwrite = func(f *os.File, bufs [][]byte, off int64) error {
					n := 0
					for _, b := range bufs {
						n += len(b)
					}
					time.Sleep(time.Duration(float64(n) / test.disk * 1e9))
					return pwritev(f, bufs, off)
				}
				f := o.file("f", size)
				r := c.Open(f)
				if test.recall != nil {
					r.Recall(test.recall(f))
				}
				start := time.Now()
				for off := int64(0); off < test.read; off += 128 * kib {
					readAt(t, r, f, off, 128*kib)
				}
				took, ideal := time.Since(start), time.Duration(float64(test.read)/test.wire*1e9)
				r.Close()
				read := o.bytes()
				time.Sleep(time.Minute)
				unwritten := c.count.unwritten.Load()
				t.Logf("read in %v, wire alone %v; %d of %d chunks were not stored, %d of them recalled; %.1f MiB moved at first, %.1f in all",
					took, ideal, unwritten, chunksOf(size), c.count.recalled.Load(), float64(read)/mib, float64(o.bytes())/mib)
				if took > 3*ideal/2 {
					t.Errorf("read in %v, the wire alone needs %v", took, ideal)
				}
				if left := test.disk < test.wire || test.wire == fast && test.recall != nil; left != (unwritten > 0) {
					t.Errorf("%d chunks were not stored at first: the test shows nothing", unwritten)
				}
				if got := c.Complete("f"); got != test.whole {
					t.Errorf("complete on the disk: %v, want %v", got, test.whole)
				}
				if again := o.bytes() > max(read, size); again != test.again {
					t.Errorf("%d bytes moved in all, %d while it was read: some of them again: %v, want %v", o.bytes(), read, again, test.again)
				}
				before := o.bytes()
				if test.whole {
					readFresh(t, c, f)
				}
				if more := o.bytes() - before; more != 0 {
					t.Errorf("%d bytes fetched of a file that was read before", more)
				}
			})
		})
	}
}

// TestSettle waits, as long as it may, for the holes of a file that was read in a rush.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, fast = 128 * mib, 500e6
		c := newCache(t, Options{Dir: t.TempDir(), Memory: 64 * mib})
		c.disk.space = func() (int64, int64, error) { return 100 << 30, 50 << 30, nil }
		f := (&origin{line: fast}).file("f", size)
		r := c.Open(f)
		r.Recall(func(off int64, p []byte) int {
			time.Sleep(time.Millisecond)
			content(f.seed, p, off)
			return len(p)
		})
		if err := c.Settle(t.Context()); err != nil {
			t.Errorf("nothing to wait for: %v", err)
		}
		for off := int64(0); off < size; off += 128 * kib {
			readAt(t, r, f, off, 128*kib)
		}
		r.Close()
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := c.Settle(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
		if err := c.Settle(t.Context()); err != nil {
			t.Error(err)
		}
		if !c.Complete("f") {
			t.Error("the file is not whole on the disk")
		}
	})
}
