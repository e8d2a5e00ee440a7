package fuse

import (
	"sync"
	"sync/atomic"

	"replicatefs/fs/tree"
)

// rootID is the kernel's number of the root.
const rootID = 1

// shards is how many locks the table has. A power of two, because the number
// of a node also tells its shard.
const shards = 64

// aliasBit marks numbers that are not the Ino of their node (see link).
const aliasBit = 1 << 63

// A table holds what the kernel remembers: by number the node, and how many
// times the kernel was told of it. It is all that a walked file costs here,
// about 70 bytes, so it has neither names nor parents. What only open files
// need is kept apart, in opened.
type table struct {
	root    tree.Dir
	count   atomic.Int64
	aliases atomic.Uint64
	shards  [shards]shard
}

type shard struct {
	mu    sync.Mutex // guards all below, and every opened in it
	nodes map[uint64]known
	peak  int // most nodes since the map was last made
	open  map[uint64]*opened
	alias map[uint64]uint64 // Ino → number, where they differ
}

type known struct {
	node    tree.Node
	lookups uint64
}

func newTable(root tree.Dir) *table {
	t := &table{root: root}
	for i := range t.shards {
		t.shards[i].nodes = make(map[uint64]known)
	}
	return t
}

func (t *table) shard(id uint64) *shard { return &t.shards[id%shards] }

// node returns the node of a number.
func (t *table) node(id uint64) (tree.Node, bool) {
	if id == rootID {
		return t.root, true
	}
	s := t.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.nodes[id]
	return k.node, ok
}

// ino is the number that stat shows.
func (t *table) ino(n tree.Node) uint64 {
	if ino := n.Ino(); ino != t.root.Ino() {
		return ino
	}
	return rootID
}

// id returns the number under which the kernel may know an Ino. False says
// that it does not.
func (t *table) id(ino uint64) (uint64, bool) {
	if ino == t.root.Ino() {
		return rootID, true
	}
	s := t.shard(ino)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.alias[ino]; ok {
		return id, true
	}
	_, ok := s.nodes[ino]
	return ino, ok
}

// link counts one more time that the kernel is told of n, and returns the
// number for it. The newer of two nodes with one number is kept, because it
// may say newer things.
//
// The number is the Ino, except when the kernel still has a file of this Ino
// open whose name was removed: the new file must not share its cached pages
// and size, so it gets a number of its own.
func (t *table) link(n tree.Node) uint64 {
	ino := n.Ino()
	if ino == t.root.Ino() {
		return rootID // never forgotten, so never counted
	}
	s := t.shard(ino)
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.alias[ino]
	if !ok {
		id = ino
	}
	if o := s.open[id]; o != nil && o.unlinked {
		id = aliasBit | t.aliases.Add(1)*shards | ino%shards
		if s.alias == nil {
			s.alias = make(map[uint64]uint64)
		}
		s.alias[ino] = id
	}
	k, ok := s.nodes[id]
	if !ok {
		t.count.Add(1)
	}
	s.nodes[id] = known{n, k.lookups + 1}
	s.peak = max(s.peak, len(s.nodes))
	return id
}

// renew puts a newer node in place of the one with its number, if the kernel
// knows that.
func (t *table) renew(n tree.Node) {
	ino := n.Ino()
	s := t.shard(ino)
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.alias[ino]
	if !ok {
		id = ino
	}
	if k, ok := s.nodes[id]; ok {
		s.nodes[id] = known{n, k.lookups}
	}
}

// forget takes back n times of link. The kernel's answers to our replies and
// its forgetting cross on the way; counting makes the order harmless.
func (t *table) forget(id, n uint64) {
	if id == rootID {
		return
	}
	s := t.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.nodes[id]
	if !ok {
		return
	}
	if k.lookups > n {
		s.nodes[id] = known{k.node, k.lookups - n}
		return
	}
	delete(s.nodes, id)
	t.count.Add(-1)
	if ino := k.node.Ino(); id != ino && s.alias[ino] == id {
		delete(s.alias, ino)
	}
	// Go's maps never shrink. After a walk over everything this one would
	// keep its size for good.
	if s.peak > 1024 && len(s.nodes) < s.peak/4 {
		smaller := make(map[uint64]known, len(s.nodes))
		for id, k := range s.nodes {
			smaller[id] = k
		}
		s.nodes, s.peak = smaller, len(s.nodes)
	}
}

// An opened is what there is to know of a node while it is open.
type opened struct {
	cached, direct, pass int // openings by what the kernel was told (see open.go)
	backing              int32
	unlinked             bool     // its name was removed
	drafts               []*draft // openings for writing, the last writer last
	reads                []span   // that the kernel waits for, where its pages are cached
}

// with calls f with what is known of the openings of id, under the lock. What
// f leaves without any opening is forgotten.
func (t *table) with(id uint64, f func(o *opened)) {
	s := t.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.open[id]
	if o == nil {
		o = &opened{}
	}
	f(o)
	if o.cached+o.direct+o.pass == 0 {
		delete(s.open, id)
		return
	}
	if s.open == nil {
		s.open = make(map[uint64]*opened)
	}
	s.open[id] = o
}

// look calls f like with, but only if id is open.
func (t *table) look(id uint64, f func(o *opened)) {
	s := t.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[id]; o != nil {
		f(o)
	}
}

// isOpen says whether id is open.
func (t *table) isOpen(id uint64) (open bool) {
	t.look(id, func(*opened) { open = true })
	return open
}

// idle returns up to max numbers of nodes that are not open, in no order.
func (t *table) idle(shard, max int) []uint64 {
	s := &t.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []uint64
	for id := range s.nodes {
		if len(ids) >= max {
			break
		}
		if s.open[id] == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
