package cache

// fileID names the bytes of one file. Files of equal name share everything.
type fileID struct {
	key  string
	size int64
}

// identity is a fileID and its hash, which differs from process to process.
type identity struct {
	fileID
	hash uint64
}

// chunk is a piece of one file in memory: chunkSize bytes at a multiple of it, or fewer where a stream began in the
// middle (lo) or a fetch ended early (hi). Chunks in flight, inside the live window of a reader, or waiting to be written
// are in use: they are in their object's map and count against the budget. Others have their second chance in the tier.
//
// Bytes below the mark of the fetch never change again, so they may be lent while the rest arrives. The memory belongs to
// the garbage collector: it is never used for another chunk while anybody may hold it.
type chunk struct {
	id     *identity
	index  int64
	lo, hi int64  // the bytes of the file that buf holds
	buf    []byte // set by the fetch before its mark passes lo
	sum    uint32 // of buf, once it is full; it is made while the bytes are still in the processor's cache

	// Guarded by object.mu.
	fetch   *fetch // that fills it; nil once it is whole
	mapped  bool   // in its object's map
	writing bool   // in the writer's queue
	counted bool   // in the budget; those that came back from the tier are not
	resting bool   // in its object's list of those that may go
	bad     bool   // of a file that did not match its MD5
}

func (ch *chunk) cost() int64 {
	if ch == nil {
		return 0
	}
	return int64(len(ch.buf))
}

// holds tells whether [off, end) is inside.
func (ch *chunk) holds(off, end int64) bool { return ch.lo <= off && end <= ch.hi }

// bytes gives [off, end) of the file, which must be inside and have arrived.
func (ch *chunk) bytes(off, end int64) []byte {
	return ch.buf[off-ch.lo : end-ch.lo : end-ch.lo]
}

// whole tells whether the chunk is all of what a file has at its index, so that it can be stored.
func (ch *chunk) whole() bool {
	return ch.lo == ch.index*chunkSize && ch.hi == min(ch.lo+chunkSize, ch.id.size)
}
