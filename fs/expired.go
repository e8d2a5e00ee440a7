package fs

import (
	"context"
	"fmt"
	iofs "io/fs"
	"slices"
	"strings"
	"time"

	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// expiredName is the file that says what Replicate deleted before it was kept
// here.
const expiredName = "expired.txt"

// errDeleted is the answer to whoever asks for a lost file by its name.
var errDeleted = fmt.Errorf("%w: Replicate has deleted it, see %s", iofs.ErrNotExist, expiredName)

// lost tells which files of a prediction can no longer be had: Replicate
// deleted them, and they are not wholly here. Only what Replicate itself said
// counts; an API that cannot be reached deletes nothing.
func (f *FS) lost(ctx context.Context, p catalog.Prediction, items []item) (map[string]bool, error) {
	if !p.Removed && !p.Gone || !slices.ContainsFunc(items, func(it item) bool { return it.kind == remote }) {
		return nil, nil
	}
	facts, err := f.catalog.Outputs(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	var lost map[string]bool
	for _, it := range items {
		fact, asked := facts[it.name]
		if it.kind != remote || !p.Removed && !fact.Gone {
			continue
		}
		if asked && !fact.Gone && f.cache.Complete(key(p.ID, it.name, fact)) {
			continue
		}
		if lost == nil {
			lost = map[string]bool{}
		}
		lost[it.name] = true
	}
	return lost, nil
}

// An expired file names what was lost.
type expired struct {
	fs *FS
	id string
}

func (e *expired) Ino() uint64             { return tree.Ino("prediction", e.id, expiredName) }
func (e *expired) Peek() (tree.Info, bool) { return tree.Info{}, false }

func (e *expired) Info(ctx context.Context) (tree.Info, error) {
	b, mod, err := e.bytes(ctx)
	if err != nil {
		return tree.Info{}, err
	}
	return tree.Info{Mode: tree.FileMode, Size: int64(len(b)), ModTime: mod, Live: true}, nil
}

func (e *expired) Open(ctx context.Context) (tree.Handle, error) {
	b, _, err := e.bytes(ctx)
	return tree.Memory(b), err
}

func (e *expired) bytes(ctx context.Context) ([]byte, time.Time, error) {
	known, err := e.fs.folder(ctx, e.id)
	if err != nil {
		return nil, time.Time{}, err
	}
	p, _ := e.fs.about(e.id)
	lost, err := e.fs.lost(ctx, p, known.all)
	if err != nil {
		return nil, time.Time{}, err
	}
	if len(lost) == 0 && !known.DataRemoved {
		return nil, time.Time{}, iofs.ErrNotExist
	}
	var b strings.Builder
	b.WriteString("Replicate deletes what a prediction read and made one hour after the run.\n")
	if known.DataRemoved {
		b.WriteString("What this one made was deleted before this mount saw its end.\n")
	}
	if len(lost) > 0 {
		b.WriteString("These files were deleted before they were kept here:\n\n")
		for _, it := range known.all {
			if lost[it.name] {
				fmt.Fprintf(&b, "%s\t%s\n", it.name, it.text)
			}
		}
	}
	return []byte(b.String()), modTime(p), nil
}
