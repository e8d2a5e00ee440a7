package fs

import (
	"context"
	"errors"
	iofs "io/fs"
	"sync"
	"time"
)

// misses share questions to the API among all who ask the same at once, and
// remember for a moment what does not exist: file managers and prompts look
// for the same missing names again and again.
type misses struct {
	asking *questions
	now    func() time.Time

	mu      sync.Mutex // guards what follows
	missing map[string]time.Time
}

const (
	missLife    = 30 * time.Second
	maxMisses   = 10_000
	askDeadline = time.Minute // of one question, retries included
)

func newMisses(asking *questions, now func() time.Time) *misses {
	return &misses{asking: asking, now: now, missing: map[string]time.Time{}}
}

// ask asks, unless the answer is known to be no.
func (m *misses) ask(ctx context.Context, key string, question func(context.Context) error) error {
	m.mu.Lock()
	at, missing := m.missing[key]
	m.mu.Unlock()
	if missing && m.now().Sub(at) < missLife {
		return iofs.ErrNotExist
	}
	_, err := m.asking.ask(ctx, key, askDeadline, func(ctx context.Context) (any, error) {
		err := question(ctx)
		m.note(key, errors.Is(err, iofs.ErrNotExist))
		return nil, err
	})
	return err
}

func (m *misses) note(key string, missing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !missing {
		delete(m.missing, key)
		return
	}
	if len(m.missing) >= maxMisses {
		clear(m.missing)
	}
	m.missing[key] = m.now()
}
