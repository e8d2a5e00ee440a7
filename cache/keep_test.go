package cache

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// keep keeps f.
func keep(t *testing.T, c *Cache, f *file) {
	t.Helper()
	r := c.Open(f)
	defer r.Close()
	if err := r.Keep(t.Context(), nil); err != nil {
		t.Fatalf("keep %s: %v", f.key, err)
	}
	if !c.Kept(f.key) {
		t.Fatalf("%s was kept, and is not", f.key)
	}
}

// TestKeep: what is kept is apart from the cache, outlives it, and costs each byte once.
func TestKeep(t *testing.T) {
	for _, size := range []int64{0, 100, 1536 * kib, 40*mib + 5, 70 * mib} {
		for name, opt := range map[string]Options{
			"by the disk tier":   {Dir: t.TempDir()},
			"tier too small":     {Dir: t.TempDir(), Disk: 1},
			"without a tier":     {},
			"tier full":          {Dir: t.TempDir(), Memory: 16 * mib},
			"tier elsewhere":     {Dir: t.TempDir()},
			"part is there":      {Dir: t.TempDir()},
			"in use meanwhile":   {Dir: t.TempDir()},
			"by a damaged tier":  {Dir: t.TempDir()},
			"with a rate":        {Dir: t.TempDir(), KeptRate: 10 * mib},
			"left by a dead one": {Dir: t.TempDir()},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := slowly()
					opt.KeptDir = t.TempDir()
					part := (&vault{disk: &disk{dir: opt.KeptDir}}).nameOf("f")
					if name == "left by a dead one" {
						os.MkdirAll(filepath.Dir(part), 0o700)
						for _, ext := range []string{".part", ".data"} {
							if err := os.WriteFile(part+ext, []byte("half of it"), 0o600); err != nil {
								t.Fatal(err)
							}
						}
					}
					c := newCache(t, opt)
					f := o.file("f", size).withMD5()
					r := c.Open(f)
					switch name {
					case "tier full":
						c.disk.pwrite = func(*os.File, [][]byte, int64) error { return unix.ENOSPC }
					case "by a damaged tier":
						c.disk.pwrite = func(*os.File, [][]byte, int64) error { return unix.EIO }
					case "tier elsewhere": // no link can be made
						readFresh(t, c, f)
						time.Sleep(3 * time.Second)
						os.Remove(c.disk.nameOf("f") + ".data")
					case "part is there":
						readAt(t, r, f, size/2, int(size/4))
					}
					last, began, before := int64(-1), time.Now(), o.bytes()
					if err := r.Keep(t.Context(), func(done int64) { last = done }); err != nil {
						t.Fatal(err)
					}
					if last != size || !c.Kept("f") || !c.Complete("f") {
						t.Errorf("kept %d of %d bytes; kept %v, complete %v", last, size, c.Kept("f"), c.Complete("f"))
					}
					if rate := opt.KeptRate; rate > 0 && size > 2*rate && time.Since(began) < time.Duration(size/rate-1)*time.Second {
						t.Errorf("%d bytes came in %v, at %d in a second at most", size, time.Since(began), rate)
					}
					if more := o.bytes() - before; more > size+chunkSize {
						t.Errorf("%d bytes were fetched for %d", more, size)
					}
					if name == "in use meanwhile" {
						readAll(t, r, f, 128*kib)
					}
					if file, ok := r.File(); !ok || !strings.HasPrefix(file.Name(), opt.KeptDir) {
						t.Error("the reader does not use the kept file")
					}
					if err := r.Keep(t.Context(), nil); err != nil {
						t.Errorf("keep again: %v", err)
					}
					r.Close()
					if _, err := c.Clear(t.Context()); err != nil {
						t.Error(err)
					}
					if s := c.Stats(); s.KeptFiles != 1 || s.Kept < size || s.Kept > size+64*kib || s.DiskUsed != 0 {
						t.Errorf("stats: %d files of %d bytes kept, %d in the cache", s.KeptFiles, s.Kept, s.DiskUsed)
					}
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
					if opt.Dir != "" { // cleaners do this
						if err := os.RemoveAll(opt.Dir); err != nil {
							t.Fatal(err)
						}
					}
					before = o.bytes()
					c = newCache(t, opt)
					if rep, err := c.Verify(t.Context(), nil); err != nil || rep.Kept != 1 || rep.Bad != 0 {
						t.Errorf("verify: %+v, %v", rep, err)
					}
					readFresh(t, c, f)
					synctest.Wait()
					if s := c.Stats(); s.KeptFiles != 1 || s.Kept < size {
						t.Errorf("after a restart: %d files of %d bytes kept", s.KeptFiles, s.Kept)
					}
					if more := o.bytes() - before; more != 0 {
						t.Errorf("%d bytes were fetched of a kept file", more)
					}
					if err := c.Forget("f"); err != nil {
						t.Fatal(err)
					}
					if s := c.Stats(); c.Complete("f") || s.KeptFiles != 0 || s.Kept != 0 {
						t.Errorf("forgotten: complete %v, %d files of %d bytes kept", c.Complete("f"), s.KeptFiles, s.Kept)
					}
					if left := stored(t, opt.KeptDir, ""); len(left) > 0 {
						t.Errorf("left behind: %v", left)
					}
					readFresh(t, c, f)
				})
			})
		}
	}
}

