package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowly is an origin as in setting A.
func slowly() *origin {
	return &origin{latency: 40 * time.Millisecond, connect: 80 * time.Millisecond, rate: 50e6}
}

// TestSharedFetch has many read the same bytes at once: they cross the wire once, and come as they arrive.
func TestSharedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 100*mib)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				r := c.Open(f)
				defer r.Close()
				readAt(t, r, f, 0, 64*kib)
			})
		}
		start := time.Now()
		wg.Wait()
		if got := len(o.seen()); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
		// 120 ms to the first byte and two reads of 32 KiB; the rest of the request is not waited for.
		if took := time.Since(start); took > 123*time.Millisecond {
			t.Errorf("took %v, want no longer than the first bytes need", took)
		}
	})
}

// TestWaiterLeaves ends the first caller's context: it leaves at once, and the second gets what the first began.
func TestWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 10*mib)
		r := c.Open(f)
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := r.ReadAt(ctx, make([]byte, 4096), 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that of the context", err)
		}
		if took := time.Since(start); took != 10*time.Millisecond {
			t.Errorf("left after %v, want 10 ms", took)
		}
		readAt(t, r, f, 0, 4096)
		if got := len(o.seen()); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
	})
}

// TestHeaders reads the first 64 KiB of 100 images of 1.5 MB: one request each, cancelled at the close.
func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		for i := range 100 {
			f := o.file("image"+string(rune('0'+i)), 1500e3)
			start := time.Now()
			r := c.Open(f)
			readAt(t, r, f, 0, 128*kib) // what the kernel makes of it
			if took := time.Since(start); i > 0 && took > 46*time.Millisecond {
				t.Errorf("image %d took %v, want 46 ms", i, took)
			}
			r.Close()
			synctest.Wait()
		}
		if got := len(o.seen()); got != 100 {
			t.Errorf("%d requests, want 100", got)
		}
		if got := o.bytes() / 100; got > 512*kib {
			t.Errorf("%d KiB moved for each, want 512", got/kib)
		}
		if s := c.Stats(); s.Cancelled != 100 || o.active != 0 {
			t.Errorf("%d fetches cancelled, %d running; want 100, 0", s.Cancelled, o.active)
		}
		// What came is not lost: the same headers once more cost nothing.
		for i := range 100 {
			f := o.file("image"+string(rune('0'+i)), 1500e3)
			r := c.Open(f)
			readAt(t, r, f, 0, 64*kib)
			r.Close()
		}
		if got := len(o.seen()); got != 100 {
			t.Errorf("%d requests after reading all headers again, want 100", got)
		}
	})
}

// TestWholeImage reads an image of 1.5 MB: one request, in the time that it takes.
func TestWholeImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("image", 1500e3)
		r := c.Open(f)
		defer r.Close()
		start := time.Now()
		readAll(t, r, f, 128*kib)
		if took := time.Since(start); took > 151*time.Millisecond {
			t.Errorf("took %v, want the 150 ms of one request", took)
		}
		if got := len(o.seen()); got != 1 || o.bytes() != f.size {
			t.Errorf("%d requests and %d bytes, want 1 and %d", got, o.bytes(), f.size)
		}
	})
}

// TestUnwanted closes a reader whose window is wide open: what has not come by then does not come, but for requests that
// are nearly done, whose connections are worth more.
func TestUnwanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 1<<30)
		r := c.Open(f)
		for off := int64(0); off < 4*mib; off += 128 * kib {
			readAt(t, r, f, off, 128*kib)
		}
		before := o.bytes()
		r.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		if o.active != 0 {
			t.Errorf("%d requests still running", o.active)
		}
		if more := o.bytes() - before; more > 16*finishBelow {
			t.Errorf("%d KiB moved after the close", more/kib)
		}
		if s := c.Stats(); s.InUse != 0 || s.InFlight != 0 {
			t.Errorf("after the close: %+v", s)
		}
	})
}

