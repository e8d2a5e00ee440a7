package sim

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// Limits are requests per minute. Zero is Replicate's figure, negative none.
type Limits struct {
	Create int // creating predictions and trainings; 600
	Other  int // everything else; 3000
	Burst  int // how many at once; as many as in a minute

	// LowCredit has the 429 say why the limit is low.
	LowCredit bool
}

// limiter is a token bucket for each kind of request.
type limiter struct {
	mu      sync.Mutex // guards all below
	low     bool
	buckets [2]bucket
}

type bucket struct {
	rate  float64 // tokens per second; 0 is no limit
	size  float64
	have  float64
	since time.Time
}

func (l *limiter) init(o Limits, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.low = o.LowCredit
	set := func(b *bucket, n, usual int) {
		if n == 0 {
			n = usual
		}
		n = max(n, 0)
		size := n
		if o.Burst > 0 {
			size = min(size, o.Burst)
		}
		*b = bucket{rate: float64(n) / 60, size: float64(size), have: float64(size), since: now}
	}
	set(&l.buckets[0], o.Other, 3000)
	set(&l.buckets[1], o.Create, 600)
}

// SetLimits changes the limits and fills the buckets.
func (s *Sim) SetLimits(l Limits) { s.limiter.init(l, s.now()) }

// take takes a token. It answers how many are left, or the 429; left is
// negative without a limit.
func (l *limiter) take(create bool, now time.Time) (left int, p *problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &l.buckets[0]
	if create {
		b = &l.buckets[1]
	}
	if b.rate == 0 {
		return -1, nil
	}
	b.have = min(b.size, b.have+b.rate*max(0, now.Sub(b.since).Seconds()))
	b.since = now
	if b.have >= 1 {
		b.have--
		return int(b.have), nil
	}
	wait := max(1, int(math.Ceil((1-b.have)/b.rate)))
	p = &problem{Status: 429}
	if !l.low {
		// As in the documentation: the text is all there is.
		p.Detail = fmt.Sprintf("Request was throttled. Your rate limit resets in ~%ds.", wait)
		p.Status, p.code = 0, 429
		return 0, p
	}
	p.Detail = fmt.Sprintf("Request was throttled. Your rate limit for creating predictions is reduced to %.0f requests per minute "+
		"with a burst of %.0f requests while you have less than $5.0 in credit. Your rate limit resets in ~%ds.", b.rate*60, b.size, wait)
	p.RetryAfter = wait
	return 0, p
}
