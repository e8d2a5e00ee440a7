package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"replicatefs/api"
	"replicatefs/cache"
	"replicatefs/fs/tree"
)

// A reading is an open output. Once it is known that some of what it gave was
// wrong, it gives nothing more: a program that asks again after an error,
// as the kernel does after a failed read ahead, must not come to a good end.
type reading struct {
	*cache.Reader
	o    *output
	over atomic.Bool // wrong bytes were given
}

func (r *reading) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if r.over.Load() {
		return 0, cache.ErrMismatch
	}
	n, err := r.Reader.ReadAt(ctx, p, off)
	return n, r.judge(err)
}

func (r *reading) ReadVec(ctx context.Context, off int64, n int) ([][]byte, error) {
	if r.over.Load() {
		return nil, cache.ErrMismatch
	}
	b, err := r.Reader.ReadVec(ctx, off, n)
	return b, r.judge(err)
}

// File is nil after wrong bytes: the right ones may be there by now.
func (r *reading) File() (*os.File, bool) {
	if r.over.Load() {
		return nil, false
	}
	return r.Reader.File()
}

func (r *reading) judge(err error) error {
	switch {
	case err == nil:
	case errors.Is(err, cache.ErrMismatch):
		r.over.Store(true)
		r.o.fs.spoiled.add(r.o)
	case errors.Is(err, cache.ErrGone) || errors.Is(err, api.ErrGone):
		return fmt.Errorf("%w: %w", tree.ErrGone, err)
	}
	return err
}

var (
	_ tree.Lender    = (*reading)(nil)
	_ tree.Backed    = (*reading)(nil)
	_ tree.Announcer = (*reading)(nil)
)

// spoiled are the outputs of which wrong bytes were given to the kernel. What
// it has of them must not outlive the opening.
type spoiled struct {
	any     atomic.Bool // a walk asks for each output, and there is hardly ever one
	outputs sync.Map    // output → nil
}

func (s *spoiled) add(o *output) {
	s.outputs.Store(*o, nil)
	s.any.Store(true)
}

func (s *spoiled) has(o *output) bool {
	if !s.any.Load() {
		return false
	}
	_, has := s.outputs.Load(*o)
	return has
}
