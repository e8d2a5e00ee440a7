package cache

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pages is a kernel's page cache: it holds what was announced, asks for the rest in reads of 128 KiB, and reads ahead as
// much, as a mount of an ordinary user does.
type pages struct {
	t     *testing.T
	f     *file
	r     *Reader
	mu    sync.Mutex
	have  []bool
	reads int
}

func newPages(t *testing.T, c *Cache, f *file) *pages {
	p := &pages{t: t, f: f, r: c.Open(f), have: make([]bool, (f.size+pageSize-1)/pageSize)}
	p.r.Announce(p.push)
	return p
}

func (p *pages) push(off int64, b []byte) {
	if err := p.f.check(b, off); err != nil {
		p.t.Error(err)
	}
	end := off + int64(len(b))
	if off%pageSize != 0 || end%pageSize != 0 && end != p.f.size || end > p.f.size {
		p.t.Errorf("announced [%d, %d) of %d: not whole pages", off, end, p.f.size)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := off / pageSize; i*pageSize < end; i++ {
		if p.have[i] {
			p.t.Errorf("page %d announced twice, or after it was read", i)
		}
		p.have[i] = true
	}
}

// read makes sure that the pages of [off, off+n) are there.
func (p *pages) read(off, n int64) {
	for i := off / pageSize; i*pageSize < min(off+n, p.f.size); i++ {
		p.mu.Lock()
		first := i
		for i < int64(len(p.have)) && i < first+32 && !p.have[i] {
			i++
		}
		p.mu.Unlock()
		if i == first {
			continue
		}
		p.reads++
		readAt(p.t, p.r, p.f, first*pageSize, int((i-first)*pageSize))
		p.mu.Lock()
		for k := first; k < i; k++ {
			p.have[k] = true
		}
		p.mu.Unlock()
		i--
	}
}

// TestAnnounce reads through a page cache: most pages are there before they are asked for, the reader is still seen to
// advance, and the wire is as busy as without.
func TestAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 256*mib-100)
		p := newPages(t, c, f)
		defer p.r.Close()
		start := time.Now()
		for off := int64(0); off < f.size; off += 128 * kib {
			p.read(off, 128*kib)
			time.Sleep(50 * time.Microsecond) // the program's own work: 2.6 GB/s
		}
		took := time.Since(start)
		t.Logf("%v, %d reads of %d", took, p.reads, f.size/(128*kib))
		if took > 750*time.Millisecond {
			t.Errorf("took %v, want 750 ms", took)
		}
		if p.reads > int(f.size/(128*kib))/3 {
			t.Errorf("%d reads, want a third of %d", p.reads, f.size/(128*kib))
		}
		if o.bytes() != f.size {
			t.Errorf("%d bytes moved, want %d", o.bytes(), f.size)
		}
	})
}

// TestAnnounceLess tells nothing to a receiver that reads ahead by itself.
func TestAnnounceLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 64*mib)
		for _, n := range []int64{128 * kib, mib} {
			r := c.Open(f)
			before := c.Stats().Announced
			r.Announce(func(int64, []byte) {})
			for off := int64(0); off < f.size; off += n {
				readAt(t, r, f, off, int(n))
				synctest.Wait()
			}
			r.Close()
			if got := c.Stats().Announced - before; (got > 0) != (n < announceLess) {
				t.Errorf("%d bytes announced to reads of %d", got, n)
			}
			c.Clear(t.Context())
		}
	})
}

// TestAnnounceSlow has a receiver that is never done: nobody waits for it but Close.
func TestAnnounceSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 64*mib)
		r := c.Open(f)
		release := make(chan struct{})
		var calls atomic.Int32
		r.Announce(func(int64, []byte) { calls.Add(1); <-release })
		readAll(t, r, f, 128*kib)
		if got := calls.Load(); got != 1 {
			t.Errorf("%d calls, want the first to be still running", got)
		}
		closed := make(chan struct{})
		go func() { r.Close(); close(closed) }()
		time.Sleep(time.Second)
		select {
		case <-closed:
			t.Error("Close did not wait for the call")
		default:
		}
		close(release)
		<-closed
		if got := calls.Load(); got != 1 {
			t.Errorf("%d calls, want none after Close", got)
		}
	})
}
