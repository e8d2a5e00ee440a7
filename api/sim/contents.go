package sim

import (
	"container/list"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"sync"
)

// contents holds what was drawn, up to a limit: drawing again gives the same
// bytes. What is known about a content is never forgotten.
type contents struct {
	limit int64

	mu    sync.Mutex // guards all below
	used  int64
	order *list.List // of *drawn, the last used first
	byID  map[string]*list.Element
	facts map[string]facts
	busy  map[string]chan struct{} // closed when the drawing is done
}

type drawn struct {
	id   string
	data []byte
}

// facts are what the delivery host tells about a file. Those of big computed
// ones have no sums.
type facts struct {
	size int64
	md5  string // hex
	crc  uint32 // Castagnoli
}

func newContents(limit int64) *contents {
	return &contents{
		limit: limit, order: list.New(),
		byID: make(map[string]*list.Element), facts: make(map[string]facts), busy: make(map[string]chan struct{}),
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func factsOf(b []byte) facts {
	m := md5.Sum(b)
	return facts{int64(len(b)), hex.EncodeToString(m[:]), crc32.Checksum(b, castagnoli)}
}

// sumLimit is the size up to which computed files are read for their sums.
const sumLimit = 4 << 20

// reader is a content that can be read at any place.
type reader func(p []byte, off int64) error

// open answers what is known about a file and how to read it. The reader
// draws if it must.
func (c *contents) open(seed int64, f *File) (facts, reader, error) {
	switch {
	case f.render != nil:
		k, ok := c.known(f.id)
		if !ok {
			b, err := c.draw(f)
			if err != nil {
				return facts{}, nil, err
			}
			return factsOf(b), fromBytes(b), nil
		}
		var b []byte
		return k, func(p []byte, off int64) (err error) {
			if b == nil {
				if b, err = c.draw(f); err != nil {
					return err
				}
			}
			copy(p, b[off:])
			return nil
		}, nil
	case f.Data != nil:
		k, ok := c.known(f.id)
		if !ok {
			k = c.learn(f.id, factsOf(f.Data))
		}
		return k, fromBytes(f.Data), nil
	}
	key := blobKey(seed, f.owner, int(f.ref.file))
	read := func(p []byte, off int64) error {
		blob(key, p, off)
		return nil
	}
	if f.Size > sumLimit {
		return facts{size: f.Size}, read, nil
	}
	k, ok := c.known(f.id)
	if !ok {
		b := make([]byte, f.Size)
		blob(key, b, 0)
		k = c.learn(f.id, factsOf(b))
	}
	return k, read, nil
}

func fromBytes(b []byte) reader {
	return func(p []byte, off int64) error {
		copy(p, b[off:])
		return nil
	}
}

func (c *contents) known(id string) (facts, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.facts[id]
	return k, ok
}

func (c *contents) learn(id string, k facts) facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.facts[id] = k
	return k
}

// draw is the content of a drawn file. Two who want the same wait for one
// drawing.
func (c *contents) draw(f *File) ([]byte, error) {
	c.mu.Lock()
	for {
		if e, ok := c.byID[f.id]; ok {
			c.order.MoveToFront(e)
			c.mu.Unlock()
			return e.Value.(*drawn).data, nil
		}
		done, ok := c.busy[f.id]
		if !ok {
			break
		}
		c.mu.Unlock()
		<-done
		c.mu.Lock()
	}
	done := make(chan struct{})
	c.busy[f.id] = done
	c.mu.Unlock()

	b, err := f.render()

	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, f.id)
	close(done)
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", f.Name, err)
	}
	c.facts[f.id] = factsOf(b)
	c.byID[f.id] = c.order.PushFront(&drawn{f.id, b})
	c.used += int64(len(b))
	for c.used > c.limit && c.order.Len() > 1 {
		d := c.order.Remove(c.order.Back()).(*drawn)
		delete(c.byID, d.id)
		c.used -= int64(len(d.data))
	}
	return b, nil
}
