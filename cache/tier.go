package cache

import (
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"
)

// tier is the second chance: chunks that nobody uses any more and that may be asked for again. It is ristretto, whose
// admission policy knows what is asked for often, and for the same reason may refuse a newcomer: measured, a file of 64
// chunks streamed through a full ristretto alone was fetched 367 to 474 chunks long. So no chunk in use depends on it.
type tier struct {
	limit int64
	held  atomic.Int64 // bytes of chunks given to ristretto and not yet dropped by it

	mu    sync.RWMutex // ristretto's Close must not meet its Set
	cache *ristretto.Cache[uint64, *chunk]
}

func newTier(limit int64) (*tier, error) {
	t := &tier{limit: limit}
	if limit < chunkSize {
		return t, nil
	}
	var err error
	t.cache, err = ristretto.NewCache(&ristretto.Config[uint64, *chunk]{
		NumCounters: max(1e5, 20*limit/chunkSize), // ten times what fits is too few: one-time readers pass by in between
		MaxCost:     limit,
		BufferItems: 64,
		// Our costs are bytes; the 56 it would add are not worth counting.
		IgnoreInternalCost: true,
		OnExit:             func(ch *chunk) { t.held.Add(-ch.cost()) },
	})
	return t, err
}

func tierKey(id uint64, index int64) uint64 {
	return id + uint64(index)*0x9E3779B97F4A7C15
}

// put offers ch, which must not change any more.
func (t *tier) put(ch *chunk) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	// ristretto applies a Set later; what waits in its queue is memory too.
	if t.cache == nil || t.held.Load() > t.limit+t.limit/4 {
		return
	}
	t.held.Add(ch.cost())
	if !t.cache.Set(tierKey(ch.id.hash, ch.index), ch, ch.cost()) {
		t.held.Add(-ch.cost())
	}
}

// find gives a chunk of the file, or nil.
func (t *tier) find(id *identity, index int64) *chunk {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.cache == nil {
		return nil
	}
	ch, ok := t.cache.Get(tierKey(id.hash, index))
	if !ok || ch.index != index || ch.id.fileID != id.fileID {
		return nil
	}
	return ch
}

// forget drops what is held of a file.
func (t *tier) forget(id *identity) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.cache == nil {
		return
	}
	for i := int64(0); i*chunkSize < id.size; i++ {
		t.cache.Del(tierKey(id.hash, i))
	}
}

func (t *tier) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cache != nil {
		t.cache.Close()
		t.cache = nil
	}
}
