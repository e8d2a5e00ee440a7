package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// readFresh opens f, reads it whole, and closes it.
func readFresh(t *testing.T, c *Cache, f *file) {
	t.Helper()
	r := c.Open(f)
	defer r.Close()
	readAll(t, r, f, 128*kib)
}

// restart closes the cache and opens another one on the same folder; with crash, as if the first had been killed.
func restart(t *testing.T, c *Cache, o Options, crash bool) *Cache {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if crash {
		if err := os.WriteFile(filepath.Join(o.Dir, "run-1-dead"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return newCache(t, o)
}

// stored gives the files of the folder's objects with the given ending.
func stored(t *testing.T, dir, ext string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "objects", "*", "*"+ext))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// spoil writes over bytes of a file.
func spoil(t *testing.T, path string, off int64) {
	t.Helper()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("spoiled"), off); err != nil {
		t.Fatal(err)
	}
}

// TestRemount reads files, restarts, and reads them again without a request; partly read ones only for the rest.
func TestRemount(t *testing.T) {
	for _, crash := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := slowly()
			opt := Options{Dir: t.TempDir()}
			c := newCache(t, opt)
			whole, part := o.file("whole", 9*mib+1).withMD5(), o.file("part", 9*mib)
			readFresh(t, c, whole)
			r := c.Open(part)
			readAt(t, r, part, 0, 700*kib)
			r.Close()
			c = restart(t, c, opt, crash)
			before := o.bytes()
			if !c.Complete("whole") || c.Complete("part") || c.Complete("none") {
				t.Error("Complete is wrong")
			}
			r = c.Open(whole)
			if _, ok := r.File(); ok == crash {
				t.Errorf("file handed out: %v, after a crash: %v", ok, crash)
			}
			readAll(t, r, whole, 128*kib)
			r.Close()
			if more := o.bytes() - before; more != 0 {
				t.Errorf("%d bytes fetched of a file that is on the disk", more)
			}
			readFresh(t, c, part)
			if more := o.bytes() - before; more > part.size-512*kib {
				t.Errorf("%d bytes fetched of %d, 700 KiB of which are on the disk", more, part.size)
			}
			time.Sleep(3 * time.Second) // the check after a crash, and the saving, happen behind our back
			r = c.Open(whole)
			defer r.Close()
			f, ok := r.File()
			if !ok {
				t.Fatal("no complete file")
			}
			p := make([]byte, whole.size)
			if _, err := f.ReadAt(p, 0); err != nil {
				t.Fatal(err)
			}
			if err := whole.check(p, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPermissions keeps everything to the owner.
func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Options{Dir: dir, KeptDir: filepath.Join(dir, "kept")})
		readFresh(t, c, slowly().file("f", 3*mib))
		keep(t, c, slowly().file("g", 3*mib))
		c.Close()
	})
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := e.Info()
		if err == nil && st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, st.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDamage spoils what is stored, after a crash: the chunk is fetched again, and nothing else.
func TestDamage(t *testing.T) {
	tests := []struct {
		name string
		hurt func(t *testing.T, dir string)
		more int64 // bytes to fetch again at most
	}{
		{"nothing", func(*testing.T, string) {}, 0},
		{"a chunk", func(t *testing.T, dir string) { spoil(t, stored(t, dir, ".data")[0], 3*mib+5) }, 2 * mib},
		{"the sidecar", func(t *testing.T, dir string) { spoil(t, stored(t, dir, ".meta")[0], 30) }, 9 * mib},
		{"the sidecar's end", func(t *testing.T, dir string) {
			if err := os.Truncate(stored(t, dir, ".meta")[0], 50); err != nil {
				t.Error(err)
			}
		}, 9 * mib},
		{"the data's end", func(t *testing.T, dir string) {
			name := stored(t, dir, ".data")[0]
			if err := errors.Join(os.Chmod(name, 0o600), os.Truncate(name, 4*mib)); err != nil {
				t.Error(err)
			}
		}, 9 * mib},
		{"no data", func(t *testing.T, dir string) { os.Remove(stored(t, dir, ".data")[0]) }, 9 * mib},
		{"no sidecar", func(t *testing.T, dir string) { os.Remove(stored(t, dir, ".meta")[0]) }, 9 * mib},
		{"the epoch", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "epoch"), []byte("x"), 0o600); err != nil {
				t.Error(err)
			}
			spoil(t, stored(t, dir, ".data")[0], 1)
		}, 2 * mib},
	}
	for _, test := range tests {
		for _, background := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := slowly()
					opt := Options{Dir: t.TempDir()}
					c := newCache(t, opt)
					f := o.file("f", 9*mib)
					readFresh(t, c, f)
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
					test.hurt(t, opt.Dir)
					before := o.bytes()
					c = restart(t, c, opt, true)
					if background { // the whole file is checked before it is read
						c.Open(f).Close()
						time.Sleep(5 * time.Second)
					}
					readFresh(t, c, f)
					if more := o.bytes() - before; more > test.more {
						t.Errorf("%d bytes fetched again, want %d", more, test.more)
					}
					c = restart(t, c, opt, false)
					before = o.bytes()
					readFresh(t, c, f)
					if more := o.bytes() - before; more > 0 {
						t.Errorf("%d bytes fetched after it was mended", more)
					}
				})
			})
		}
	}
}