// TestSeekCancels reads on elsewhere: the window that was left is given up once both streams have moved on.
func TestSeekCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 1<<30)
		r := c.Open(f)
		defer r.Close()
		for off := int64(0); off < 2*mib; off += 128 * kib {
			readAt(t, r, f, off, 128*kib)
		}
		readAt(t, r, f, 600*mib, 4096)
		synctest.Wait()
		if o.active < 10 {
			t.Errorf("%d requests running beside a second stream, want the first stream's to go on", o.active)
		}
		readAt(t, r, f, 800*mib, 4096)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if o.active > 0 {
			t.Errorf("%d requests running after two far seeks, want none", o.active)
		}
	})
}

type laterError struct{ after time.Duration }

func (laterError) Error() string               { return "too many requests" }
func (e laterError) RetryAfter() time.Duration { return e.after }

type lastingError struct{}

func (lastingError) Error() string   { return "forbidden" }
func (lastingError) Permanent() bool { return true }

// TestFaults has each fault once, in a file of 1 MiB and one that is read in parts: no byte is wrong, and none comes twice
// that had arrived.
func TestFaults(t *testing.T) {
	tests := []struct {
		name  string
		fault func(q *request) error
		again int64 // bytes that may come a second time
	}{
		{"error instead of an answer", func(q *request) error { return errFake }, 0},
		{"error in the middle", func(q *request) error { q.failAt, q.failErr = 700*kib, errFake; return nil }, 0},
		{"body that ends early", func(q *request) error { q.length = 300 * kib; return nil }, 0},
		{"empty body", func(q *request) error { q.length = 0; return nil }, 0},
		{"body that goes on", func(q *request) error { q.length = q.n + 100; return nil }, 32 * kib},
		{"stall", func(q *request) error { q.hangAt, q.hang = 500*kib, true; return nil }, 0},
		{"stall before the first byte", func(q *request) error { <-q.ctx.Done(); return q.ctx.Err() }, 0},
		{"asked to come later", func(q *request) error { return laterError{20 * time.Second} }, 0},
	}
	for _, test := range tests {
		for _, size := range []int64{1 * mib, 40 * mib} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := slowly()
					o.fault = func(q *request) error {
						if q.number%2 == 0 && q.number < 20 {
							return test.fault(q)
						}
						return nil
					}
					c := newCache(t, Options{})
					f := o.file("f", size)
					r := c.Open(f)
					defer r.Close()
					readAll(t, r, f, 128*kib)
					more := o.bytes() - size
					if most := test.again * 20; more > most {
						t.Errorf("%d KiB more than the file came over the wire, want %d", more/kib, most/kib)
					}
				})
			})
		}
	}
}

// TestRetryAfter is not impatient.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		o.fault = func(q *request) error {
			if q.number == 0 {
				return laterError{20 * time.Second}
			}
			return nil
		}
		c := newCache(t, Options{})
		f := o.file("f", 1000)
		r := c.Open(f)
		defer r.Close()
		start := time.Now()
		readAt(t, r, f, 0, 1000)
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("took %v, want 20 s", took)
		}
	})
}

// TestLastingFaults ends reads that cannot succeed: at once, after the tries, or after the longest time that a read may take.
func TestLastingFaults(t *testing.T) {
	tests := []struct {
		name     string
		fault    error
		want     error
		requests int
		longest  time.Duration
	}{
		{"gone", ErrGone, ErrGone, 1, 0},
		{"permanent", lastingError{}, lastingError{}, 1, 0},
		{"temporary", errFake, errFake, 6, 12 * time.Second},
		{"always later", laterError{29 * time.Second}, os.ErrDeadlineExceeded, 4, 90 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The answer takes a moment, or a request could have failed before its reader waits for it.
				o := &origin{latency: time.Millisecond, fault: func(*request) error { return test.fault }}
				c := newCache(t, Options{})
				r := c.Open(o.file("f", 10*mib))
				start := time.Now()
				_, err := r.ReadAt(t.Context(), make([]byte, 4096), 0)
				took := time.Since(start)
				if !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if took > test.longest+6*o.latency {
					t.Errorf("took %v, want %v", took, test.longest)
				}
				r.Close()
				synctest.Wait()
				if got := len(o.seen()); got != test.requests {
					t.Errorf("%d requests, want %d", got, test.requests)
				}
				// A failure is not remembered.
				o.fault = nil
				f := o.file("f", 10*mib)
				r = c.Open(f)
				defer r.Close()
				readAt(t, r, f, 0, 4096)
			})
		})
	}
}

