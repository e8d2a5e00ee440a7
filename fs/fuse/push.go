package fuse

import (
	"cmp"
	"context"
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
// it. Were the program to end just then, that wait could never end: the thread
// keeps the connection open whose end would end it, and the mount hangs. So
// the reads are looked at when it is our turn, at the last moment, and an end
// that is not a crash waits for the pushes first (stopPushing). What is left
// is a read that has not come to us yet.
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
	for n := 0; len(p) > 0; off, p = off+int64(n), p[n:] {
		n = min(len(p), piece)
		select {
		case b.pages <- struct{}{}:
		case <-b.quit:
			return
		}
		stored := b.store(r, off, p[:n])
		<-b.pages
		if !stored {
			return
		}
	}
}

// store puts whole pages into the kernel's cache, but for those that are being
// read; false if nobody reads the file any more.
func (b *binding) store(r *reader, off int64, p []byte) bool {
	var reads []span
	b.nodes.look(r.id, func(o *opened) { reads = slices.Clone(o.reads) })
	for _, free := range without(span{off, off + int64(len(p))}, reads) {
		if r.done.Load() {
			return false
		}
		// ENOENT is a file that the kernel has forgotten, others are a mount
		// that is ending: all of them say that nobody reads.
		if b.kernel.InodeNotifyStoreCache(r.id, free.from, p[free.from-off:free.to-off]) != gofuse.OK {
			return false
		}
		b.pushed.Add(free.to - free.from)
	}
	return !r.done.Load()
}

// stopPushing waits for the pushes under way, until ctx ends, and lets no more
// begin. Requests must still be answered meanwhile.
func (b *binding) stopPushing(ctx context.Context) {
	for range pushers {
		select {
		case b.pages <- struct{}{}: // and never given back
		case <-ctx.Done():
			b.log.Warn("what is being put into the kernel's cache does not get there", "because", context.Cause(ctx))
			return
		}
	}
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