// TestSuspicionStays crashes, then restarts cleanly without a look at the file: it is still checked before it is used.
func TestSuspicionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		opt := Options{Dir: t.TempDir()}
		c := newCache(t, opt)
		f := o.file("f", 5*mib)
		readFresh(t, c, f)
		c = restart(t, c, opt, true)
		c = restart(t, c, opt, false)
		spoil(t, stored(t, opt.Dir, ".data")[0], 100)
		readFresh(t, c, f)
	})
}

// breakDisk makes all writes to the disk fail from now on.
func breakDisk(t *testing.T, c *Cache, err error) {
	t.Helper()
	if err := c.writer.drain(t.Context()); err != nil { // the writer is between two jobs
		t.Fatal(err)
	}
	c.disk.pwrite = func(*os.File, [][]byte, int64) error { return err }
}

// TestBrokenDisk fills the disk and breaks the device: reading goes on, one line is logged.
func TestBrokenDisk(t *testing.T) {
	for fault, off := range map[error]bool{unix.ENOSPC: true, unix.EIO: true, unix.EMFILE: false} {
		t.Run(fault.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				o := slowly()
				c := newCache(t, Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))})
				f := o.file("before", 3*mib)
				readFresh(t, c, f)
				time.Sleep(3 * time.Second)
				breakDisk(t, c, fault)
				for i := range 5 {
					readFresh(t, c, o.file(fmt.Sprint(i), 3*mib))
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if got := c.Stats().DiskOff; got != off {
					t.Errorf("the disk tier is off: %v, want %v", got, off)
				}
				if got := strings.Count(log.String(), "\n") == 1; got != off {
					t.Errorf("logged, want one line if it is off:\n%s", log.String())
				}
			})
		})
	}
}

// TestDiskWithRoomAgain has a full disk left alone for a minute, and for twice as long if it is full still.
func TestDiskWithRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir()})
		write := c.disk.pwrite
		read := func(name string) (stored bool) {
			readFresh(t, c, o.file(name, 3*mib))
			time.Sleep(5 * time.Second)
			return c.Complete(name)
		}
		for i, rest := range []time.Duration{time.Minute, 2 * time.Minute} {
			breakDisk(t, c, unix.ENOSPC)
			if read(fmt.Sprint("full", i)) || !c.Stats().DiskOff {
				t.Fatal("stored on a disk that is full")
			}
			c.disk.pwrite = write
			if read(fmt.Sprint("too early", i)) {
				t.Errorf("stored within %v", rest)
			}
			time.Sleep(rest - 10*time.Second)
			if c.Stats().DiskOff || !read(fmt.Sprint("again", i)) {
				t.Errorf("not stored %v later", rest)
			}
		}
	})
}

// TestNoSpace leaves the reserve of the disk alone, and takes what is used least.
func TestNoSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir()})
		setFree := func(free int64) {
			c.disk.freeMu.Lock()
			defer c.disk.freeMu.Unlock()
			c.disk.space = func() (int64, int64, error) { return 100 << 30, free, nil }
		}
		setFree(100 << 30)
		readFresh(t, c, o.file("old", 3*mib))
		time.Sleep(5 * time.Second)
		if !c.Complete("old") {
			t.Fatal("not stored with room")
		}
		setFree(10 << 30) // exactly the reserve
		time.Sleep(5 * time.Second)
		readFresh(t, c, o.file("new", 3*mib))
		time.Sleep(5 * time.Second)
		if c.Complete("new") {
			t.Error("stored into the reserve")
		}
		if c.Complete("old") {
			t.Error("nothing was evicted to restore the reserve")
		}
		if got := c.Stats().DiskFree; got != 0 {
			t.Errorf("%d bytes free above the reserve, want 0", got)
		}
	})
}

// TestEvict keeps the disk tier within its limit: the least used goes, the kept and the open stay.
func TestEvict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		opt := Options{Dir: t.TempDir(), Disk: 20 * mib, KeptDir: t.TempDir()}
		c := newCache(t, opt)
		files := map[string]*file{}
		read := func(key string) {
			if files[key] == nil {
				files[key] = o.file(key, 4*mib)
			}
			readFresh(t, c, files[key])
			time.Sleep(5 * time.Second) // saved, evicted, and of another time
		}
		files["kept"] = o.file("kept", 4*mib)
		keep(t, c, files["kept"])
		read("open")
		open := c.Open(files["open"])
		read("a")
		read("b")
		read("c")
		read("a") // used again
		read("d")
		read("e")
		got := ""
		for _, key := range []string{"kept", "open", "a", "b", "c", "d", "e"} {
			if c.Complete(key) {
				got += key + " "
			}
		}
		if want := "kept open a d e "; got != want {
			t.Errorf("stored: %s, want %s", got, want)
		}
		s := c.Stats()
		if s.DiskUsed > 20*mib || s.DiskUsed < 14*mib {
			t.Errorf("%d KiB used of 20 MiB", s.DiskUsed/kib)
		}
		if s.Kept < 4*mib || s.Kept > 4*mib+64*kib {
			t.Errorf("%d KiB kept, want 4 MiB", s.Kept/kib)
		}
		if s.Evicted != 2 {
			t.Errorf("%d objects evicted, want 2", s.Evicted)
		}
		open.Close()
		// A file larger than the limit is read all the same, and stored as far as it goes.
		read2 := o.file("large", 30*mib)
		readFresh(t, c, read2)
		time.Sleep(5 * time.Second)
		if got := c.Stats().DiskUsed; got > 20*mib+64*kib {
			t.Errorf("%d KiB used of 20 MiB after a file larger than that", got/kib)
		}
	})
}

