package cache

import (
	"encoding/binary"
	"reflect"
	"testing"
)

func sampleSidecar(size int64) *sidecar {
	n := chunksOf(size)
	s := &sidecar{key: "prediction/output-0", etag: `"abc"`, size: size, epoch: 7, have: newBitmap(n), sums: make([]uint32, n)}
	for i := int64(0); i < n; i += 3 {
		s.have.set(i)
		s.sums[i] = uint32(i*2654435761 + 1)
	}
	return s
}

func TestSidecar(t *testing.T) {
	for _, size := range []int64{0, 1, chunkSize, 20*chunkSize + 1, 1 << 30} {
		want := sampleSidecar(size)
		got, err := decodeSidecar(want.encode())
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		if len(got.have) == 0 { // empty and nil are the same
			got.have, got.sums = want.have, want.sums
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("size %d: got %+v, want %+v", size, got, want)
		}
	}
}

// TestSidecarDamage flips each bit and cuts at each length: nothing of it is taken for a sidecar.
func TestSidecarDamage(t *testing.T) {
	good := sampleSidecar(20*chunkSize + 1).encode()
	for i := range good {
		for bit := range 8 {
			bad := append([]byte(nil), good...)
			bad[i] ^= 1 << bit
			if _, err := decodeSidecar(bad); err == nil {
				t.Errorf("bit %d of byte %d flipped: no error", bit, i)
			}
		}
		if _, err := decodeSidecar(good[:i]); err == nil {
			t.Errorf("cut to %d bytes: no error", i)
		}
	}
}

// FuzzSidecar gives bytes whose checksum is right, so that the rest is reached: what is decoded must say the same again.
func FuzzSidecar(f *testing.F) {
	for _, size := range []int64{0, 1, 3 * chunkSize, 20*chunkSize + 1} {
		b := sampleSidecar(size).encode()
		f.Add(b[:len(b)-4])
	}
	complete := sampleSidecar(chunkSize)
	complete.complete = true
	b := complete.encode()
	f.Add(b[:len(b)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeSidecar(binary.LittleEndian.AppendUint32(append([]byte(nil), body...), checksum(body)))
		if err != nil {
			return
		}
		if int64(len(s.sums)) != chunksOf(s.size) || s.have.count() > chunksOf(s.size) {
			t.Fatalf("%d sums and %d chunks for %d bytes", len(s.sums), s.have.count(), s.size)
		}
		again, err := decodeSidecar(s.encode())
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("decoded %+v, encoded and decoded %+v, %v", s, again, err)
		}
	})
}
