package fuse

import (
	"maps"
	"slices"
	"sync"
)

// A handle is what the kernel has open: a *listing, a *reader or a *draft.
type handle interface {
	// close lets go of everything. It is called once, after the last request
	// on the handle.
	close(b *binding)
}

// handles gives numbers to what is open. Numbers are not used twice.
type handles struct {
	mu   sync.RWMutex      // guards all below
	open map[uint64]handle // nil while it is being released
	last uint64
}

func (hs *handles) add(h handle) uint64 {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.open == nil {
		hs.open = make(map[uint64]handle)
	}
	hs.last++
	hs.open[hs.last] = h
	return hs.last
}

// get returns nil for a number that is not open.
func (hs *handles) get(fh uint64) handle {
	hs.mu.RLock()
	defer hs.mu.RUnlock()
	return hs.open[fh]
}

// release closes a handle, which is among the open ones until that is done.
func (hs *handles) release(fh uint64, b *binding) {
	hs.mu.Lock()
	h := hs.open[fh]
	if h == nil {
		hs.mu.Unlock()
		return
	}
	hs.open[fh] = nil
	hs.mu.Unlock()
	h.close(b)
	hs.mu.Lock()
	delete(hs.open, fh)
	hs.mu.Unlock()
}

// all takes all handles that nobody releases.
func (hs *handles) all() []handle {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	all := slices.Collect(maps.Values(hs.open))
	clear(hs.open)
	return slices.DeleteFunc(all, func(h handle) bool { return h == nil })
}

func (hs *handles) count() int {
	hs.mu.RLock()
	defer hs.mu.RUnlock()
	return len(hs.open)
}