// TestKeepWrong: a file that is not what its MD5 says is not kept, however it comes.
func TestKeepWrong(t *testing.T) {
	for _, dir := range []string{"", "tier"} {
		for _, size := range []int64{mib, sumLimit + mib} {
			synctest.Test(t, func(t *testing.T) {
				o := slowly()
				opt := Options{KeptDir: t.TempDir()}
				if dir != "" {
					opt.Dir = t.TempDir()
				}
				c := newCache(t, opt)
				f := o.file("f", size).withMD5()
				o.fault = func(req *request) error { req.damage = true; return nil }
				r := c.Open(f)
				defer r.Close()
				if err := r.Keep(t.Context(), nil); !errors.Is(err, ErrMismatch) || c.Kept("f") {
					t.Errorf("keep of a wrong file: %v; kept %v", err, c.Kept("f"))
				}
				o.fault = nil
				keep(t, c, f)
				readFresh(t, c, f)
			})
		}
	}
}

// TestKeepFull: at the limits nothing more is kept, what is kept stays, and room is used again.
func TestKeepFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir(), KeptDir: t.TempDir(), Kept: 10 * mib})
		keep(t, c, o.file("a", 6*mib))
		r := c.Open(o.file("b", 6*mib))
		defer r.Close()
		before := o.bytes()
		if err := r.Keep(t.Context(), nil); !errors.Is(err, ErrFull) || !c.Kept("a") {
			t.Errorf("keep beyond the limit: %v, want ErrFull", err)
		}
		if more := o.bytes() - before; more > 0 {
			t.Errorf("%d bytes fetched of a file that there is no room for", more)
		}
		if err := c.Forget("a"); err != nil {
			t.Fatal(err)
		}
		if err := r.Keep(t.Context(), nil); err != nil {
			t.Errorf("keep with room again: %v", err)
		}
		c.vault.space = func() (int64, int64, error) { return 100 << 30, 10<<30 + 2*mib, nil }
		time.Sleep(2 * time.Second)
		small := c.Open(o.file("c", 3*mib))
		defer small.Close()
		if err := small.Keep(t.Context(), nil); !errors.Is(err, ErrFull) {
			t.Errorf("keep into the reserve of the disk: %v, want ErrFull", err)
		}
		c.vault.space = func() (int64, int64, error) { return 100 << 30, 11 << 30, nil }
		time.Sleep(2 * time.Second)
		if err := small.Keep(t.Context(), nil); err != nil {
			t.Errorf("keep with the reserve restored: %v", err)
		}
	})
}

// TestKeepDiskFails: a disk that has no room, whatever its figures say, or fails for a while, is tried again; that there is
// no room is told as such.
func TestKeepDiskFails(t *testing.T) {
	for _, test := range []struct {
		of   error
		full bool
	}{{unix.ENOSPC, true}, {unix.EDQUOT, true}, {unix.EIO, false}, {unix.EROFS, false}} {
		synctest.Test(t, func(t *testing.T) {
			c := newCache(t, Options{KeptDir: t.TempDir()})
			f := slowly().file("f", 3*mib)
			r := c.Open(f)
			defer r.Close()
			well := c.vault.pwrite
			c.vault.pwrite = func(*os.File, [][]byte, int64) error { return test.of }
			for range 5 {
				if err := r.Keep(t.Context(), nil); !errors.Is(err, test.of) || errors.Is(err, ErrFull) != test.full {
					t.Errorf("keep on a disk that says %v: %v", test.of, err)
				}
			}
			c.vault.pwrite = well
			keep(t, c, f)
		})
	}
}

