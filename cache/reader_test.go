package cache

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestReadsWhatIsThere(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		synctest.Test(t, func(t *testing.T) {
			o := &origin{latency: 40 * time.Millisecond}
			c := newCache(t, Options{Dir: dir})
			for _, size := range []int64{0, 1, 4096, chunkSize - 1, chunkSize, chunkSize + 1, 1536 << 10, 3<<20 + 17, 20 << 20} {
				f := o.file("f", size)
				f.key = f.key + string(rune('a'+len(o.seen())))
				r := c.Open(f)
				readAll(t, r, f, 128<<10)
				readAt(t, r, f, size, 10)
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				synctest.Wait()
			}
			if got := c.Stats().InUse; got != 0 {
				t.Errorf("%d bytes in use after all readers closed, want 0", got)
			}
		})
	}
}

// TestColdRead measures, in simulated time, setting A: 40 ms to the first byte, 80 ms more for a new connection, 50 MB/s for
// each.
func TestColdRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{latency: 40 * time.Millisecond, connect: 80 * time.Millisecond, rate: 50e6}
		c := newCache(t, Options{})
		f := o.file("f", 256<<20)
		r := c.Open(f)
		start := time.Now()
		readAll(t, r, f, 128<<10)
		took := time.Since(start)
		one := 120*time.Millisecond + time.Duration(float64(f.size)/50e6*1e9)
		t.Logf("%v, one connection %v: %.1f times as fast; %d requests, at most %d at once, %.1f MiB moved",
			took, one, float64(one)/float64(took), len(o.seen()), o.most, float64(o.bytes())/(1<<20))
		if one < 8*took {
			t.Errorf("took %v, want an eighth of %v", took, one)
		}
		r.Close()
		if o.bytes() != f.size {
			t.Errorf("%d bytes moved of a file of %d", o.bytes(), f.size)
		}
		if o.most > 16 {
			t.Errorf("%d requests at once, want 16", o.most)
		}
	})
}

// TestSharedLine reads over a line that one connection fills: many would make the reader wait for what it wants next, so
// they are given up once that is known. All of it still comes as fast as the line goes.
func TestSharedLine(t *testing.T) {
	for _, line := range []int64{2e6, 12.5e6, 60e6} {
		synctest.Test(t, func(t *testing.T) {
			o := &origin{latency: 40 * time.Millisecond, connect: 80 * time.Millisecond, line: line}
			c := newCache(t, Options{})
			ideal := func(n int64) time.Duration { return time.Duration(float64(n) / float64(line) * 1e9) }
			for i, factor := range []float64{5, 2.2, 2.2} {
				f := o.file(string(rune('a'+i)), 400*mib)
				r := c.Open(f)
				start := time.Now()
				for off := int64(0); off < 5*mib; off += 128 * kib {
					readAt(t, r, f, off, 128*kib)
				}
				took := time.Since(start)
				t.Logf("line %.1f MB/s, file %d: first 5 MiB in %v, at best %v; advice %+v", float64(line)/1e6, i, took, ideal(5*mib), c.meter.advise())
				if float64(took) > factor*float64(ideal(5*mib))+0.2e9 {
					t.Errorf("file %d: first 5 MiB took %v over a line that needs %v", i, took, ideal(5*mib))
				}
				r.Close()
				time.Sleep(time.Minute)
			}
			f := o.file("whole", 64*mib)
			r := c.Open(f)
			defer r.Close()
			start := time.Now()
			readAll(t, r, f, 128*kib)
			took := time.Since(start)
			t.Logf("whole file %v, at best %v", took, ideal(f.size))
			if float64(took) > 1.1*float64(ideal(f.size))+0.2e9 {
				t.Errorf("whole file took %v over a line that needs %v", took, ideal(f.size))
			}
		})
	}
}

// TestLateReads has the kernel's reads of what all others left behind long ago: they find it, with and without a disk.
func TestLateReads(t *testing.T) {
	for _, dir := range []string{"", "disk"} {
		synctest.Test(t, func(t *testing.T) {
			opt := Options{}
			if dir != "" {
				opt.Dir = t.TempDir()
			}
			o := &origin{latency: time.Millisecond}
			c := newCache(t, opt)
			f := o.file("f", 64*mib)
			r := c.Open(f)
			defer r.Close()
			for off := int64(0); off < f.size; off += mib {
				readAt(t, r, f, off, mib)
				readAt(t, r, f, max(0, off-3*mib), 128*kib)
			}
			if o.bytes() != f.size {
				t.Errorf("%d bytes moved of a file of %d", o.bytes(), f.size)
			}
		})
	}
}
