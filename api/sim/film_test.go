package sim

import (
	"bytes"
	"encoding/binary"
	"image/jpeg"
	"testing"
)

// boxes are the boxes directly in b, by their names.
func boxes(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for len(b) > 0 {
		if len(b) < 8 {
			t.Fatalf("%d bytes after the last box", len(b))
		}
		n := int(binary.BigEndian.Uint32(b))
		if n < 8 || n > len(b) {
			t.Fatalf("a box %q of %d bytes in %d", b[4:8], n, len(b))
		}
		all[string(b[4:8])] = b[8:n]
		b = b[n:]
	}
	return all
}

// The index of a film leads to pictures of the size that it tells, wherever
// it is.
func TestFilm(t *testing.T) {
	for name, faststart := range map[string]bool{"index first": true, "index last": false} {
		t.Run(name, func(t *testing.T) { tryFilm(t, faststart) })
	}
}

func tryFilm(t *testing.T, faststart bool) {
	film, err := Film("a boat", 1, 1, faststart)
	if err != nil {
		t.Fatal(err)
	}
	if index, data := bytes.Index(film, []byte("moov")), bytes.Index(film, []byte("mdat")); (index < data) != faststart {
		t.Errorf("the index is at %d, the data at %d", index, data)
	}
	top := boxes(t, film)
	if len(top) != 3 || string(top["ftyp"][:4]) != "isom" {
		t.Fatalf("got boxes %v", len(top))
	}
	media := boxes(t, boxes(t, boxes(t, top["moov"])["trak"])["mdia"])
	table := boxes(t, boxes(t, media["minf"])["stbl"])
	sizes := table["stsz"][8:]
	n := int(binary.BigEndian.Uint32(sizes))
	at := int(binary.BigEndian.Uint32(table["stco"][8:]))
	if n != 12 {
		t.Errorf("got %d frames, want 12 of a second", n)
	}
	for i := range n {
		size := int(binary.BigEndian.Uint32(sizes[4+4*i:]))
		m, err := jpeg.Decode(bytes.NewReader(film[at : at+size]))
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if d := m.Bounds().Size(); d.X != 384 || d.Y != 216 {
			t.Errorf("frame %d is %v", i, d)
		}
		at += size
	}
	if data := bytes.Index(film, []byte("mdat")) + len(top["mdat"]) + 4; at != data {
		t.Errorf("the frames end at %d, the data at %d", at, data)
	}
}
