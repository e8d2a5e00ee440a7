package cache

import (
	"sync"
	"time"
)

// object is what the process holds of one file: shared by its readers, and alive as long as there are any, or bytes on
// their way in or to the disk.
type object struct {
	c    *Cache
	id   *identity
	refs int       // readers; guarded by Cache.mu
	open sync.Once // looks for what the disk has

	mu      sync.Mutex // guards what follows; taken after Cache.mu, before the locks of slots, budget and tier
	src     Source     // the latest: its URLs are the freshest
	chunks  map[int64]*chunk
	fetches map[*fetch]struct{}
	readers map[*Reader]struct{}
	ahead   int // fetches begun ahead of need
	writing int // chunks in the writer's queue
	store   store
	must    int              // fills: chunks are stored however long the queue is
	gone    bool             // no longer in Cache.objects
	holes   map[int64]uint32 // chunks that came and were not stored, since the disk was slow, and their checksums
	sum     sum
	resting []*chunk // no window wants them any more, but one of its late reads may
}

// view is a run of bytes that can be had without waiting: in memory, or on the disk.
type view struct {
	mem  []byte
	disk int64 // number of bytes on the disk, where mem is nil
}

func (v view) len() int64 { return int64(len(v.mem)) + v.disk }

// lookLocked gives the bytes from off to at most end that one chunk holds, without waiting. An empty view: none.
func (o *object) lookLocked(off, end int64) view {
	i := off / chunkSize
	if o.heldBackLocked(i) {
		return view{}
	}
	end = min(end, (i+1)*chunkSize)
	if ch := o.chunks[i]; ch != nil && off >= ch.lo {
		to := min(end, ch.hi)
		if ch.fetch != nil {
			to = min(to, ch.fetch.mark.Load())
		}
		if to > off {
			o.c.count.hitsMemory.Add(1)
			return view{mem: ch.bytes(off, to)}
		}
		if ch.fetch != nil {
			return view{} // it comes
		}
	}
	if ch := o.c.tier.find(o.id, i); ch != nil && ch.lo <= off && off < ch.hi {
		o.c.count.hitsTier.Add(1)
		return view{mem: ch.bytes(off, min(end, ch.hi))}
	}
	if o.store.hasLocked(i) {
		o.c.count.hitsDisk.Add(1)
		return view{disk: end - off}
	}
	return view{}
}

// heldLocked tells whether chunk i from off on is held or on its way. A chunk that only the tier has is taken back into
// use, so that it is still there when the reader comes.
func (o *object) heldLocked(i, off int64) bool {
	end := min((i+1)*chunkSize, o.id.size)
	if ch := o.chunks[i]; ch != nil && ch.holds(off, end) {
		return true
	}
	if o.store.hasLocked(i) {
		return true
	}
	ch := o.c.tier.find(o.id, i)
	if ch == nil || !ch.whole() {
		return false
	}
	if o.chunks[i] == nil {
		o.mapLocked(&chunk{id: o.id, index: i, lo: ch.lo, hi: ch.hi, buf: ch.buf})
	}
	return true
}

// askLocked begins a fetch for each run of chunks in sp that is neither held nor on its way.
func (o *object) askLocked(sp span, urgent, bulk bool) {
	for i := sp.off / chunkSize; i*chunkSize < sp.end; i++ {
		off := max(sp.off, i*chunkSize)
		if o.heldLocked(i, off) {
			continue
		}
		end := (i + 1) * chunkSize
		for end < sp.end && !o.heldLocked(end/chunkSize, end) {
			i++
			end += chunkSize
		}
		o.fetchLocked(off, min(end, o.id.size), urgent, bulk)
	}
}

// pumpLocked asks for what the readers will want next.
func (o *object) pumpLocked() {
	for r := range o.readers {
		r.pumpLocked()
	}
}

// wantedLocked tells whether a reader's window touches [off, end).
func (o *object) wantedLocked(off, end int64) bool {
	for r := range o.readers {
		if r.win.covers(off, end) {
			return true
		}
	}
	return false
}

// mapLocked puts ch into use in place of what was there.
func (o *object) mapLocked(ch *chunk) {
	if old := o.chunks[ch.index]; old != nil {
		o.unmapLocked(old)
	}
	ch.mapped = true
	o.chunks[ch.index] = ch
}

// unmapLocked takes ch out of use. Whole or partial, what it holds gets its second chance; one in flight goes on for those
// who wait for it.
func (o *object) unmapLocked(ch *chunk) {
	if !ch.mapped {
		return
	}
	ch.mapped = false
	delete(o.chunks, ch.index)
	if ch.fetch == nil {
		if ch.counted && !ch.bad {
			o.c.tier.put(ch)
		}
		o.uncountLocked(ch)
	}
}

// The kernel sends many reads at once, and one that was delayed may ask for what all others have left behind long ago. It
// must not be fetched again: chunks that leave a window rest here for a while.
const restMost = 8 << 20

// releaseLocked takes ch out of use if nothing needs it: no window, not the writer and not the check. It rests first.
func (o *object) releaseLocked(ch *chunk) {
	if !ch.mapped || ch.fetch != nil || ch.writing || ch.resting || o.sum.running && ch.index >= o.sum.next ||
		o.wantedLocked(ch.lo, ch.hi) {
		return
	}
	ch.resting = true
	o.resting = append(o.resting, ch)
	o.trimLocked(min(restMost, o.c.share()/8))
}

// trimLocked ends the rest of the oldest, down to limit bytes; with no reader left, of all.
func (o *object) trimLocked(limit int64) {
	if len(o.readers) == 0 {
		limit = 0
	}
	for int64(len(o.resting))*chunkSize > limit {
		ch := o.resting[0]
		o.resting[0] = nil
		o.resting = o.resting[1:]
		ch.resting = false
		if ch.mapped && ch.fetch == nil && !ch.writing && !o.wantedLocked(ch.lo, ch.hi) {
			o.unmapLocked(ch)
		}
	}
}

// uncountLocked gives the memory of ch back to the budget if nothing needs it any more.
func (o *object) uncountLocked(ch *chunk) {
	if ch.counted && !ch.mapped && !ch.writing && ch.fetch == nil {
		ch.counted = false
		o.c.budget.give(ch.cost())
	}
}

// settleLocked takes chunks out of use that no window touches any more, among those that touch sp.
func (o *object) settleLocked(sp span) {
	for i := max(sp.off, 0) / chunkSize; i*chunkSize < sp.end; i++ {
		if ch := o.chunks[i]; ch != nil {
			o.releaseLocked(ch)
		}
	}
}

// settleAllLocked does the same for all chunks, and cancels fetches that nobody wants: after a seek or a close.
func (o *object) settleAllLocked() {
	for f := range o.fetches {
		f.reconsiderLocked()
	}
	for _, ch := range o.chunks {
		o.releaseLocked(ch)
	}
	o.trimLocked(restMost)
}

// arrivedLocked notes that ch is whole.
func (o *object) arrivedLocked(ch *chunk) {
	ch.fetch = nil
	if !o.gone && !ch.bad && ch.whole() && o.store.wantsLocked(ch.index) {
		if o.canWaitLocked() && o.c.rush.on(time.Now()) {
			o.leaveOutLocked(ch)
		} else {
			o.c.writer.putLocked(o, ch)
		}
	}
	o.sumUpLocked()
	o.tellLocked()
	if !ch.mapped && !ch.bad { // replaced or cancelled in its last moment
		o.c.tier.put(ch)
	}
	o.releaseLocked(ch)
	o.uncountLocked(ch)
	for r := range o.readers {
		r.announcer.wake()
	}
}
