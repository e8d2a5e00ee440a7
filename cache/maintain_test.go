package cache

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// TestVerify finds what a disk has lost, and mends what can be.
func TestVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		opt := Options{Dir: t.TempDir()}
		c := newCache(t, opt)
		good, bad, part := o.file("good", 3*mib), o.file("bad", 3*mib), o.file("part", 9*mib)
		readFresh(t, c, good)
		r := c.Open(part)
		readAt(t, r, part, 0, mib)
		r.Close()
		time.Sleep(3 * time.Second)
		before := len(stored(t, opt.Dir, ".data"))
		readFresh(t, c, bad)
		time.Sleep(3 * time.Second)
		spoil(t, c.disk.nameOf("bad")+".data", 2*mib)
		spoil(t, c.disk.nameOf("part")+".data", 10)
		heard := 0
		rep, err := c.Verify(t.Context(), func(Report) { heard++ })
		if err != nil || rep.Objects != 3 || rep.Bad != 2 || rep.Removed != 1 || heard != 3 {
			t.Errorf("verify: %+v, %v; heard %d times", rep, err, heard)
		}
		if got := len(stored(t, opt.Dir, ".data")); got != before || c.Complete("bad") || !c.Complete("good") {
			t.Errorf("%d objects left, want %d", got, before)
		}
		c = restart(t, c, opt, false) // what memory has would hide it
		for _, f := range []*file{good, bad, part} {
			readFresh(t, c, f)
		}
		rep, err = c.Verify(t.Context(), nil)
		if err != nil || rep.Bad != 0 {
			t.Errorf("verify again: %+v, %v", rep, err)
		}
	})
}

// TestOnlyOurs leaves alone what others put into the folder.
func TestOnlyOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := newCache(t, Options{Dir: dir, Disk: 1})
		readFresh(t, c, slowly().file("f", mib))
		time.Sleep(5 * time.Second)
		foreign := []string{"notes.txt", "objects/notes.txt", "objects/aa/notes.data", "objects/zz/" + strings.Repeat("0", 62) + ".data"}
		for _, name := range foreign {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Clear(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := c.Prune(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := c.Verify(t.Context(), nil); err != nil {
			t.Error(err)
		}
		for _, name := range foreign {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestSpool stores bodies of unknown length.
func TestSpool(t *testing.T) {
	for _, dir := range []string{"", "disk"} {
		synctest.Test(t, func(t *testing.T) {
			opt := Options{}
			if dir != "" {
				opt.Dir = t.TempDir()
			}
			o := &origin{}
			c := newCache(t, opt)
			for _, size := range []int64{0, 1, chunkSize, 3*mib + 17} {
				f := o.file(fmt.Sprintf("f%d", size), size)
				p := make([]byte, size)
				content(f.seed, p, 0)
				n, err := c.Spool(t.Context(), f.key, iotest.HalfReader(bytes.NewReader(p)), 10*mib)
				if n != size || err != nil {
					t.Errorf("spool of %d: %d, %v", size, n, err)
				}
				if got := c.Complete(f.key); got != (dir != "") {
					t.Errorf("complete: %v with folder %q", got, dir)
				}
				synctest.Wait()
				readFresh(t, c, f)
			}
			if got := len(o.seen()); got != 0 {
				t.Errorf("%d requests for what was spooled", got)
			}
			_, err := c.Spool(t.Context(), "long", bytes.NewReader(make([]byte, 2*mib)), 2*mib-1)
			if !errors.Is(err, ErrTooLarge) || c.Complete("long") {
				t.Errorf("spool beyond its limit: %v", err)
			}
			_, err = c.Spool(t.Context(), "broken", iotest.ErrReader(errFake), 2*mib)
			if !errors.Is(err, errFake) {
				t.Errorf("spool of a broken body: %v", err)
			}
			if dir != "" {
				if left, _ := filepath.Glob(filepath.Join(opt.Dir, "spool-*")); len(left) != 0 {
					t.Errorf("left behind: %v", left)
				}
			}
		})
	}
}
