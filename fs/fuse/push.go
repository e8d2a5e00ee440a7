package fuse

import (
	"cmp"
	"os"
	"slices"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"
)

const (
	// pushers is how many pieces are handed to the kernel at a time, over
	// all files. One may be stuck behind a page that an unanswered read has
	// locked; the others go on.
	pushers = 4

	// piece is the most that is handed over at once, so that nobody waits
	// long for a turn.
	piece = 1 << 20
)

var pageSize = int64(os.Getpagesize())

// push puts bytes that arrived ahead of the reader into the kernel's cache.
// An ordinary user's mount reads ahead 128 KiB at most; this makes up for it.
//
// It runs in the goroutine of who announces, so it copies nothing; it may
// take a while, and then the announcer leaves pieces out. No lock is held
// meanwhile, because the kernel may wait in it for a read that we have not
// answered yet.
//
// Pages that a read under way asks for are left out. Its answer brings them
// anyway; until then the kernel has locked them, and who pushes them waits for
// it. Were the program killed just then, that wait could never end: the thread
// keeps the connection open whose end would end it, and the mount hangs. A read
// that has not come to us yet can still lock a page under our hands, but only
// for as long as it takes to come.
//
// Only files open cached come here (the kernel looks at no pages otherwise),
// and only whole pages within the size: bytes past the size would make the
// file longer.
func (b *binding) push(r *reader, off int64, p []byte) {
	end := off + int64(len(p))
	if off < 0 || off%pageSize != 0 || end > r.size || end%pageSize != 0 && end != r.size {
		b.log.Debug("piece not pushed, it is no whole pages of the file", "ino", r.id, "off", off, "len", len(p))
		return
	}
	var reads []span
	b.nodes.look(r.id, func(o *opened) { reads = slices.Clone(o.reads) })
	for _, free := range without(span{off, end}, reads) {
		if !b.store(r, free.from, p[free.from-off:free.to-off]) {
			return
		}
	}
}

// store puts whole pages into the kernel's cache; false if nobody reads them
// any more.
func (b *binding) store(r *reader, off int64, p []byte) bool {
	for len(p) > 0 {
		select {
		case b.pages <- struct{}{}:
		case <-b.quit:
			return false
		}
		n := min(len(p), piece)
		var status gofuse.Status
		if !r.done.Load() {
			status = b.kernel.InodeNotifyStoreCache(r.id, off, p[:n])
		}
		<-b.pages
		// ENOENT is a file that the kernel has forgotten, others are a mount
		// that is ending: all of them say that nobody reads.
		if r.done.Load() || status != gofuse.OK {
			return false
		}
		b.pushed.Add(int64(n))
		off += int64(n)
		p = p[n:]
	}
	return true
}

// A span is the bytes [from, to) of a file.
type span struct{ from, to int64 }

// without is what is left of all after the pages of some are taken out.
func without(all span, some []span) []span {
	slices.SortFunc(some, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var left []span
	for _, s := range some {
		from, to := s.from/pageSize*pageSize, (s.to+pageSize-1)/pageSize*pageSize
		if to <= all.from || from >= all.to {
			continue
		}
		if from > all.from {
			left = append(left, span{all.from, from})
		}
		if all.from = to; all.from >= all.to {
			return left
		}
	}
	return append(left, all)
}