// TestKeepAtOnce: many who keep the same, in two processes, bring it once.
func TestKeepAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		opt := Options{Dir: t.TempDir(), KeptDir: t.TempDir()}
		a, b := newCache(t, opt), newCache(t, opt)
		f := o.file("f", 9*mib)
		errs := make(chan error)
		for i := range 8 {
			go func() {
				r := []*Cache{a, b}[i%2].Open(f)
				defer r.Close()
				errs <- r.Keep(t.Context(), nil)
			}()
		}
		for range 8 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if got := o.bytes(); got > f.size+chunkSize {
			t.Errorf("%d bytes fetched of %d", got, f.size)
		}
		readFresh(t, a, f)
		readFresh(t, b, f)
		if left, _ := filepath.Glob(filepath.Join(opt.KeptDir, "objects", "*", "*.part")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// TestKeepDamaged: a kept file that the disk has spoiled is set aside, not served and not thrown away.
func TestKeepDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir(), KeptDir: t.TempDir()})
		f := o.file("f", 3*mib)
		keep(t, c, f)
		r := c.Open(f)
		defer r.Close()
		spoil(t, c.vault.nameOf("f")+".data", mib)
		rep, err := c.Verify(t.Context(), nil)
		if err != nil || rep.Bad != 1 || rep.Removed != 1 || c.Kept("f") {
			t.Errorf("verify: %+v, %v; kept %v", rep, err, c.Kept("f"))
		}
		readAll(t, r, f, 128*kib)
		if _, err := os.Stat(c.vault.nameOf("f") + ".bad"); err != nil {
			t.Errorf("what is left of it: %v", err)
		}
		if err := r.Keep(t.Context(), nil); err != nil {
			t.Errorf("keep again: %v", err)
		}
		readFresh(t, c, f)
	})
}

// TestKeepGivesWay: who reads is not slowed down by a file that is being kept.
func TestKeepGivesWay(t *testing.T) {
	took := func(keeping bool) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			o := slowly()
			o.line = 50 * mib // shared by all connections
			c := newCache(t, Options{Dir: t.TempDir(), KeptDir: t.TempDir()})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				if keeping {
					r := c.Open(o.file("kept", 400*mib))
					defer r.Close()
					r.Keep(ctx, nil)
				}
			}()
			time.Sleep(2 * time.Second)
			began := time.Now()
			readFresh(t, c, o.file("read", 100*mib))
			d = time.Since(began)
			cancel()
			<-done
		})
		return d
	}
	alone, beside := took(false), took(true)
	t.Logf("100 MiB took %v alone, %v beside a file that is being kept", alone, beside)
	if beside > alone*3/2 {
		t.Errorf("reading took %v beside a file that is being kept, %v alone", beside, alone)
	}
}

// A process that opens the folder while another one brings a file there lets
// it: what looks like a leftover may be complete a moment later.
func TestKeepBesideOpening(t *testing.T) {
	dir := t.TempDir()
	open := func() *vault {
		v, err := openVault(dir, 1<<30, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		v.count()
		return v
	}
	v := open()
	p, err := v.begin(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	// Half-way through place: the bytes have their name, the sidecar is to come.
	if err := os.WriteFile(p.name+".data", []byte("bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	open()
	if _, err := os.Stat(p.name + ".data"); err != nil {
		t.Errorf("a file on its way in was removed: %v", err)
	}
	p.drop()
	open()
	if _, err := os.Stat(p.name + ".data"); err == nil {
		t.Error("a leftover of a process that died is still there")
	}

	// Complete by now, although it was not when the folder was looked through.
	for _, ext := range []string{".data", ".meta"} {
		if err := os.WriteFile(p.name+ext, []byte("bytes"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v.tidy(entry{name: p.name, data: true})
	if _, err := os.Stat(p.name + ".data"); err != nil {
		t.Errorf("a file that came in meanwhile was removed: %v", err)
	}
}

// TestForgetSmall: small files give back no more of the disk than they took.
func TestForgetSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{Dir: t.TempDir(), KeptDir: t.TempDir()})
		keys := []string{"a", "b", "c", "d", "e"}
		for i, key := range keys {
			f := o.file(key, 1300)
			readFresh(t, c, f)
			if i%2 == 0 {
				keep(t, c, f)
			}
		}
		time.Sleep(5 * time.Second)
		for _, key := range keys {
			if err := c.Forget(key); err != nil {
				t.Error(err)
			}
		}
		if used, kept := c.disk.usedNow.Load(), c.vault.usedNow.Load(); used < 0 || kept < 0 {
			t.Errorf("%d bytes used and %d kept after all was forgotten", used, kept)
		}
	})
}
