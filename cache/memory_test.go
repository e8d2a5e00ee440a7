package cache

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// TestStreamThroughFullCache is the reason for the map of chunks in use: ristretto alone, full of another file, refuses
// newcomers, and a file of 64 chunks that is read in steps of an eighth is fetched hundreds of chunks long. Ours fetches each
// byte once.
func TestStreamThroughFullCache(t *testing.T) {
	const chunks = 64
	t.Run("ristretto alone", func(t *testing.T) {
		alone, err := ristretto.NewCache(&ristretto.Config[uint64, []byte]{
			NumCounters: 1e5, MaxCost: 16, BufferItems: 64, IgnoreInternalCost: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer alone.Close()
		for i := range uint64(16) {
			alone.Set(i, nil, 1)
		}
		alone.Wait()
		for range 500 {
			for i := range uint64(16) {
				alone.Get(i)
			}
			runtime.Gosched() // it counts in the background
		}
		fetched := 0
		for i := range uint64(chunks) {
			for range 8 {
				if _, ok := alone.Get(1000 + i); !ok {
					fetched++
					alone.Set(1000+i, nil, 1)
					alone.Wait()
				}
			}
		}
		t.Logf("%d chunks fetched for a file of %d", fetched, chunks)
		if fetched <= chunks && !raceEnabled {
			t.Errorf("ristretto alone fetched %d chunks of %d: the map in front of it has lost its reason", fetched, chunks)
		}
	})
	t.Run("ours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := &origin{}
			c := newCache(t, Options{Memory: 16 * mib})
			hot := o.file("hot", 16*mib)
			r := c.Open(hot)
			for range 5 {
				readAll(t, r, hot, 128*kib)
			}
			r.Close()
			before := o.bytes()
			f := o.file("f", chunks*chunkSize)
			r = c.Open(f)
			defer r.Close()
			readAll(t, r, f, chunkSize/8)
			if got := o.bytes() - before; got != f.size {
				t.Errorf("%d bytes fetched of a file of %d", got, f.size)
			}
		})
	})
}

// TestMemoryLimit has many readers on little memory. What is in use stays within the limit but for what readers wait for,
// and all of them come to their end.
func TestMemoryLimit(t *testing.T) {
	for _, memory := range []int64{1 * mib, 8 * mib, 32 * mib} {
		t.Run(fmt.Sprint(memory/mib), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := slowly()
				c := newCache(t, Options{Memory: memory})
				const readers = 8
				done := make(chan struct{})
				var most int64
				var wg, watch sync.WaitGroup
				watch.Go(func() {
					for {
						select {
						case <-done:
							return
						case <-time.After(5 * time.Millisecond):
							most = max(most, c.Stats().InUse)
						}
					}
				})
				for i := range readers {
					wg.Go(func() {
						f := o.file(fmt.Sprint(i), 20*mib)
						r := c.Open(f)
						defer r.Close()
						readAll(t, r, f, 128*kib)
					})
				}
				wg.Wait()
				close(done)
				watch.Wait()
				if limit := memory/4*3 + readers*2*mib; most > limit {
					t.Errorf("%d KiB in use, want %d", most/kib, limit/kib)
				}
				synctest.Wait() // a fetch wakes its readers before it gives back what it took
				if got := c.Stats().InUse; got != 0 {
					t.Errorf("%d bytes in use at the end", got)
				}
			})
		})
	}
}

