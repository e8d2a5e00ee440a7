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

// Stored bodies begin with a byte that names the form and with the CRC32C of
// the plain bytes: SQLite has no checksums of its own, and wrong bytes must
// never be served.
const (
	formPlain byte = 0
	formFlate byte = 1 // with dictionary as the preset

	headLen = 5
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

// pack is the stored form of b.
func pack(b []byte) []byte {
	var buf bytes.Buffer
	buf.Grow(headLen + len(b)/2)
	var head [headLen]byte
	head[0] = formFlate
	binary.BigEndian.PutUint32(head[1:], crc32.Checksum(b, castagnoli))
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

// unpack returns what was packed, or an error that is errDamaged.
func unpack(p []byte) ([]byte, error) {
	if len(p) < headLen {
		return nil, fmt.Errorf("%d bytes: %w", len(p), errDamaged)
	}
	var b []byte
	switch p[0] {
	case formPlain:
		b = bytes.Clone(p[headLen:])
	case formFlate:
		r := inflaters.Get().(io.ReadCloser)
		defer inflaters.Put(r)
		if err := r.(flate.Resetter).Reset(bytes.NewReader(p[headLen:]), dictionary); err != nil {
			return nil, err
		}
		var err error
		if b, err = io.ReadAll(r); err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
	default:
		return nil, fmt.Errorf("form %d: %w", p[0], errDamaged)
	}
	if crc32.Checksum(b, castagnoli) != binary.BigEndian.Uint32(p[1:]) {
		return nil, fmt.Errorf("checksum: %w", errDamaged)
	}
	return b, nil
}
