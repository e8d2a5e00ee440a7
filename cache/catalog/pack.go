package catalog

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// errDamaged says that stored bytes are not those that were stored.
var errDamaged = errors.New("stored data is damaged")

// Stored bodies begin with a byte that names the form, the CRC32C of their owner
// and the plain bytes, and the number of plain bytes: SQLite has no checksums of
// its own, and wrong bytes, or those of another, must never be served.
const (
	formPlain byte = 0
	formFlate byte = 1 // with dictionary as the preset

	headLen = 9
)

// dictionary holds what predictions have in common, the most frequent last.
// It is part of the stored form: another text would be another form.
//
//go:embed dictionary.txt
var dictionary []byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	deflaters = sync.Pool{New: func() any {
		w, err := flate.NewWriterDict(nil, flate.DefaultCompression, dictionary)
		if err != nil {
			panic(err) // the level is a constant
		}
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReaderDict(nil, dictionary) }}
)

// pack is the stored form of b, which belongs to owner.
func pack(owner string, b []byte) []byte {
	var head [headLen]byte
	head[0] = formFlate
	binary.BigEndian.PutUint32(head[1:], checksum(owner, b))
	binary.BigEndian.PutUint32(head[5:], uint32(len(b)))
	var buf bytes.Buffer
	buf.Grow(headLen + len(b)/2)
	buf.Write(head[:])
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&buf) // keeps the dictionary
	w.Write(b)    // a buffer refuses nothing
	w.Close()
	if buf.Len() >= headLen+len(b) {
		head[0] = formPlain
		return append(head[:], b...)
	}
	return buf.Bytes()
}

// unpack returns what was packed for the same owner, or an error that is
// errDamaged.
func unpack(owner string, p []byte) ([]byte, error) {
	if len(p) < headLen {
		return nil, fmt.Errorf("%d bytes: %w", len(p), errDamaged)
	}
	head, p := p[:headLen], p[headLen:]
	size := int(binary.BigEndian.Uint32(head[5:]))
	var b []byte
	switch head[0] {
	case formPlain:
		b = bytes.Clone(p)
	case formFlate:
		r := inflaters.Get().(io.ReadCloser)
		defer inflaters.Put(r)
		if err := r.(flate.Resetter).Reset(bytes.NewReader(p), dictionary); err != nil {
			return nil, err
		}
		var buf bytes.Buffer
		buf.Grow(min(size, 1<<20) + bytes.MinRead) // the size may be damaged too
		if _, err := io.Copy(&buf, io.LimitReader(r, int64(size)+1)); err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		b = buf.Bytes()
	default:
		return nil, fmt.Errorf("form %d: %w", head[0], errDamaged)
	}
	if len(b) != size || checksum(owner, b) != binary.BigEndian.Uint32(head[1:]) {
		return nil, fmt.Errorf("checksum: %w", errDamaged)
	}
	return b, nil
}

func checksum(owner string, b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(owner))
	return crc32.Update(sum, castagnoli, b)
}
