package catalog

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// An Output is what was learned about an output file; the name that it is kept
// under is the caller's.
type Output struct {
	Size     int64
	Type     string // media type
	ETag     string
	Modified time.Time // UTC, zero if not told
	Gone     bool      // the host said so, for good
	Spooled  bool      // held locally in full
}

// Outputs returns what is known of the outputs of one prediction, by name; empty
// if nothing is. The map is shared, and not to be changed.
func (c *Catalog) Outputs(ctx context.Context, id string) (map[string]Output, error) {
	known, ticket, ok := c.outputs.look(id)
	if ok {
		return known, nil
	}
	known = map[string]Output{}
	err := c.view(ctx, func(p *pool) error {
		clear(known)
		q, err := p.query(ctx, "SELECT name, size, type, etag, modified, gone, spooled FROM output WHERE id = ?", id)
		if err != nil {
			return err
		}
		defer q.Close()
		for q.Next() {
			var name string
			var o Output
			var modified int64
			if err := q.Scan(&name, &o.Size, &o.Type, &o.ETag, &modified, &o.Gone, &o.Spooled); err != nil {
				return damaged(ctx, err)
			}
			o.Modified = fromNanos(modified)
			known[name] = o
		}
		return q.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read outputs of %s: %w", id, err)
	}
	c.outputs.keep(id, known, ticket)
	return known, nil
}

// Recent is Outputs where it needs no reading: of predictions whose outputs were
// asked for lately. The map is the catalog's, and must not be changed.
func (c *Catalog) Recent(id string) (known map[string]Output, ok bool) {
	known, _, ok = c.outputs.look(id)
	return known, ok
}

// Size is the sum of the sizes that are known, of outputs that are not gone. It
// reads them all: half a second for a million.
func (c *Catalog) Size(ctx context.Context) (sum int64, err error) {
	err = c.view(ctx, func(p *pool) error {
		return p.scan(ctx, "SELECT coalesce(sum(size), 0) FROM output WHERE gone = ?", false, &sum)
	})
	if err != nil {
		return 0, fmt.Errorf("sum up outputs: %w", err)
	}
	return sum, nil
}

// PutOutputs stores what was learned; names that m does not have keep what was
// known. Facts that are known already cost no transaction.
func (c *Catalog) PutOutputs(ctx context.Context, id string, m map[string]Output) error {
	known, err := c.Outputs(ctx, id)
	if err != nil {
		return err
	}
	fresh := map[string]Output{}
	for name, o := range m {
		o.Modified = fromNanos(toNanos(o.Modified)) // as it will be read
		if old, ok := known[name]; !ok || old != o {
			fresh[name] = o
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	err = c.write(ctx, process, func(ctx context.Context, t *transaction) error {
		lost := false
		for name, o := range fresh {
			err := t.exec(ctx, `INSERT INTO output (id, name, size, type, etag, modified, gone, spooled) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (id, name) DO UPDATE SET size = excluded.size, type = excluded.type, etag = excluded.etag,
				modified = excluded.modified, gone = excluded.gone, spooled = excluded.spooled`,
				id, name, o.Size, o.Type, o.ETag, toNanos(o.Modified), o.Gone, o.Spooled)
			if err != nil {
				return err
			}
			lost = lost || o.Gone
		}
		old := t.known(id)
		if !lost || old == nil || old.flags&gone != 0 {
			return t.tell(ctx, id, nil)
		}
		r := *old
		r.flags |= gone
		if err := t.exec(ctx, "UPDATE prediction SET flags = ? WHERE id = ?", int64(r.flags), id); err != nil {
			return err
		}
		return t.tell(ctx, id, &r)
	})
	// read again when asked for: another process may have written as well
	c.outputs.drop(id)
	if err != nil {
		return fmt.Errorf("write outputs of %s: %w", id, err)
	}
	return nil
}

// outputCacheSize is the number of predictions whose outputs stay in memory:
// enough for the folder that somebody is looking at, about 4 MB.
const outputCacheSize = 4096

// An outputCache holds what was read last. Its maps are never changed.
type outputCache struct {
	mu     sync.Mutex
	max    int
	order  list.List // of *outputEntry, used last first
	byID   map[string]*list.Element
	ticket uint64 // grows with every drop
}

type outputEntry struct {
	id    string
	known map[string]Output
}

func newOutputCache(max int) *outputCache {
	return &outputCache{max: max, byID: map[string]*list.Element{}}
}

// look returns what is held, or a ticket for keep.
func (c *outputCache) look(id string) (known map[string]Output, ticket uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return nil, c.ticket, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*outputEntry).known, 0, true
}

// keep holds what was read after look, unless something was dropped meanwhile:
// it may have been read before the write for which it was dropped.
func (c *outputCache) keep(id string, known map[string]Output, ticket uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ticket != c.ticket || c.byID[id] != nil {
		return
	}
	c.byID[id] = c.order.PushFront(&outputEntry{id, known})
	if c.order.Len() > c.max {
		c.forget(c.order.Back())
	}
}

func (c *outputCache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ticket++
	if e := c.byID[id]; e != nil {
		c.forget(e)
	}
}

func (c *outputCache) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ticket++
	clear(c.byID)
	c.order.Init()
}

func (c *outputCache) forget(e *list.Element) {
	delete(c.byID, c.order.Remove(e).(*outputEntry).id)
}
