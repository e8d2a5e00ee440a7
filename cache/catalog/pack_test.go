package catalog

import (
	"bytes"
	"compress/flate"
	"testing"
)

func TestMeasurePack(t *testing.T) {
	s := newSampler(1)
	kinds := map[string][4]int{}
	for i := range 2000 {
		r := s.full(i)
		var nodict bytes.Buffer
		w, _ := flate.NewWriter(&nodict, -1)
		w.Write(r.Raw)
		w.Close()
		k := kinds[r.Model]
		k[0]++
		k[1] += len(r.Raw)
		k[2] += nodict.Len() + 5
		k[3] += len(pack(r.Raw))
		kinds[r.Model] = k
	}
	for k, v := range kinds {
		t.Log(k, v[0], v[1]/v[0], v[2]/v[0], v[3]/v[0])
	}
}

func BenchmarkPack(b *testing.B) {
	r := newSampler(1).full(0)
	for b.Loop() {
		pack(r.Raw)
	}
}
func BenchmarkUnpack(b *testing.B) {
	r := newSampler(1).full(0)
	p := pack(r.Raw)
	b.ReportAllocs()
	for b.Loop() {
		unpack(p)
	}
}
