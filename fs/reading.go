package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	case errors.Is(err, cache.ErrGone) || errors.Is(err, api.ErrGone):
		return fmt.Errorf("%w: %w", tree.ErrGone, err)
	}
	return err
}

var (
	_ tree.Lender    = (*reading)(nil)
	_ tree.Backed    = (*reading)(nil)
	_ tree.Announcer = (*reading)(nil)
	_ tree.Recaller  = (*reading)(nil)
	_ tree.Prover    = (*reading)(nil)
)
