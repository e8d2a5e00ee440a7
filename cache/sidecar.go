package cache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
)

// bitmap is a set of chunk indexes.
type bitmap []byte

func newBitmap(n int64) bitmap      { return make(bitmap, (n+7)/8) }
func (b bitmap) has(i int64) bool   { return b[i/8]&(1<<(i%8)) != 0 }
func (b bitmap) set(i int64)        { b[i/8] |= 1 << (i % 8) }
func (b bitmap) unset(i int64)      { b[i/8] &^= 1 << (i % 8) }
func (b bitmap) clone() bitmap      { return append(bitmap(nil), b...) }
func chunksOf(size int64) int64     { return (size + chunkSize - 1) / chunkSize }
func lenOf(size, index int64) int64 { return min(chunkSize, size-index*chunkSize) }
func checksum(b []byte) uint32      { return crc32.Checksum(b, castagnoli) }

// and takes out what is not in c.
func (b bitmap) and(c bitmap) {
	for i := range b {
		b[i] &= c[i]
	}
}

func (b bitmap) count() (n int64) {
	for _, x := range b {
		n += int64(bits.OnesCount8(x))
	}
	return n
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sidecar is what the disk knows of one object beside its bytes: which of them are there, and how to tell that they still
// are what was written. It is written after the bytes were synced, and put in place by a rename.
type sidecar struct {
	key      string
	etag     string
	size     int64
	epoch    uint64 // of the folder when all its chunks were known to be good
	complete bool   // all chunks are there, and the file was checked as a whole
	have     bitmap
	sums     []uint32 // CRC32C of each chunk; meaningless where have is not set
}

// The format: magic, version, flags, chunk size, file size, epoch, key, etag, bitmap, sums of the chunks that are there in
// their order, and the CRC32C of all that. Numbers are little endian, strings have a length of 16 bits before them.
const (
	sidecarMagic   = "rpfs"
	sidecarVersion = 1
	sidecarHead    = 4 + 2 + 2 + 4 + 8 + 8
	sidecarText    = 1<<16 - 1 // bytes of a key or an ETag at most
	flagComplete   = 1
)

var errSidecar = errors.New("sidecar is damaged or of another version")

func (s *sidecar) encode() []byte {
	b := make([]byte, 0, sidecarHead+8+len(s.key)+len(s.etag)+len(s.have)+4*len(s.sums))
	b = append(b, sidecarMagic...)
	b = binary.LittleEndian.AppendUint16(b, sidecarVersion)
	var flags uint16
	if s.complete {
		flags |= flagComplete
	}
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint32(b, chunkSize)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.size))
	b = binary.LittleEndian.AppendUint64(b, s.epoch)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s.key)))
	b = append(b, s.key...)
	etag := s.etag[:min(len(s.etag), sidecarText)]
	b = binary.LittleEndian.AppendUint16(b, uint16(len(etag)))
	b = append(b, etag...)
	b = append(b, s.have...)
	for i, sum := range s.sums {
		if s.have.has(int64(i)) {
			b = binary.LittleEndian.AppendUint32(b, sum)
		}
	}
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// decodeSidecar takes nothing on trust: the bytes may be torn, old or not ours.
func decodeSidecar(b []byte) (*sidecar, error) {
	if len(b) < sidecarHead+4 {
		return nil, errSidecar
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if checksum(body) != sum || string(body[:4]) != sidecarMagic ||
		binary.LittleEndian.Uint16(body[4:]) != sidecarVersion || binary.LittleEndian.Uint32(body[8:]) != chunkSize {
		return nil, errSidecar
	}
	s := &sidecar{
		complete: binary.LittleEndian.Uint16(body[6:])&flagComplete != 0,
		size:     int64(binary.LittleEndian.Uint64(body[12:])),
		epoch:    binary.LittleEndian.Uint64(body[20:]),
	}
	rest := body[sidecarHead:]
	text := func() (string, bool) {
		if len(rest) < 2 {
			return "", false
		}
		n := int(binary.LittleEndian.Uint16(rest))
		if len(rest) < 2+n {
			return "", false
		}
		t := string(rest[2 : 2+n])
		rest = rest[2+n:]
		return t, true
	}
	var ok bool
	if s.key, ok = text(); !ok {
		return nil, errSidecar
	}
	if s.etag, ok = text(); !ok {
		return nil, errSidecar
	}
	// A size beyond what the bitmap can tell is a lie, and must not make us allocate for it.
	if s.size < 0 || s.size/chunkSize/8 > int64(len(rest)) {
		return nil, errSidecar
	}
	n := chunksOf(s.size)
	if int64(len(rest)) < (n+7)/8 {
		return nil, errSidecar
	}
	s.have = bitmap(rest[:(n+7)/8]).clone()
	rest = rest[len(s.have):]
	for i := n; i < int64(len(s.have))*8; i++ {
		if s.have.has(i) {
			return nil, errSidecar
		}
	}
	count := s.have.count()
	if int64(len(rest)) != 4*count || s.complete && count != n {
		return nil, errSidecar
	}
	s.sums = make([]uint32, n)
	for i := range s.sums {
		if s.have.has(int64(i)) {
			s.sums[i] = binary.LittleEndian.Uint32(rest)
			rest = rest[4:]
		}
	}
	return s, nil
}
