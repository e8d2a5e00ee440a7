package cache

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// streamAll reads the whole file in steps, lending or copying.
func streamAll(b *testing.B, r *Reader, size int64, step int, lend bool) {
	p := make([]byte, step)
	for off := int64(0); off < size; off += int64(step) {
		if lend {
			if _, err := r.ReadVec(b.Context(), off, step); err != nil {
				b.Fatal(err)
			}
		} else if _, err := r.ReadAt(b.Context(), p, off); err != nil && err != io.EOF {
			b.Fatal(err)
		}
	}
}

// BenchmarkCold reads 1 GiB that nobody has read before, from an origin without delay: what is left is our own work and the
// copying of the fake body.
func BenchmarkCold(b *testing.B) {
	for _, disk := range []bool{false, true} {
		for _, lend := range []bool{false, true} {
			b.Run(fmt.Sprintf("disk=%v/lend=%v", disk, lend), func(b *testing.B) {
				const size = 1 << 30
				defer debug.SetMemoryLimit(debug.SetMemoryLimit(296 << 20))
				b.SetBytes(size)
				b.ReportAllocs()
				for range b.N {
					b.StopTimer()
					opt := Options{}
					if disk {
						opt.Dir = b.TempDir()
					}
					c := newCache(b, opt)
					o := &origin{piece: 64 << 10}
					f := o.file("f", size)
					b.StartTimer()
					r := c.Open(f)
					streamAll(b, r, size, 128<<10, lend)
					r.Close()
					b.StopTimer()
					s := c.Stats()
					b.ReportMetric(float64(s.Unwritten), "unwritten")
					c.Close()
					b.StartTimer()
				}
			})
		}
	}
}

// BenchmarkWarm reads 256 MiB that are complete on the disk.
func BenchmarkWarm(b *testing.B) {
	for _, lend := range []bool{false, true} {
		b.Run(fmt.Sprintf("lend=%v", lend), func(b *testing.B) {
			const size = 256 << 20
			c := newCache(b, Options{Dir: b.TempDir()})
			f := (&origin{}).file("f", size)
			r := c.Open(f)
			defer r.Close()
			if err := r.Fill(b.Context(), nil); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				streamAll(b, r, size, 128<<10, lend)
			}
		})
	}
}

// BenchmarkRandom reads 4 KiB at random places.
func BenchmarkRandom(b *testing.B) {
	const size = 64 << 20
	for _, disk := range []bool{false, true} {
		b.Run(fmt.Sprintf("disk=%v", disk), func(b *testing.B) {
			opt := Options{Memory: 1 << 30}
			if disk {
				opt = Options{Dir: b.TempDir()}
			}
			c := newCache(b, opt)
			f := (&origin{}).file("f", size)
			r := c.Open(f)
			defer r.Close()
			streamAll(b, r, size, 128<<10, false)
			if disk {
				if err := r.Fill(b.Context(), nil); err != nil {
					b.Fatal(err)
				}
			}
			rng := rand.New(rand.NewPCG(1, 1))
			p := make([]byte, 4096)
			for b.Loop() {
				if _, err := r.ReadAt(b.Context(), p, rng.Int64N(size/4096)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWire reads in real time at setting A: 40 ms to the first byte, 80 ms more for a new connection, 50 MB/s each.
func BenchmarkWire(b *testing.B) {
	const size = 256 << 20
	one := 120*time.Millisecond + time.Duration(float64(size)/50e6*1e9)
	for range b.N {
		c := newCache(b, Options{Dir: b.TempDir()})
		o := &origin{latency: 40 * time.Millisecond, connect: 80 * time.Millisecond, rate: 50e6}
		r := c.Open(o.file("f", size))
		start := time.Now()
		streamAll(b, r, size, 128<<10, true)
		b.ReportMetric(float64(one)/float64(time.Since(start)), "x-one-connection")
		r.Close()
		c.Close()
	}
}

// BenchmarkEight has eight readers stream a file each, and tells the most memory that the process had.
func BenchmarkEight(b *testing.B) {
	for _, disk := range []bool{false, true} {
		b.Run(fmt.Sprintf("disk=%v", disk), func(b *testing.B) {
			const size = 1 << 30
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(296 << 20))
			b.SetBytes(8 * size)
			var most uint64
			for range b.N {
				opt := Options{}
				if disk {
					opt.Dir = b.TempDir()
				}
				c := newCache(b, opt)
				stop := make(chan struct{})
				var watch, wg sync.WaitGroup
				watch.Go(func() {
					var m runtime.MemStats
					for {
						select {
						case <-stop:
							return
						case <-time.After(20 * time.Millisecond):
							runtime.ReadMemStats(&m)
							most = max(most, m.Sys-m.HeapReleased)
						}
					}
				})
				for i := range 8 {
					wg.Go(func() {
						f := (&origin{piece: 64 << 10}).file(fmt.Sprint(i), size)
						r := c.Open(f)
						defer r.Close()
						streamAll(b, r, size, 128<<10, true)
					})
				}
				wg.Wait()
				close(stop)
				watch.Wait()
				c.Close()
			}
			b.ReportMetric(float64(most)/(1<<20), "MiB-most")
		})
	}
}

// BenchmarkFill brings 1 GiB to the disk, to the last sync.
func BenchmarkFill(b *testing.B) {
	const size = 1 << 30
	b.SetBytes(size)
	for range b.N {
		c := newCache(b, Options{Dir: b.TempDir()})
		r := c.Open((&origin{piece: 64 << 10}).file("f", size))
		start := time.Now()
		if err := r.Fill(b.Context(), func(done int64) {
			if done == size {
				b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms-written")
			}
		}); err != nil {
			b.Fatal(err)
		}
		r.Close()
		c.Close()
	}
}
