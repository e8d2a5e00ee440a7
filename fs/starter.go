package fs

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"time"

	"replicatefs/fs/tree"
)

// A starter is the file run of a draft. It is an empty file on disk, so it is
// there once it was written or copied, and reads as empty; what is written to
// it starts the run, whatever it is.
type starter struct {
	draft *draft
	num   uint64
}

func (s *starter) Ino() uint64             { return s.num }
func (s *starter) Peek() (tree.Info, bool) { return tree.Info{}, false }

func (s *starter) Info(ctx context.Context) (tree.Info, error) {
	return (&storedFile{s.draft.fs, s.draft.at + "/" + runName, s.num}).Info(ctx)
}

func (s *starter) Open(context.Context) (tree.Handle, error) { return tree.Memory(nil), nil }

func (s *starter) Save(context.Context) (tree.Draft, error) {
	if s.draft.fs.o.ReadOnly {
		return nil, tree.ErrReadOnly
	}
	b := &buffer{}
	return &opening{buffer: b, commit: func(ctx context.Context) error {
		if b.Size() == 0 {
			return nil
		}
		return s.draft.start(ctx, "")
	}}, nil
}

func (s *starter) Touch(ctx context.Context, mod time.Time) error {
	return (&storedFile{s.draft.fs, s.draft.at + "/" + runName, s.num}).Touch(ctx, mod)
}

// start runs the model with what is in the draft, but for one file, if any:
// that which is on its way to become run.
func (d *draft) start(ctx context.Context, without string) error {
	dir, err := d.fs.drafts.root.OpenRoot(d.at)
	if err != nil {
		return local(err)
	}
	defer dir.Close()
	d.keep(dir).clear()
	return d.save(ctx, &prepared{fs: d.fs, dir: dir, without: without}, d.keep(dir))
}

// A draftScribe writes what became of a save into the draft itself, wherever
// that has been moved meanwhile.
type draftScribe struct {
	fs  *FS
	dir *os.Root
	num uint64 // of the folder
}

func (d *draft) keep(dir *os.Root) *draftScribe { return &draftScribe{d.fs, dir, d.num} }

// clear takes away what is told of the save before.
func (k *draftScribe) clear() {
	for _, name := range []string{latestName, errorName} {
		if err := k.dir.Remove(name); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			k.fs.log.Warn("a draft shows what became of an older run", "file", name, "err", err)
		}
	}
	k.tell()
}

func (k *draftScribe) accepted(id string) {
	if err := k.dir.Symlink(id, latestName); err != nil {
		k.fs.log.Warn("the latest of a draft could not be written down", "prediction", id, "err", err)
	}
	k.tell()
}

func (k *draftScribe) refused(sentence string) {
	if err := k.dir.WriteFile(errorName, line(sentence), 0o600); err != nil {
		k.fs.log.Warn("the error of a draft could not be written down", "error", sentence, "err", err)
	}
	k.tell()
}

func (k *draftScribe) tell() { k.fs.notify(tree.Change{Node: k.num, Content: true}) }

// tellDraft writes a sentence into the error.txt of a draft that no save led
// to.
func (f *FS) tellDraft(at, sentence string) {
	dir, err := f.drafts.root.OpenRoot(at)
	if err != nil {
		return
	}
	defer dir.Close()
	if info, err := dir.Stat("."); err == nil {
		(&draftScribe{f, dir, storedIno(info)}).refused(sentence)
	}
}

// forget takes away the link to the newest run.
func (d *draft) forget() {
	d.mu.Lock()
	d.newest = nil
	d.mu.Unlock()
	_ = d.fs.drafts.root.Remove(d.at + "/" + latestName) // it may be in memory only
}
