package fs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"replicatefs/fs/tree"
)

// A guard keeps a script, or a program gone wild, from spending more than its
// owner meant to: so many runs at once, and so many in any minute.
type guard struct {
	slots  chan struct{} // one for each run that may be under way
	minute int
	now    func() time.Time

	mu     sync.Mutex
	recent []time.Time // guarded by mu: when the runs of the last minute began, oldest first
}

func newGuard(runs, perMinute int, now func() time.Time) *guard {
	return &guard{slots: make(chan struct{}, max(1, runs)), minute: max(1, perMinute), now: now}
}

// enter waits for its turn as long as ctx allows; a turn that has come needs
// no waiting. The run is over when leave is called, which may be done once or
// more often.
func (g *guard) enter(ctx context.Context) (leave func(), err error) {
	select {
	case g.slots <- struct{}{}:
	default:
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, g.late(ctx, fmt.Errorf("%w: %d runs are under way (--max-runs)", tree.ErrBusy, cap(g.slots)))
		}
	}
	leave = sync.OnceFunc(func() { <-g.slots })
	for {
		wait := g.turn()
		if wait <= 0 {
			return leave, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			leave()
			return nil, g.late(ctx, fmt.Errorf("%w: %d runs were started in the last minute (--max-runs-per-minute)", tree.ErrBusy, g.minute))
		}
	}
}

// join counts a run that was under way before this mount, which waits for no
// turn.
func (g *guard) join() (leave func()) {
	select {
	case g.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-g.slots })
	default:
		return func() {}
	}
}

// late tells a turn that did not come in time from a person who left.
func (g *guard) late(ctx context.Context, busy error) error {
	if ctx.Err() == context.Canceled {
		return context.Canceled
	}
	return busy
}

// turn notes a start and returns 0, or says how long to wait for one.
func (g *guard) turn() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for len(g.recent) > 0 && now.Sub(g.recent[0]) >= time.Minute {
		g.recent = g.recent[1:]
	}
	if len(g.recent) < g.minute {
		g.recent = append(g.recent, now)
		return 0
	}
	return time.Minute - now.Sub(g.recent[0])
}
