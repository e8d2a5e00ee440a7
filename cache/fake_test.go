package cache

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// pattern is what fake files are made of. Its length is prime, so that bytes from a wrong place differ.
var pattern = func() []byte {
	b := make([]byte, 1048573)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}()

// content fills p with what a fake file with the given seed has at off.
func content(seed int64, p []byte, off int64) {
	for len(p) > 0 {
		n := copy(p, pattern[(off+seed*7919)%int64(len(pattern)):])
		p = p[n:]
		off += int64(n)
	}
}

// origin is a host of fake files: it counts, is slow as told, and fails as told.
type origin struct {
	latency  time.Duration // to the first byte of each request
	connect  time.Duration // more for a new connection
	rate     int64         // bytes per second of one connection; 0: no limit
	line     int64         // bytes per second of all together; 0: no limit
	piece    int           // bytes that one Read gives at most; 0: 32 KiB
	fault    func(req *request) error
	mu       sync.Mutex
	shared   bool      // the shared connection is open
	idle     int       // open connections of their own without a request
	busy     time.Time // until when the line is
	requests []*request
	active   int
	most     int // requests at once
	moved    int64
	broken   int // bulk connections given up before their end
}

// request is one call of Fetch. A fault function may look at it and change how it is answered.
type request struct {
	file   *file
	number int // of the origin, from 0
	off, n int64
	bulk   bool

	length  int64 // bytes to give, n unless changed
	failAt  int64 // give failErr after so many bytes, if failErr is set
	failErr error
	hangAt  int64 // give nothing more after so many bytes, if hang
	hang    bool
	damage  bool // flip a bit

	o     *origin
	ctx   context.Context
	pos   int64
	start time.Time
	done  bool
}

// file is a fake Source.
type file struct {
	o    *origin
	key  string
	size int64
	etag string
	seed int64
}

func (o *origin) file(key string, size int64) *file {
	return &file{o: o, key: key, size: size, seed: int64(len(key)*31) + int64(key[0])}
}

func (f *file) Key() string  { return f.key }
func (f *file) Size() int64  { return f.size }
func (f *file) ETag() string { return f.etag }

// withMD5 gives the file the ETag that it should have.
func (f *file) withMD5() *file {
	b := make([]byte, f.size)
	content(f.seed, b, 0)
	sum := md5.Sum(b)
	f.etag = `"` + hex.EncodeToString(sum[:]) + `"`
	return f
}

func (f *file) Fetch(ctx context.Context, off, n int64, bulk bool) (io.ReadCloser, error) {
	o := f.o
	if off < 0 || n <= 0 || off+n > f.size {
		return nil, fmt.Errorf("range %d+%d outside of %d", off, n, f.size)
	}
	o.mu.Lock()
	r := &request{file: f, number: len(o.requests), off: off, n: n, bulk: bulk, length: n, o: o, ctx: ctx}
	o.requests = append(o.requests, r)
	o.active++
	o.most = max(o.most, o.active)
	wait := o.latency
	switch {
	case !bulk && o.shared:
	case !bulk:
		o.shared = true
		wait += o.connect
	case o.idle > 0:
		o.idle--
	default:
		wait += o.connect
	}
	o.mu.Unlock()
	var err error
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err == nil && o.fault != nil {
		err = o.fault(r)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	r.start = time.Now()
	return r, nil
}

func (r *request) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.pos >= r.length {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.length-r.pos)
	if r.o.piece > 0 {
		n = min(n, int64(r.o.piece))
	} else {
		n = min(n, 32<<10)
	}
	if r.failErr != nil {
		if n = min(n, r.failAt-r.pos); n <= 0 {
			return 0, r.failErr
		}
	}
	if r.hang {
		if n = min(n, r.hangAt-r.pos); n <= 0 {
			<-r.ctx.Done()
			return 0, r.ctx.Err()
		}
	}
	if d := r.delay(n); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	content(r.file.seed, p[:n], r.off+r.pos)
	if r.damage {
		p[0] ^= 1
		r.damage = false
	}
	r.pos += n
	r.o.mu.Lock()
	r.o.moved += n
	r.o.mu.Unlock()
	return int(n), nil
}

// delay is how long the next n bytes need.
func (r *request) delay(n int64) time.Duration {
	o := r.o
	now := time.Now()
	due := now
	if o.rate > 0 {
		due = r.start.Add(time.Duration(float64(r.pos+n) / float64(o.rate) * float64(time.Second)))
	}
	if o.line > 0 {
		o.mu.Lock()
		if o.busy.Before(now) {
			o.busy = now
		}
		o.busy = o.busy.Add(time.Duration(float64(n) / float64(o.line) * float64(time.Second)))
		if o.busy.After(due) {
			due = o.busy
		}
		o.mu.Unlock()
	}
	return due.Sub(now)
}

func (r *request) Close() error {
	r.o.mu.Lock()
	defer r.o.mu.Unlock()
	if r.done {
		return nil
	}
	r.done = true
	r.o.active--
	switch {
	case !r.bulk:
	case r.pos == r.n:
		r.o.idle++
	default:
		r.o.broken++
	}
	return nil
}

// seen gives the requests so far.
func (o *origin) seen() []*request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*request(nil), o.requests...)
}

// bytes gives the number of bytes that left the origin.
func (o *origin) bytes() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.moved
}

// newCache makes a cache that is closed with the test.
func newCache(t testing.TB, o Options) *Cache {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close cache: %v", err)
		}
	})
	return c
}

// check compares what p holds with what f has at off.
func (f *file) check(p []byte, off int64) error {
	for len(p) > 0 {
		want := pattern[(off+f.seed*7919)%int64(len(pattern)):]
		n := min(len(p), len(want))
		if !bytes.Equal(p[:n], want[:n]) {
			for i := range n {
				if p[i] != want[i] {
					return fmt.Errorf("%s: byte %d is %#x, want %#x", f.key, off+int64(i), p[i], want[i])
				}
			}
		}
		p = p[n:]
		off += int64(n)
	}
	return nil
}

// readAt reads n bytes and checks them.
func readAt(t testing.TB, r *Reader, f *file, off int64, n int) {
	t.Helper()
	p := make([]byte, n)
	got, err := r.ReadAt(t.Context(), p, off)
	want := int(max(0, min(int64(n), f.size-off)))
	if err != nil && !(err == io.EOF && want < n) {
		t.Fatalf("read %d at %d of %s: %v", n, off, f.key, err)
	}
	if got != want {
		t.Fatalf("read %d at %d of %s: %d bytes, want %d", n, off, f.key, got, want)
	}
	if err := f.check(p[:got], off); err != nil {
		t.Fatal(err)
	}
}

// readAll reads the file from start to end in steps, as a program through a kernel does, and checks it.
func readAll(t testing.TB, r *Reader, f *file, step int) {
	t.Helper()
	for off := int64(0); off < f.size; off += int64(step) {
		readAt(t, r, f, off, step)
	}
}

var errFake = errors.New("fake fault")