// TestHangingForever gives up a source that never answers, in bounded time, and ends its goroutines.
func TestHangingForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{fault: func(q *request) error { <-q.ctx.Done(); return q.ctx.Err() }}
		c := newCache(t, Options{})
		r := c.Open(o.file("f", 10*mib))
		start := time.Now()
		_, err := r.ReadAt(t.Context(), make([]byte, 4096), 0)
		if took := time.Since(start); took > 90*time.Second {
			t.Errorf("took %v, want 90 s at most", took)
		}
		if err == nil {
			t.Error("no error")
		}
		r.Close()
		synctest.Wait()
		if o.active != 0 {
			t.Errorf("%d requests still running", o.active)
		}
	})
}

// TestClosed answers reads on closed readers and caches, waiting ones too.
func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{latency: time.Second}
		c := newCache(t, Options{})
		f := o.file("f", 10*mib)
		r := c.Open(f)
		readAt(t, r, f, 0, 10)
		r.Close()
		if _, err := r.ReadAt(t.Context(), make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
			t.Errorf("read of a closed reader: %v, want ErrClosed", err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
		r = c.Open(f)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.ReadVec(t.Context(), 5*mib, 100); !errors.Is(err, ErrClosed) {
				t.Errorf("read while the cache closes: %v, want ErrClosed", err)
			}
		})
		time.Sleep(time.Millisecond)
		c.Close()
		wg.Wait()
		if _, err := c.Open(f).ReadAt(t.Context(), make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
			t.Errorf("read from a closed cache: %v, want ErrClosed", err)
		}
	})
}

// TestDemandFirst keeps all connections busy with reading ahead: a read elsewhere gets one at once.
func TestDemandFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		for i := range 4 {
			f := o.file("big"+string(rune('0'+i)), 1<<30)
			r := c.Open(f)
			defer r.Close()
			for off := int64(0); off < 1*mib; off += 128 * kib {
				readAt(t, r, f, off, 128*kib)
			}
		}
		if s := c.Stats(); s.Queued == 0 {
			t.Fatalf("no fetch waits for a connection: %+v", s)
		}
		f := o.file("small", 1*mib)
		r := c.Open(f)
		defer r.Close()
		start := time.Now()
		readAt(t, r, f, 0, 64*kib)
		if took := time.Since(start); took > 46*time.Millisecond {
			t.Errorf("took %v beside readers ahead, want 46 ms", took)
		}
		if o.most > 32 {
			t.Errorf("%d requests at once, want 32 at most", o.most)
		}
	})
}

// TestReadEdges reads at and beyond the ends.
func TestReadEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Options{})
		f := (&origin{}).file("f", 1000)
		r := c.Open(f)
		defer r.Close()
		ctx := t.Context()
		for _, test := range []struct {
			off  int64
			n    int
			want int
			err  error
		}{{0, 1000, 1000, nil}, {0, 1001, 1000, io.EOF}, {990, 20, 10, io.EOF}, {1000, 1, 0, io.EOF}, {2000, 5, 0, io.EOF}, {500, 0, 0, nil}} {
			n, err := r.ReadAt(ctx, make([]byte, test.n), test.off)
			if n != test.want || err != test.err {
				t.Errorf("read %d at %d: %d, %v; want %d, %v", test.n, test.off, n, err, test.want, test.err)
			}
			vec, err := r.ReadVec(ctx, test.off, test.n)
			n = 0
			for _, b := range vec {
				n += len(b)
			}
			if n != test.want || err != nil {
				t.Errorf("read vector of %d at %d: %d, %v; want %d, nil", test.n, test.off, n, err, test.want)
			}
		}
		if _, err := r.ReadAt(ctx, make([]byte, 1), -1); err == nil {
			t.Error("negative offset is no error")
		}
	})
}

