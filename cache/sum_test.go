package cache

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestWrongMD5 has a file whose bytes are damaged on the way: its end is never given out, nothing of it stays, and the next
// read fetches it anew.
func TestWrongMD5(t *testing.T) {
	for _, dir := range []string{"", "disk"} {
		for _, size := range []int64{3 * mib, 40*mib + 17} {
			t.Run(fmt.Sprintf("%d,%s", size, dir), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					opt := Options{}
					if dir != "" {
						opt.Dir = t.TempDir()
					}
					o := slowly()
					c := newCache(t, opt)
					f := o.file("f", size).withMD5()
					o.fault = func(q *request) error { q.damage = q.number == 0; return nil }
					r := c.Open(f)
					defer r.Close()
					var err error
					for off := int64(0); off < f.size && err == nil; off += 128 * kib {
						_, err = r.ReadVec(t.Context(), off, 128*kib)
					}
					if !errors.Is(err, ErrMismatch) {
						t.Errorf("end of a damaged file: %v, want ErrMismatch", err)
					}
					if got := c.Stats().BadFiles; got != 1 {
						t.Errorf("%d bad files, want 1", got)
					}
					readAll(t, r, f, 128*kib)
					time.Sleep(5 * time.Second)
					if c.Complete("f") != (dir != "") {
						t.Error("the good copy is not stored")
					}
				})
			})
		}
	}
}

// TestWrongMD5Later has readers that are in the middle of the file when it turns out to be wrong: what they read next is
// right, but what they have is not, and each of them must be told.
func TestWrongMD5Later(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir()})
		f := o.file("f", mib).withMD5()
		o.fault = func(q *request) error { q.damage = q.number == 0; return nil }
		var readers []*Reader
		for range 3 {
			r := c.Open(f)
			defer r.Close()
			readers = append(readers, r)
		}
		for _, r := range readers[:2] {
			if _, err := r.ReadVec(t.Context(), 0, 128*kib); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		readAll(t, readers[2], f, 128*kib) // it was given nothing before
		for i, r := range readers[:2] {
			if _, err := r.ReadVec(t.Context(), 128*kib, 128*kib); !errors.Is(err, ErrMismatch) {
				t.Errorf("reader %d goes on reading after a mismatch: %v, want ErrMismatch", i, err)
			}
			readAll(t, r, f, 128*kib)
		}
	})
}

// TestWrongMD5WhileWriting has the first chunks on their way into a new file on the disk when they turn out to be wrong.
func TestWrongMD5WhileWriting(t *testing.T) {
	o := &origin{}
	c := newCache(t, Options{Dir: t.TempDir()})
	f := o.file("f", mib).withMD5()
	o.fault = func(q *request) error { q.damage = q.number == 0; return nil }
	r := c.Open(f)
	defer r.Close()
	r.o.store.flush.Lock() // the writer is held up before it makes the file
	_, err := r.ReadVec(t.Context(), 0, mib)
	r.o.store.flush.Unlock()
	if err != nil && !errors.Is(err, ErrMismatch) { // nil, if it was found out before any byte was given out
		t.Errorf("read of a damaged file: %v, want ErrMismatch", err)
	}
	if err := c.writer.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	readAll(t, r, f, 128*kib)
	if got := c.Stats().BadFiles; got != 1 {
		t.Errorf("%d times wrong, want once", got)
	}
}

// TestWrongMD5AtOnce reads the whole file in one call: nothing was given out before, so it is fetched again behind the
// reader's back; but not for ever.
func TestWrongMD5AtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir()})
		f := o.file("f", 200*kib).withMD5()
		o.fault = func(q *request) error { q.damage = q.number == 0; return nil }
		r := c.Open(f)
		defer r.Close()
		readAt(t, r, f, 0, 200*kib)
		if got := len(o.seen()); got != 2 {
			t.Errorf("%d requests, want 2", got)
		}
		o.fault = func(q *request) error { q.damage = true; return nil }
		g := o.file("g", 200*kib).withMD5()
		rg := c.Open(g)
		defer rg.Close()
		if _, err := rg.ReadVec(t.Context(), 0, 200*kib); !errors.Is(err, ErrMismatch) {
			t.Errorf("file that is always damaged: %v, want ErrMismatch", err)
		}
		if err := rg.Fill(t.Context(), nil); !errors.Is(err, ErrMismatch) {
			t.Errorf("fill of a file that is always damaged: %v, want ErrMismatch", err)
		}
	})
}

// TestWrongMD5Large is found out when the file is stored.
func TestWrongMD5Large(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir()})
		f := o.file("f", sumLimit+1).withMD5()
		o.fault = func(q *request) error { q.damage = q.number == 0; return nil }
		r := c.Open(f)
		for off := int64(0); off < f.size; off += mib {
			if _, err := r.ReadVec(t.Context(), off, mib); err != nil {
				t.Fatal(err)
			}
		}
		r.Close()
		time.Sleep(5 * time.Second)
		if c.Complete("f") || c.Stats().BadFiles != 1 {
			t.Errorf("complete %v, %d bad files; want false, 1", c.Complete("f"), c.Stats().BadFiles)
		}
		readFresh(t, c, f)
	})
}

// TestTailOfSummed reads only the end of a file with an MD5: nobody waits for the rest.
func TestTailOfSummed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 40*mib).withMD5()
		r := c.Open(f)
		defer r.Close()
		readAt(t, r, f, f.size-64*kib, 64*kib)
		readAt(t, r, f, 0, 64*kib)
		readAt(t, r, f, f.size-64*kib, 64*kib)
		if got := o.bytes(); got > 2*mib {
			t.Errorf("%d KiB moved for both ends", got/kib)
		}
	})
}
