package catalog

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPack(t *testing.T) {
	s := newSampler(1)
	plain, packed := 0, 0
	for i := range 200 {
		r := s.full(i)
		p := pack(r.ID, r.Raw)
		if b, err := unpack(r.ID, p); err != nil || !bytes.Equal(b, r.Raw) {
			t.Fatalf("unpacked %d bytes, %v; want %d", len(b), err, len(r.Raw))
		}
		plain, packed = plain+len(r.Raw), packed+len(p)
	}
	if packed > plain*35/100 {
		t.Errorf("%d bytes for %d: objects should take a third", packed, plain)
	}
	for _, b := range []string{"", "x", s.letters(5000, urlLetters), strings.Repeat("x", 1<<20), string(dictionary)} {
		p := pack("p", []byte(b))
		if got, err := unpack("p", p); err != nil || string(got) != b {
			t.Errorf("unpacked %d bytes, %v; want %d", len(got), err, len(b))
		}
		if max := len(b) + headLen; len(p) > max {
			t.Errorf("%d bytes for %d", len(p), len(b))
		}
		if _, err := unpack("q", p); !errors.Is(err, errDamaged) {
			t.Errorf("unpacked for another: %v", err)
		}
	}
}

// FuzzUnpack changes one byte: the result is an error or what was stored.
func FuzzUnpack(f *testing.F) {
	f.Add(uint64(1), 0, byte(1))
	f.Add(uint64(2), 5, byte(0x80))
	f.Add(uint64(3), 40, byte(0xff))
	f.Fuzz(func(t *testing.T, seed uint64, at int, flip byte) {
		r := newSampler(seed).full(0)
		p := pack(r.ID, r.Raw)
		p[uint(at)%uint(len(p))] ^= flip
		if b, err := unpack(r.ID, p); !errors.Is(err, errDamaged) && !bytes.Equal(b, r.Raw) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		p = p[:rand.New(rand.NewPCG(seed, 0)).IntN(len(p))]
		if _, err := unpack(r.ID, p); !errors.Is(err, errDamaged) {
			t.Errorf("cut short: %v", err)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	r := newSampler(1).full(0)
	for b.Loop() {
		pack(r.ID, r.Raw)
	}
}

func BenchmarkUnpack(b *testing.B) {
	r := newSampler(1).full(0)
	p := pack(r.ID, r.Raw)
	b.ReportAllocs()
	for b.Loop() {
		unpack(r.ID, p)
	}
}