// TestHedge has a connection that swallows its request: a second one answers instead. A host that is slow to answer anything
// is not asked twice for everything.
func TestHedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		o.fault = func(q *request) error {
			if q.number == 0 {
				<-q.ctx.Done()
				return q.ctx.Err()
			}
			return nil
		}
		c := newCache(t, Options{})
		f := o.file("f", 1*mib)
		r := c.Open(f)
		defer r.Close()
		start := time.Now()
		readAt(t, r, f, 0, 64*kib)
		if took := time.Since(start); took > hedgeAfter+200*time.Millisecond {
			t.Errorf("took %v, want little more than %v", took, hedgeAfter)
		}
		synctest.Wait()
		if o.active > 1 || c.Stats().Hedged != 1 {
			t.Errorf("%d requests running, %d hedged; want the loser to be cancelled", o.active, c.Stats().Hedged)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		o := &origin{latency: 3 * time.Second}
		c := newCache(t, Options{})
		for i := range 100 {
			f := o.file(fmt.Sprint(i), 64*kib)
			r := c.Open(f)
			readAt(t, r, f, 0, 64*kib)
			r.Close()
		}
		if got := len(o.seen()); got > 100+hedgeFirst+100/hedgePart+1 {
			t.Errorf("%d requests for 100 files of a slow host", got)
		}
	})
}

// TestDeafSource never returns from Fetch, whatever its context says: readers still leave in time.
func TestDeafSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hear := make(chan struct{})
		o := &origin{fault: func(q *request) error { <-hear; return errFake }}
		c := newCache(t, Options{})
		r := c.Open(o.file("f", mib))
		start := time.Now()
		if _, err := r.ReadAt(t.Context(), make([]byte, 1), 0); err == nil {
			t.Error("no error")
		}
		if took := time.Since(start); took > 90*time.Second {
			t.Errorf("took %v, want 90 s at most", took)
		}
		r.Close()
		close(hear)
	})
}

// TestLongReads reads as the kernel does for root, by half megabytes, several of them at once: those that wait for their second
// half while others go on are still the same stream.
func TestLongReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		f := o.file("f", 64*mib)
		r := c.Open(f)
		defer r.Close()
		readAt(t, r, f, 0, 256*kib)
		turns := make(chan struct{}, 4)
		var wg sync.WaitGroup
		for off := int64(256 * kib); off < f.size; off += 512 * kib {
			turns <- struct{}{}
			wg.Go(func() {
				readAt(t, r, f, off, int(min(512*kib, f.size-off)))
				<-turns
			})
			synctest.Wait() // until it waits: the kernel sends them in order
		}
		wg.Wait()
		if s := c.Stats(); s.Cancelled != 0 || o.bytes() != f.size || r.win.streams[1].live {
			t.Errorf("%d fetches cancelled, %d bytes moved for %d, streams %+v", s.Cancelled, o.bytes(), f.size, r.win.streams)
		}
	})
}

// TestReadDuringClose reads on in order, as one who fills holes does, while the cache ends and begins no fetch any more.
func TestReadDuringClose(t *testing.T) {
	c := newCache(t, Options{})
	f := (&origin{}).file("f", 1<<30) // more than is read ahead meanwhile
	r := c.Open(f)
	defer r.Close()
	readAt(t, r, f, 0, 2*mib)
	c.stop(ErrClosed)
	c.endMu.Lock()
	c.ended = true
	c.endMu.Unlock()
	var err error
	for off := int64(2 * mib); err == nil && off < f.Size(); off += mib {
		_, err = r.ReadAt(t.Context(), make([]byte, mib), off)
	}
	if !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want %v", err, ErrClosed)
	}
}
