package fs

import (
	"context"
	"errors"
	"fmt"
	"path"

	"replicatefs/cache"
	"replicatefs/fs/tree"
)

// Progress tells how far a Fetch or Keep has come.
type Progress struct {
	Path      string // of the file at hand, in the mount
	Files     int    // to be brought here
	FilesDone int
	Bytes     int64 // of all of them
	BytesDone int64
}

// Fetch brings the file that a path of the mount leads to, or all files in a
// folder, into the cache, in full and checked. Links are followed, so the
// folders of views work too. What is here already costs nothing. A file that
// cannot be had does not keep the others away; the error is of the first such.
// Progress may be nil; it is called from the calling goroutine.
func (f *FS) Fetch(ctx context.Context, path string, progress func(Progress)) error {
	return f.bring(ctx, path, progress, func(_ *output, r *cache.Reader, done func(int64)) error { return r.Fill(ctx, done) })
}

// Keep is Fetch for good: what it brings here outlives Replicate's copy, and no
// limit of the cache evicts it. cache.ErrFull says that there is no room for
// more.
func (f *FS) Keep(ctx context.Context, path string, progress func(Progress)) error {
	defer f.settle(ctx)
	return f.bring(ctx, path, progress, func(o *output, r *cache.Reader, done func(int64)) error {
		return errors.Join(f.setForgotten(ctx, o, false), r.Keep(ctx, done))
	})
}

// Forget gives up what is held here of the files that a path of the mount
// leads to, kept or not. What Replicate has deleted meanwhile is lost then.
func (f *FS) Forget(ctx context.Context, path string) error {
	outputs, err := f.outputsAt(ctx, path)
	if err != nil {
		return err
	}
	for _, o := range outputs {
		facts, err := f.catalog.Outputs(ctx, o.id)
		if err != nil {
			return err
		}
		if fact, ok := facts[o.name]; ok {
			err := f.setForgotten(ctx, o, true)
			if err = errors.Join(err, f.cache.Forget(key(o.id, o.name, fact))); err != nil {
				return fmt.Errorf("forget %s: %w", o.path(), err)
			}
		}
		f.changed(ctx, o.id)
	}
	return nil
}

// bring has some files brought here, one after the other.
func (f *FS) bring(ctx context.Context, path string, progress func(Progress), some func(o *output, r *cache.Reader, done func(int64)) error) error {
	if progress == nil {
		progress = func(Progress) {}
	}
	outputs, err := f.outputsAt(ctx, path)
	if err != nil {
		return err
	}
	p := Progress{Files: len(outputs)}
	var failed []error
	var found []*output
	for _, o := range outputs {
		fact, err := f.fact(ctx, o.id, o.name)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", o.path(), err))
			continue
		}
		found = append(found, o)
		p.Bytes += fact.Size
	}
	for _, o := range found {
		p.Path = o.path()
		progress(p)
		before := p.BytesDone
		size, err := o.bring(ctx, some, func(done int64) {
			p.BytesDone = before + done
			progress(p)
		})
		p.BytesDone = before + size
		switch {
		case err == nil:
			p.FilesDone++
			progress(p)
		case ctx.Err() != nil || errors.Is(err, cache.ErrFull):
			return fmt.Errorf("%s: %w", p.Path, err)
		default:
			failed = append(failed, fmt.Errorf("%s: %w", p.Path, err))
		}
	}
	switch len(failed) {
	case 0:
		return nil
	case 1:
		return failed[0]
	}
	return fmt.Errorf("%d of %d files cannot be had; the first is %w", len(failed), len(outputs), failed[0])
}

// bring has one file brought here, and tells its size.
func (o *output) bring(ctx context.Context, some func(o *output, r *cache.Reader, done func(int64)) error, done func(int64)) (int64, error) {
	h, err := o.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer h.Close()
	r := h.(*reading).Reader
	return r.Size(), some(o, r, done)
}

// path is where an output is in the mount.
func (o *output) path() string { return placeOf(o.id) + "/" + o.name }

// outputsAt are the outputs that a path leads to: one, or all below a folder,
// each once.
func (f *FS) outputsAt(ctx context.Context, name string) ([]*output, error) {
	name = path.Clean("/" + name)[1:]
	h := &harvest{root: f.Root(), seen: map[uint64]bool{}}
	node, err := tree.Resolve(ctx, h.root, name)
	if err == nil {
		err = h.below(ctx, name, node)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return h.found, nil
}

// A harvest goes through a folder for outputs.
type harvest struct {
	root  tree.Dir
	seen  map[uint64]bool // what was looked at: a prediction is in many folders
	found []*output
}

func (h *harvest) below(ctx context.Context, name string, node tree.Node) error {
	if h.seen[node.Ino()] {
		return nil
	}
	h.seen[node.Ino()] = true
	switch node := node.(type) {
	case *output:
		h.found = append(h.found, node)
	case tree.Link:
		to, err := tree.Resolve(ctx, h.root, name)
		if err != nil {
			return err
		}
		return h.below(ctx, name, to)
	case tree.Dir:
		entries, err := node.List(ctx)
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := path.Join(name, e.Name)
			if name == "collections" || isExample(e.Node) {
				continue // not the account's; who wants those says so
			}
			if err := h.below(ctx, name, e.Node); err != nil {
				return err
			}
		}
	}
	return nil
}

// ClearCache deletes what is neither kept nor in use from the cache. The
// catalog stays, and so does everything that this mount shows of it.
func (f *FS) ClearCache(ctx context.Context) (cache.Report, error) { return f.cache.Clear(ctx) }

// SettleCache waits until what was read is in the cache as far as it will be. It
// must be called before the mount is gone.
func (f *FS) SettleCache(ctx context.Context) error { return f.cache.Settle(ctx) }

// PruneCache applies the limits of the cache now.
func (f *FS) PruneCache(ctx context.Context) (cache.Report, error) { return f.cache.Prune(ctx) }

// VerifyCache reads all that is held here and checks it; see cache.Verify.
func (f *FS) VerifyCache(ctx context.Context, progress func(cache.Report)) (cache.Report, error) {
	return f.cache.Verify(ctx, progress)
}
