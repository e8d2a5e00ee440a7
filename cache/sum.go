package cache

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
)

// ErrMismatch says that a file has come whole and is not what its MD5 says. What came of it is forgotten, and the next read
// fetches it anew; what a reader was given before its end was known is wrong.
var ErrMismatch = errors.New("content does not match its MD5")

// sumLimit is the size up to which the last chunk of a file is held back until the whole is checked: hashing runs beside the
// wire and is done when the file is. A larger one is checked when it is stored; one core hashes 600 MB/s, the wire may be
// faster.
const sumLimit = 64 << 20

// sum checks a file against its MD5 while it arrives. Guarded by object.mu.
type sum struct {
	want    string // hex; "" where there is nothing to check, or no longer
	hash    hash.Hash
	next    int64    // chunks below are hashed
	crcs    []uint32 // of them: what is stored is the same if these are
	running bool
	good    bool
	misses  int           // times that it was wrong
	news    chan struct{} // closed when something has changed; nil if nobody waits
}

// md5Of gives the MD5 that an ETag holds, if it is one.
func md5Of(etag string) (string, bool) {
	e := strings.ToLower(strings.Trim(etag, `"`))
	if len(e) != 32 {
		return "", false
	}
	_, err := hex.DecodeString(e)
	return e, err == nil
}

// expectLocked begins to check o, if there is something to check it against.
func (o *object) expectLocked(etag string) {
	want, ok := md5Of(etag)
	if !ok || o.id.size == 0 || o.id.size > sumLimit || o.sum.want != "" || o.sum.good || o.store.complete {
		return
	}
	o.sum.want, o.sum.hash = want, md5.New()
}

// heldBackLocked tells whether chunk i must wait for the check: it is the last one, and all before it are there or on their
// way. Who reads only the end of a file is not made to fetch the rest.
func (o *object) heldBackLocked(i int64) bool {
	s := &o.sum
	if s.want == "" || i != chunksOf(o.id.size)-1 {
		return false
	}
	for j := s.next; j <= i; j++ {
		if !o.heldLocked(j, j*chunkSize) {
			return false
		}
	}
	return true
}

// newsLocked gives a channel that is closed when the check has come further, or cannot.
func (o *object) newsLocked() <-chan struct{} {
	o.sumUpLocked()
	if o.sum.news == nil {
		o.sum.news = make(chan struct{})
	}
	return o.sum.news
}

func (o *object) tellLocked() {
	if o.sum.news != nil {
		close(o.sum.news)
		o.sum.news = nil
	}
}

// sumUpLocked hashes, in the background, what has arrived of the next chunks.
func (o *object) sumUpLocked() {
	s := &o.sum
	if s.want == "" || s.running || o.gone || !o.sumsLocked(s.next) {
		return
	}
	s.running = o.c.spawn(o.sumUp)
}

// sumsLocked tells whether chunk i could be hashed now.
func (o *object) sumsLocked(i int64) bool {
	ch := o.chunks[i]
	return ch != nil && ch.fetch == nil && ch.whole() || o.store.hasLocked(i) || o.c.tier.find(o.id, i) != nil
}

func (o *object) sumUp() {
	o.mu.Lock()
	s := &o.sum
	misses := s.misses
	for s.want != "" && s.misses == misses && !o.gone {
		i := s.next
		off := i * chunkSize
		end := min(off+chunkSize, o.id.size)
		var b []byte
		switch ch := o.chunks[i]; {
		case ch != nil && ch.fetch == nil && ch.whole():
			b = ch.buf
		case o.store.hasLocked(i):
			b = make([]byte, end-off)
			o.mu.Unlock()
			ok := o.pread(b, off)
			o.mu.Lock()
			if !ok {
				continue
			}
		default:
			if ch := o.c.tier.find(o.id, i); ch != nil && ch.whole() {
				b = ch.buf
			}
		}
		if b == nil {
			break
		}
		h := s.hash
		o.mu.Unlock()
		h.Write(b)
		crc := checksum(b)
		o.mu.Lock()
		if s.misses != misses {
			break // this was of the bytes that are forgotten
		}
		s.crcs = append(s.crcs, crc)
		s.next++
		o.settleLocked(span{off, end})
		if end == o.id.size {
			o.verdictLocked()
		}
	}
	s.running = false
	o.settleAllLocked()
	o.tellLocked()
	o.mu.Unlock()
	o.c.retire(o)
}

// verdictLocked compares the MD5 of the whole file.
func (o *object) verdictLocked() {
	s := &o.sum
	if hex.EncodeToString(s.hash.Sum(nil)) == s.want {
		s.good, s.want, s.hash = true, "", nil
		o.c.proven.Add(o.id.fileID, struct{}{})
		return
	}
	o.mismatchLocked()
}

// mismatchLocked forgets all that is held of o: nobody knows which part is wrong.
func (o *object) mismatchLocked() {
	s := &o.sum
	s.misses++
	s.next, s.crcs, s.good = 0, nil, false
	if s.hash != nil {
		s.hash = md5.New() // the old one may be fed at this moment
	}
	o.c.proven.Remove(o.id.fileID)
	o.c.count.badFiles.Add(1)
	o.c.log.Warn("file does not match its MD5 and is fetched again when it is read", "key", o.id.key)
	o.discardLocked()
	for _, ch := range o.chunks {
		ch.bad = true
		if ch.fetch == nil {
			o.unmapLocked(ch)
		}
	}
	for f := range o.fetches {
		f.overLocked(ErrMismatch)
		f.stop(ErrMismatch)
	}
	o.c.tier.forget(o.id)
	o.holes = nil // their checksums are of bytes that may be wrong
}