// TestFill brings files to the disk: durable when it returns, whatever was there before.
func TestFill(t *testing.T) {
	for _, size := range []int64{0, 100, 1536 * kib, 40*mib + 5} {
		synctest.Test(t, func(t *testing.T) {
			o := slowly()
			opt := Options{Dir: t.TempDir(), Memory: 16 * mib}
			c := newCache(t, opt)
			f := o.file("f", size).withMD5()
			r := c.Open(f)
			if size > mib {
				readAt(t, r, f, size/2, 100) // leaves a chunk without a head, which cannot be stored
			}
			last := int64(-1)
			if err := r.Fill(t.Context(), func(done int64) {
				if done <= last {
					t.Errorf("progress from %d to %d", last, done)
				}
				last = done
			}); err != nil {
				t.Fatalf("fill %d: %v", size, err)
			}
			if last != size && size > 0 || !c.Complete("f") {
				t.Errorf("filled %d of %d, complete: %v", last, size, c.Complete("f"))
			}
			if over := o.bytes() - size; over > chunkSize {
				t.Errorf("%d bytes more than the file fetched", over)
			}
			file, ok := r.File()
			if !ok {
				t.Fatal("no file after fill")
			}
			p := make([]byte, size)
			if _, err := file.ReadAt(p, 0); err != nil {
				t.Error(err)
			}
			if err := f.check(p, 0); err != nil {
				t.Error(err)
			}
			r.Close()
		})
	}
}

// TestFillEnds tells why it could not.
func TestFillEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir()})
		r := c.Open(o.file("f", 100*mib))
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		if err := r.Fill(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("fill with an ended context: %v", err)
		}
		breakDisk(t, c, unix.EIO)
		if err := r.Fill(t.Context(), nil); !errors.Is(err, unix.EIO) {
			t.Errorf("fill of a broken disk: %v", err)
		}
		c2 := newCache(t, Options{})
		r2 := c2.Open(o.file("f", 100))
		defer r2.Close()
		if err := r2.Fill(t.Context(), nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("fill without a disk: %v", err)
		}
	})
}

// TestTwoProcesses shares a folder between two caches, as two mounts do.
func TestTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		opt := Options{Dir: t.TempDir()}
		a, b := newCache(t, opt), newCache(t, opt)
		f := o.file("f", 8*mib)
		ra := a.Open(f)
		readAt(t, ra, f, 0, 128*kib) // the first request and no more
		time.Sleep(3 * time.Second)
		// The second one sees what is stored, but cannot store as long as the first has the file open.
		before := o.bytes()
		rb := b.Open(f)
		readAt(t, rb, f, 0, 128*kib)
		if o.bytes() != before {
			t.Error("what the first process stored was fetched again")
		}
		readAll(t, rb, f, 128*kib)
		if err := rb.Fill(t.Context(), nil); !errors.Is(err, errOtherProcess) {
			t.Errorf("fill beside another process: %v", err)
		}
		readAll(t, ra, f, 128*kib)
		ra.Close()
		rb.Close()
		time.Sleep(3 * time.Second)
		before = o.bytes()
		readFresh(t, b, f)
		if o.bytes() != before || !b.Complete("f") {
			t.Error("the second process does not have the complete file")
		}
		// Nobody deletes what another one has open.
		ra = a.Open(f)
		if rep, err := b.Clear(t.Context()); err != nil || rep.Busy != 1 {
			t.Errorf("clear: %+v, %v; want one busy object", rep, err)
		}
		readAll(t, ra, f, 128*kib)
		ra.Close()
		if rep, err := b.Clear(t.Context()); err != nil || rep.Removed != 1 {
			t.Errorf("clear: %+v, %v; want one removed", rep, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		// The end of one is no crash to the other.
		epoch := a.disk.epoch
		if got := newCache(t, opt).disk.epoch; got != epoch {
			t.Errorf("epoch %d after a clean end, want %d", got, epoch)
		}
	})
}

// TestMakeDir makes folders for us alone, and says what is in the way.
func TestMakeDir(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 { // the second time they are there
		if err := MakeDir(deep); err != nil {
			t.Fatal(err)
		}
	}
	for path := deep; path != dir; path = filepath.Dir(path) {
		if st, err := os.Stat(path); err != nil || st.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s: %v, %v", path, st, err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "a")} {
		if err := MakeDir(path); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("%s: %v, want ENOTDIR", path, err)
		}
	}
}