// TestPausedReaders fills the memory for readers that then stop: another one gets it.
func TestPausedReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := slowly()
		c := newCache(t, Options{})
		var paused []*file
		var readers []*Reader
		for i := range 3 {
			f := o.file(fmt.Sprintf("paused %d", i), 1<<30)
			r := c.Open(f)
			defer r.Close()
			paused, readers = append(paused, f), append(readers, r)
			for off := int64(0); off < 2*mib; off += 128 * kib {
				readAt(t, r, f, off, 128*kib)
			}
			time.Sleep(10 * time.Second)
		}
		if got := c.Stats().InUse; got < 150*mib {
			t.Fatalf("%d MiB in use, want the paused readers' windows", got/mib)
		}
		f := o.file("f", 256*mib)
		r := c.Open(f)
		defer r.Close()
		start := time.Now()
		readAll(t, r, f, 128*kib)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v beside paused readers, want 2 s at most", took)
		}
		for i, r := range readers { // and they go on as fast as ever
			start := time.Now()
			for off := int64(2 * mib); off < 66*mib; off += 128 * kib {
				readAt(t, r, paused[i], off, 128*kib)
			}
			if took := time.Since(start); took > 700*time.Millisecond {
				t.Errorf("64 MiB took reader %d %v after its pause, want 0.7 s at most", i, took)
			}
		}
	})
}

// TestBudget is about the turns that are taken.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Int32
		b := &budget{limit: 100, full: func() { full.Add(1) }}
		no := func() bool { return false }
		const long = time.Hour
		ctx := t.Context()
		if err := b.take(ctx, 100, long, no, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.take(ctx, 50, long, func() bool { return true }, nil); err != nil {
			t.Fatal(err) // urgent ones do not wait
		}
		var order []string
		var mu sync.Mutex
		note := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, s)
		}
		kick := make(chan struct{}, 1)
		var urgent atomic.Bool
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { b.take(ctx, 60, long, no, nil); time.Sleep(time.Millisecond); note("first") })
		synctest.Wait()
		wg.Go(func() { b.take(ctx, 10, long, no, nil); time.Sleep(2 * time.Millisecond); note("second") })
		synctest.Wait()
		wg.Go(func() {
			if err := b.take(short, 10, long, no, nil); err != context.DeadlineExceeded {
				t.Errorf("take with an ended context: %v", err)
			}
		})
		wg.Go(func() { b.take(ctx, 30, long, urgent.Load, kick); note("urgent") })
		synctest.Wait()
		urgent.Store(true)
		kick <- struct{}{}
		synctest.Wait()
		b.give(70) // 110 of 100 used: nothing fits
		time.Sleep(2 * time.Second)
		b.give(80)
		synctest.Wait()
		wg.Wait()
		if got, want := fmt.Sprint(order), "[urgent first second]"; got != want {
			t.Errorf("order %v, want %v", got, want)
		}
		if b.inUse() != 100 || full.Load() != 4 {
			t.Errorf("%d in use and %d times full, want 100 and 4", b.inUse(), full.Load())
		}
	})
}

// TestSlots is about the turns for connections.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(8) // one is for urgent tickets only
		ctx := t.Context()
		for range 7 {
			if err := s.enter(ctx, &ticket{}); err != nil {
				t.Fatal(err)
			}
		}
		var order []string
		var wg sync.WaitGroup
		enter := func(name string, k *ticket) {
			wg.Go(func() {
				if s.enter(ctx, k) == nil {
					order = append(order, name)
				}
			})
			synctest.Wait()
		}
		later := &ticket{}
		enter("ahead", &ticket{})
		enter("promoted", later)
		if len(order) != 0 {
			t.Errorf("%v got the reserved slot", order)
		}
		enter("urgent", &ticket{urgent: true})
		enter("urgent too", &ticket{urgent: true})
		s.promote(later)
		if got := s.queued(); got != 3 {
			t.Errorf("%d in the queues, want 3", got)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := s.enter(short, &ticket{urgent: true}); err == nil {
			t.Error("got a slot where there was none")
		}
		for range 3 {
			s.leave()
			synctest.Wait()
		}
		if got, want := fmt.Sprint(order), "[urgent urgent too promoted]"; got != want {
			t.Errorf("order %v, want %v", got, want)
		}
		s.leave()
		wg.Wait()
		if s.queued() != 0 || s.free != 1 {
			t.Errorf("%d queued, %d free; want 0 and 1", s.queued(), s.free)
		}
	})
}
