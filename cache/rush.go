package cache

import (
	"sync"
	"time"
)

// In a rush, large files come faster than any line does, from a machine nearby, and it is the processors that a reader waits
// for. A copy to the disk takes a quarter of them: it was measured to make 256 MiB over 16 connections a seventh slower, and
// 1 GiB from the same machine a fourth. So it is left for later, like what a slow disk has no time for (holes.go), of those
// whose receiver can be asked for the bytes again. That must not go on for long: the receiver forgets too.
const (
	rushRate  = 250e6                  // bytes per second
	rushFile  = 64 << 20               // smaller files are read before it matters
	rushLook  = 20 * time.Millisecond  // over which the rate is taken
	rushLasts = 100 * time.Millisecond // after it was seen
	rushMost  = 2 * time.Second        // then what comes is written as it comes, however fast
	rushAgain = time.Second            // without a rush, until there can be another one
)

// rush notices one.
type rush struct {
	mu    sync.Mutex // guards what follows
	since time.Time  // bytes came from then on
	bytes int64
	began time.Time
	seen  time.Time // last
}

// came takes in that n bytes have come.
func (r *rush) came(n int64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += n
	took := now.Sub(r.since)
	if took < rushLook {
		return
	}
	if float64(r.bytes) >= rushRate*took.Seconds() {
		if now.Sub(r.seen) > rushAgain {
			r.began = now
		}
		r.seen = now
	}
	r.since, r.bytes = now, 0
}

// on tells whether there is one.
func (r *rush) on(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Sub(r.seen) < rushLasts && now.Sub(r.began) < rushMost
}
