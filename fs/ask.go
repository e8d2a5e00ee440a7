package fs

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// questions are asked once, however many want the answer at the same time. A
// question goes on when its asker leaves, since others may wait for it; it ends
// with the life of the tree, and Close waits for it.
type questions struct {
	life  context.Context
	tasks *sync.WaitGroup
	group singleflight.Group
}

// listLimit bounds the reading of a whole list, which may have many pages.
const listLimit = 10 * time.Minute

// ask asks, for so long at most, unless somebody is asking already.
func (q *questions) ask(ctx context.Context, key string, limit time.Duration, question func(context.Context) (any, error)) (any, error) {
	type answer struct {
		value any
		err   error
	}
	done := make(chan answer, 1)
	q.tasks.Go(func() {
		value, err, _ := q.group.Do(key, func() (any, error) {
			ctx, cancel := context.WithTimeout(q.life, limit)
			defer cancel()
			return question(ctx)
		})
		done <- answer{value, err}
	})
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
