package catalog

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// go test ./cache/catalog -run '^$' -bench Scale -rows 1000000
var scaleRows = flag.Int("rows", 100_000, "predictions in the benchmarks of scale")

// BenchmarkScale measures a catalog of many predictions, made as a first listing
// makes it: page after page, created last first.
func BenchmarkScale(b *testing.B) {
	dir := b.TempDir()
	c := open(b, dir)
	n := *scaleRows
	s := newSampler(1)
	var put time.Duration
	for page := range n / 100 {
		recs := make([]Record, 100)
		for i := range recs {
			recs[i] = s.full(n - page*100 - i)
		}
		start := time.Now()
		if _, err := c.Put(b.Context(), recs...); err != nil {
			b.Fatal(err)
		}
		put += time.Since(start)
	}
	shut(b, c)
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			shut(b, open(b, dir))
		}
		b.ReportMetric(float64(info.Size())/float64(n), "disk-B/row")
		b.ReportMetric(put.Seconds()*1000/float64(n/100), "put-ms/page")
	})
	b.Run("OpenProcess", func(b *testing.B) {
		for b.Loop() {
			cmd, out, _ := startChild(b, "measure", dir, 0)
			var peak, rss, took float64 // kB, kB, µs
			if out.Scan() {
				fmt.Sscanf(out.Text(), "VmHWM:%f VmRSS:%f open: %f", &peak, &rss, &took)
			}
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(peak/1024, "peak-MiB")
			b.ReportMetric(rss/1024, "rss-MiB")
			b.ReportMetric(took/1000, "open-ms")
		}
	})
	c = nil
	before := heap()
	c = open(b, dir)
	defer shut(b, c)
	held := heap() - before

	b.Run("All", func(b *testing.B) {
		for b.Loop() {
			if got := len(c.All()); got != n {
				b.Fatalf("%d predictions, want %d", got, n)
			}
		}
		b.ReportMetric(float64(held)/float64(n), "index-B/row")
	})
	b.Run("ByID", func(b *testing.B) {
		for b.Loop() {
			for range c.ByID() {
			}
		}
	})
	b.Run("First10000", func(b *testing.B) {
		for b.Loop() {
			got := 0
			for range c.ByCreated() {
				if got++; got == 10_000 {
					break
				}
			}
		}
	})
	b.Run("Models", func(b *testing.B) {
		for b.Loop() {
			c.Models()
		}
	})
	all := c.All()
	b.Run("Prediction", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.Prediction(all[i*7919%n].ID)
		}
	})
	b.Run("Raw", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := c.Raw(b.Context(), all[i*7919%n].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("PutKnown", func(b *testing.B) {
		recs := make([]Record, 100)
		for i := range recs {
			recs[i] = Record{Prediction: all[i], Raw: []byte("{}")}
		}
		for b.Loop() {
			if changed, err := c.Put(b.Context(), recs...); err != nil || len(changed) > 0 {
				b.Fatal(changed, err)
			}
		}
	})
	b.Run("PutPage", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			recs := make([]Record, 100)
			for i := range recs {
				recs[i] = s.full(n + i)
			}
			b.StartTimer()
			if _, err := c.Put(b.Context(), recs...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("PutOne", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Put(b.Context(), s.full(n)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("PutRun", func(b *testing.B) {
		run := Run{ID: "r", Model: "acme/painter", Input: []byte(`{"prompt":"a lighthouse"}`)}
		for i := 0; b.Loop(); i++ {
			run.Note = fmt.Sprint(i)
			if err := c.PutRun(b.Context(), run); err != nil {
				b.Fatal(err)
			}
		}
	})
	outputs := map[string]Output{}
	for i := range 4 {
		outputs[fmt.Sprintf("output-%d.webp", i)] = Output{Size: 1 << 20, Type: "image/webp", ETag: `"0123456789abcdef0123456789abcdef"`, Modified: sampleStart}
	}
	b.Run("PutOutputs", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if err := c.PutOutputs(b.Context(), all[i%n].ID, outputs); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Outputs", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.outputs.dropAll()
			if _, err := c.Outputs(b.Context(), all[i%n].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("OutputsKnown", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Outputs(b.Context(), all[0].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("RefreshNothing", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
