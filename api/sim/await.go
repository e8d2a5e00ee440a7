package sim

import (
	"context"
	"net"
	"net/http"
	"time"
)

// await waits until done holds for p, or until a moment, or until ctx ends, and
// answers p as it is then and whether done held. done is called with the world
// locked and p settled.
func (s *Sim) await(ctx context.Context, p *prediction, until time.Time, done func(*prediction) bool) (Prediction, bool) {
	for {
		s.mu.Lock()
		now := s.now()
		s.settleLocked(p, now)
		is, ok := p.Prediction, done(p)
		next, more := p.changesLocked()
		tick := s.tick
		s.mu.Unlock()
		if ok || ctx.Err() != nil || !now.Before(until) {
			return is, ok
		}
		if !more || until.Before(next) {
			next = until
		}
		s.rest(ctx, tick, next.Sub(now))
	}
}

// rest sleeps until something may have changed: after d, or when the tick
// comes, or when ctx ends.
func (s *Sim) rest(ctx context.Context, tick <-chan struct{}, d time.Duration) {
	t := time.NewTimer(max(d, time.Millisecond)) // a clock that stands still must not spin
	defer t.Stop()
	select {
	case <-t.C:
	case <-tick:
	case <-ctx.Done():
	}
}

func onePrediction(c *call) (*reply, *problem) {
	s := c.s
	id := c.r.PathValue("id")
	s.mu.Lock()
	p := s.findLocked(id)
	var is Prediction
	var stream string
	if p != nil {
		is, stream = p.Prediction, p.stream
	}
	s.mu.Unlock()
	if p == nil {
		var known bool
		if r, ours := s.predictionRef(id); ours && r.kind == kindPast {
			is, known = s.pastRow(r.n)
		}
		if !known {
			return nil, errNotFound
		}
	}
	return success(s.shape(&is, stream, c.bases, false))
}

// cancelPrediction ends a run. One that has ended stays as it is.
func cancelPrediction(c *call) (*reply, *problem) {
	s := c.s
	s.mu.Lock()
	p := s.findLocked(c.r.PathValue("id"))
	if p == nil {
		s.mu.Unlock()
		return onePrediction(c)
	}
	if !p.Status.Terminal() {
		s.finishLocked(p, Canceled, s.now())
		s.wakeLocked()
	}
	is, stream := p.Prediction, p.stream
	s.mu.Unlock()
	return &reply{status: http.StatusOK, v: s.shape(&is, stream, c.bases, false)}, nil
}

// isLoopback tells whether a host name is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
