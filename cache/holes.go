package cache

import (
	"context"
	"maps"
	"slices"
)

// holesMost is the part of a file, one in so many, that may never have been asked for if its holes are to be fetched again. A
// program that reads a whole file may well leave out a little of it; one that looks at headers or into an archive reads less.
const holesMost = 16

// canWaitLocked tells whether chunks that come can be left out, and be had again from a reader's receiver.
func (o *object) canWaitLocked() bool {
	if o.must > 0 || o.id.size < rushFile {
		return false
	}
	for r := range o.readers {
		if r.recall != nil {
			return true
		}
	}
	return false
}

// leaveOutLocked notes that ch came, and that it was not stored.
func (o *object) leaveOutLocked(ch *chunk) {
	o.c.count.unwritten.Add(1)
	if o.holes == nil {
		o.holes = map[int64]uint32{}
	}
	o.holes[ch.index] = ch.sum
}

// Recall sets how to get back bytes of the file that the receiver was given and may still have: f fills p with those at
// off, as far as it can, and returns how many. What it gives is checked. It is called after Close too.
func (r *Reader) Recall(f func(off int64, p []byte) int) {
	r.o.mu.Lock()
	defer r.o.mu.Unlock()
	r.recall = f
}

// fillHoles brings to the disk what it was too slow for, behind everybody's back: from those who have it, and, of a file that
// was read from end to end or nearly so, over the network again. It happens once after a reading: what goes wrong now is
// left to the next reader.
func (o *object) fillHoles(recall func(off int64, p []byte) int) {
	c := o.c
	o.mu.Lock()
	holes, src, misses := o.holes, o.src, o.sum.misses
	o.holes = nil
	o.mu.Unlock()
	r := c.Open(src)
	c.countFilling(1)
	end := func() {
		r.Close()
		c.countFilling(-1)
	}
	fill := func() {
		defer end()
		if recall != nil {
			r.recallHoles(holes, misses, recall)
		}
		if !o.nearlyRead(holes) {
			return
		}
		if err := r.fill(c.ctx, func(int64) {}, func(int64) error { return nil }); err != nil {
			c.log.Debug("holes in a stored file are not filled", "key", o.id.key, "error", err)
		}
	}
	if !c.spawn(fill) {
		end()
	}
}

// countFilling notes that the filling of a file's holes begins (1) or ends (-1).
func (c *Cache) countFilling(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filling += n; c.filling == 0 && c.filled != nil {
		close(c.filled)
		c.filled = nil
	}
}

// Settle waits until what was left out of files that nobody reads any more is on the disk, as far as it can be had. Once the
// receivers are gone (Recall), it cannot.
func (c *Cache) Settle(ctx context.Context) error {
	for {
		c.mu.Lock()
		if c.filling == 0 {
			c.mu.Unlock()
			return nil
		}
		if c.filled == nil {
			c.filled = make(chan struct{})
		}
		filled := c.filled
		c.mu.Unlock()
		select {
		case <-filled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// recallHoles puts into the writer's queue what of holes can be recalled, and is what came: unless that turns out to be
// wrong meanwhile, by a mismatch more than misses.
func (r *Reader) recallHoles(holes map[int64]uint32, misses int, recall func(off int64, p []byte) int) {
	c, o := r.c, r.o
	for _, i := range slices.Sorted(maps.Keys(holes)) {
		if c.writer.wait(c.ctx) != nil {
			return
		}
		ch := &chunk{id: o.id, index: i, lo: i * chunkSize, hi: i*chunkSize + lenOf(o.id.size, i), sum: holes[i]}
		ch.buf = make([]byte, ch.hi-ch.lo)
		if recall(ch.lo, ch.buf) == len(ch.buf) && checksum(ch.buf) == ch.sum {
			o.mu.Lock()
			if o.sum.misses == misses {
				c.count.recalled.Add(1)
				o.queueLocked(ch)
			}
			o.mu.Unlock()
		}
	}
}

// queueLocked has the writer store a chunk that is not in use, if it is not stored yet.
func (o *object) queueLocked(ch *chunk) {
	if !o.store.wantsLocked(ch.index) {
		return
	}
	o.c.budget.force(ch.cost())
	ch.counted = true
	o.c.writer.putLocked(o, ch)
	o.uncountLocked(ch)
}

// nearlyRead tells whether the file was read from end to end, or nearly so, and would be on the disk by now if the disk
// were faster.
func (o *object) nearlyRead(holes map[int64]uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.store.storesLocked() || o.store.full {
		return false
	}
	n, missing, unread := chunksOf(o.id.size), 0, int64(0)
	for i := range n {
		if ch := o.chunks[i]; o.store.hasLocked(i) || ch != nil && ch.writing {
			continue
		}
		missing++
		if _, came := holes[i]; !came {
			unread++
		}
	}
	return missing > 0 && unread <= n/holesMost
}
