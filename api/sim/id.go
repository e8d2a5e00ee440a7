package sim

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
)

// What an id is the number of.
const (
	kindPast byte = iota + 1
	kindLive
	kindTraining
	kindExample
	kindCover
)

// ref names a prediction, or one of its files, by number.
type ref struct {
	kind byte
	n    uint64 // of the prediction
	file uint32 // of the file in its output
}

// idMagic tells our ids from invented ones.
const idMagic = 0xd1ce

// predictionID looks like Replicate's: 26 characters of Crockford's base 32.
// It is the encrypted number, so the past needs no table of ids.
func (s *Sim) predictionID(r ref) string {
	b := s.seal(r)
	return crockford.EncodeToString(b[:])
}

// predictionRef is the inverse of predictionID.
func (s *Sim) predictionRef(id string) (ref, bool) {
	b, err := crockford.DecodeString(id)
	if err != nil || len(b) != 16 {
		return ref{}, false
	}
	return s.open([16]byte(b))
}

// fileID looks like an id of the delivery host: 48 letters and digits, the
// last one A to F. Every file has its own.
func (s *Sim) fileID(r ref) string {
	b := s.seal(r)
	h := sha256.Sum256(b[:])
	return base62(b[:], 22) + base62(h[:], 43)[18:] + string('A'+h[31]%6)
}

// fileRef is the inverse of fileID.
func (s *Sim) fileRef(id string) (ref, bool) {
	if len(id) != 48 {
		return ref{}, false
	}
	n, ok := new(big.Int).SetString(id[:22], 62)
	if !ok || n.BitLen() > 128 || n.Sign() < 0 {
		return ref{}, false
	}
	var b [16]byte
	n.FillBytes(b[:])
	r, ok := s.open(b)
	return r, ok && s.fileID(r) == id
}

func (s *Sim) seal(r ref) (b [16]byte) {
	b[0] = r.kind
	binary.BigEndian.PutUint64(b[1:], r.n)
	binary.BigEndian.PutUint32(b[9:], r.file)
	binary.BigEndian.PutUint16(b[13:], idMagic)
	s.block.Encrypt(b[:], b[:])
	return b
}

func (s *Sim) open(b [16]byte) (ref, bool) {
	s.block.Decrypt(b[:], b[:])
	r := ref{b[0], binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint32(b[9:])}
	return r, binary.BigEndian.Uint16(b[13:]) == idMagic && b[15] == 0
}

// streamID looks like the last element of a stream URL: 52 characters.
func (s *Sim) streamID(predictionID string) string {
	h := sha256.Sum256(fmt.Appendf(nil, "stream %d %s", s.opt.Seed, predictionID))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h[:]))
}

// hexID is a version id: 64 hex digits made from a name.
func hexID(name string) string {
	h := sha256.Sum256([]byte(name))
	return hex.EncodeToString(h[:])
}

// number is a hash of the seed and the parts.
func (s *Sim) number(parts ...any) uint64 {
	return hash64(append([]any{s.opt.Seed}, parts...)...)
}

func hash64(parts ...any) uint64 {
	h := sha256.Sum256(fmt.Append(nil, parts...))
	return binary.BigEndian.Uint64(h[:])
}

// random is a source of repeatable chance.
func random(n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(n, mix(n)))
}

// mix is the finalizer of splitmix64: it spreads n over all bits.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// base62 writes b as a number in digits 0-9a-zA-Z, padded to width.
func base62(b []byte, width int) string {
	t := new(big.Int).SetBytes(b).Text(62)
	if len(t) < width {
		t = strings.Repeat("0", width-len(t)) + t
	}
	return t[len(t)-width:]
}
