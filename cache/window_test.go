package cache

import (
	"math/rand/v2"
	"testing"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// TestWindow goes through what programs do: each step is one read, and what is asked for at once because of it, and ahead.
func TestWindow(t *testing.T) {
	type step struct {
		off, n int64
		local  bool
		need   span
		ahead  int64 // bytes asked for ahead
	}
	none := span{}
	tests := []struct {
		name  string
		size  int64
		most  int64
		steps []step
	}{
		{"a small file is one request, wherever it is read", 1536 * kib, 192 * mib, []step{
			{off: 700 * kib, n: 64 * kib, need: span{0, 1536 * kib}},
		}},
		{"a header of a large file", 100 * mib, 192 * mib, []step{
			{off: 0, n: 128 * kib, need: span{0, 1280 * kib}},
			{off: 128 * kib, n: 128 * kib, local: true},
		}},
		{"a header that is held costs nothing", 100 * mib, 192 * mib, []step{
			{off: 0, n: 128 * kib, local: true},
			{off: 128 * kib, n: 64 * kib, local: true},
		}},
		{"in order from the start: everything opens at once", 256 * mib, 192 * mib, []step{
			{off: 0, n: 128 * kib, need: span{0, 1280 * kib}},
			{off: 128 * kib, n: 128 * kib, local: true},
			{off: 256 * kib, n: 128 * kib, local: true},
			{off: 384 * kib, n: 128 * kib, local: true, ahead: 184 * mib},
		}},
		{"the same with little memory", 256 * mib, 8 * mib, []step{
			{off: 0, n: 512 * kib, need: span{0, 1280 * kib}, ahead: 7 * mib},
			{off: 512 * kib, n: 2 * mib, local: true, ahead: 2 * mib},
		}},
		{"read-ahead that arrives out of order is still in order", 256 * mib, 192 * mib, []step{
			{off: 0, n: 128 * kib, need: span{0, 1280 * kib}},
			{off: 384 * kib, n: 128 * kib, local: true, ahead: 184 * mib},
			{off: 256 * kib, n: 128 * kib, local: true},
			{off: 128 * kib, n: 128 * kib, local: true},
		}},
		{"the head of a chunk is not waited for", 100 * mib, 192 * mib, []step{
			{off: 50*mib + 200*kib + 10, n: 4 * kib, need: span{50*mib + 200*kib, 51*mib + 512*kib}},
		}},
		{"near a chunk's start the chunk is fetched whole", 100 * mib, 192 * mib, []step{
			{off: 50*mib + 128*kib, n: 4 * kib, need: span{50 * mib, 51*mib + 256*kib}},
		}},
		{"the start of a file, the second read first", 100 * mib, 192 * mib, []step{
			{off: 128 * kib, n: 128 * kib, need: span{0, 1280 * kib}},
			{off: 0, n: 128 * kib, local: true},
		}},
		{"from the middle: first one stall, then a window", 1024 * mib, 192 * mib, []step{
			{off: 500 * mib, n: 128 * kib, need: span{500 * mib, 501*mib + 256*kib}},
			{off: 500*mib + 128*kib, n: 896 * kib, local: true, ahead: 31*mib + 512*kib},
		}},
		{"the end of a file", 100 * mib, 192 * mib, []step{
			{off: 0, n: 4 * kib, need: span{0, 1280 * kib}},
			{off: 100*mib - 64*kib, n: 64 * kib, need: span{100*mib - 64*kib, 100 * mib}},
		}},
		{"random after three far seeks, in order again after a mebibyte", 1000 * mib, 192 * mib, []step{
			{off: 100 * mib, n: 4 * kib, need: span{100 * mib, 101*mib + 256*kib}},
			{off: 300 * mib, n: 4 * kib, need: span{300 * mib, 301*mib + 256*kib}},
			{off: 500 * mib, n: 4 * kib, need: span{500 * mib, 501*mib + 256*kib}},
			{off: 700*mib + 300*kib, n: 4 * kib, need: span{700*mib + 256*kib, 700*mib + 512*kib}},
			{off: 200 * mib, n: 4 * kib, need: span{200 * mib, 200*mib + 256*kib}},
			{off: 200*mib + 4*kib, n: 252 * kib, local: true},
			{off: 200*mib + 256*kib, n: 256 * kib, need: span{200*mib + 256*kib, 200*mib + 512*kib}},
			{off: 200*mib + 512*kib, n: 512 * kib, need: span{200*mib + 512*kib, 201 * mib}},
			{off: 201 * mib, n: 128 * kib, need: span{201 * mib, 202*mib + 256*kib}, ahead: 30 * mib},
		}},
		{"two streams of one file", 1000 * mib, 192 * mib, []step{
			{off: 100 * mib, n: 128 * kib, need: span{100 * mib, 101*mib + 256*kib}},
			{off: 500 * mib, n: 128 * kib, need: span{500 * mib, 501*mib + 256*kib}},
			{off: 100*mib + 128*kib, n: 128 * kib, local: true},
			{off: 500*mib + 128*kib, n: 128 * kib, local: true},
			{off: 100*mib + 256*kib, n: 128 * kib, local: true},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := window{size: test.size}
			for i, s := range test.steps {
				p := w.read(s.off, s.off+s.n, s.local, false)
				need := p.need
				if need.len() == 0 {
					need = none
				}
				if need != s.need {
					t.Errorf("step %d: need [%d, %d), want [%d, %d)", i, need.off, need.end, s.need.off, s.need.end)
				}
				if !s.local {
					w.stall(p.stream)
				}
				var ahead int64
				for {
					sp, ok := w.next(p.stream, test.most, advice{conns: 16, part: 8 * mib})
					if !ok {
						break
					}
					ahead += sp.len()
				}
				if ahead != s.ahead {
					t.Errorf("step %d: %d KiB asked for ahead, want %d", i, ahead/kib, s.ahead/kib)
				}
			}
		})
	}
}

// TestWindowStall doubles the window of a stream from the middle, once for each time that it is read to its end.
func TestWindowStall(t *testing.T) {
	w := window{size: 1 << 30}
	off := int64(300 * mib)
	widths := map[int64]bool{}
	for off < 900*mib {
		p := w.read(off, off+128*kib, false, false)
		w.stall(p.stream)
		for {
			if _, ok := w.next(p.stream, 192*mib, advice{conns: 16, part: 8 * mib}); !ok {
				break
			}
		}
		widths[p.stream.width] = true
		off += 128 * kib
	}
	for _, want := range []int64{firstRead, 32 * mib, 64 * mib, 128 * mib, 256 * mib} {
		if !widths[want] {
			t.Errorf("window was never %d MiB wide: %v", want/mib, widths)
		}
	}
}

// TestWindowInvariants reads at random: what is needed is asked for, nothing outside of the file is, and what was read just
// now is covered.
func TestWindowInvariants(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 9))
		size := 1 + rng.Int64N(64*mib)
		w := window{size: size}
		a := advice{conns: 1 + rng.IntN(16), part: minPart + rng.Int64N(8*mib)}
		off := int64(0)
		for range 300 {
			if rng.IntN(5) == 0 {
				off = rng.Int64N(size)
			}
			end := min(size, off+1+rng.Int64N(512*kib))
			local := rng.IntN(2) == 0
			p := w.read(off, end, local, false)
			if !local && (p.need.off > off || p.need.end < end) {
				t.Fatalf("seed %d: read [%d, %d) of %d asks for [%d, %d)", seed, off, end, size, p.need.off, p.need.end)
			}
			if p.need.off < 0 || p.need.end > size {
				t.Fatalf("seed %d: asks for [%d, %d) of %d", seed, p.need.off, p.need.end, size)
			}
			if !local && !w.covers(off, end) {
				t.Fatalf("seed %d: [%d, %d) is not covered after its read", seed, off, end)
			}
			w.stall(p.stream)
			most := 1 + rng.Int64N(32*mib)
			for {
				sp, ok := w.next(p.stream, most, a)
				if !ok {
					break
				}
				if sp.off < 0 || sp.end > size || sp.len() <= 0 || sp.end > p.stream.pos+most {
					t.Fatalf("seed %d: goes ahead to [%d, %d) of %d, from %d by %d", seed, sp.off, sp.end, size, p.stream.pos, most)
				}
			}
			if off = end; off >= size {
				off = 0
			}
		}
	}
}
