package fuse

import (
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

const (
	// plenty is how many nodes may be known before the kernel is asked to
	// forget some. A backup walks everything, and the kernel by itself
	// forgets nothing while it has memory, so neither could we.
	plenty = 200_000

	// handful is how many it is asked to forget at a time.
	handful = 1000
)

// linked comes after each link: now and then it is time to prune.
func (b *binding) linked() {
	if n := b.nodes.count.Load(); n > b.pruneAt.Load() {
		// The kernel forgets only what nobody uses, and tells us later. So
		// ask again only when there are many more.
		b.pruneAt.Store(n + plenty/4)
		b.news.shrink()
	}
}

// forgot comes after the kernel forgot something.
func (b *binding) forgot() {
	if b.pruneAt.Load() != plenty && b.nodes.count.Load() < plenty {
		b.pruneAt.Store(plenty)
	}
}

// prune asks the kernel to forget what it does not use (Linux 6.18; older
// ones answer ENOSYS), until half of plenty would be left. Which ones does
// not matter much: all are found again by name.
func (b *binding) prune(stop <-chan struct{}) {
	n := int(b.nodes.count.Load())
	each := (n - plenty/2) / shards
	for i := range shards {
		ids := b.nodes.idle(i, each)
		for len(ids) > 0 {
			some := ids[:min(len(ids), handful)]
			ids = ids[len(some):]
			switch status := b.kernel.PruneNotify(some); status {
			case gofuse.OK, gofuse.ENOENT:
			default:
				b.log.Debug("kernel does not prune", "status", status.String())
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}
}
