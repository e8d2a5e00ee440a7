package fs

import (
	"context"
	"os"
	"path"
	"sync"
	"time"

	"replicatefs/fs/tree"
)

// A storedFile is a file of a draft: an ordinary one, on disk. What is written
// to it is there at once, for every reader.
type storedFile struct {
	fs  *FS
	at  string // its path in the store
	num uint64
}

func (f *storedFile) Ino() uint64             { return f.num }
func (f *storedFile) Peek() (tree.Info, bool) { return tree.Info{}, false }

func (f *storedFile) Info(context.Context) (tree.Info, error) {
	info, err := f.fs.drafts.stat(f.at)
	if err != nil {
		return tree.Info{}, err
	}
	mode := saveMode
	if f.fs.o.ReadOnly {
		mode = tree.FileMode
	}
	return storedInfo(info, mode), nil
}

func (f *storedFile) Open(context.Context) (tree.Handle, error) {
	file, err := f.fs.drafts.root.Open(f.at)
	if err != nil {
		return nil, local(err)
	}
	return onDisk{file}, nil
}

func (f *storedFile) Save(context.Context) (tree.Draft, error) {
	if f.fs.o.ReadOnly {
		return nil, tree.ErrReadOnly
	}
	file, err := f.fs.drafts.root.OpenFile(f.at, os.O_RDWR, 0)
	if err != nil {
		return nil, local(err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &writer{onDisk: onDisk{file}, file: f, store: f.fs.drafts, dir: path.Dir(f.at), ino: inode(info)}, nil
}

func (f *storedFile) Truncate(_ context.Context, size int64) error {
	switch {
	case f.fs.o.ReadOnly:
		return tree.ErrReadOnly
	case size > maxSave:
		return f.tooLarge(size)
	}
	file, err := f.fs.drafts.root.OpenFile(f.at, os.O_WRONLY, 0)
	if err != nil {
		return local(err)
	}
	defer file.Close()
	return file.Truncate(size)
}

// tooLarge says so in the draft as well: cp can only say that a file is.
func (f *storedFile) tooLarge(size int64) error {
	f.fs.tellDraft(path.Dir(f.at), overLimit(path.Base(f.at), size))
	return tree.ErrTooLarge
}

func (f *storedFile) Touch(_ context.Context, mod time.Time) error {
	return local(f.fs.drafts.root.Chtimes(f.at, time.Time{}, mod))
}

// onDisk is a Handle on a file of this machine.
type onDisk struct{ f *os.File }

func (h onDisk) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return h.f.ReadAt(p, off)
}

func (h onDisk) Close() error { return h.f.Close() }

// A writer is one opening of a storedFile for writing. From its first change
// to its Commit the file bears a mark (see unfinished).
type writer struct {
	onDisk
	file  *storedFile
	store *draftStore
	dir   string
	ino   uint64

	mu    sync.Mutex // guards what follows
	dirty bool       // it bears a mark of ours
}

func (w *writer) begin() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dirty {
		return nil
	}
	if err := w.store.begin(w.ino); err != nil {
		return err
	}
	w.dirty = true
	return nil
}

func (w *writer) end(well bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dirty {
		w.store.end(w.ino, well)
		w.dirty = false
	}
}

func (w *writer) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	if end := off + int64(len(p)); end > maxSave {
		return 0, w.file.tooLarge(end)
	}
	return w.f.WriteAt(p, off)
}

func (w *writer) Truncate(_ context.Context, size int64) error {
	if err := w.begin(); err != nil {
		return err
	}
	if size > maxSave {
		return w.file.tooLarge(size)
	}
	return w.f.Truncate(size)
}

func (w *writer) Size() int64 {
	info, err := w.f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// Commit makes what was written outlive the machine.
func (w *writer) Commit(context.Context) error {
	if err := w.f.Sync(); err != nil {
		return err
	}
	w.end(true)
	return w.store.sync(w.dir)
}

func (w *writer) Close() error {
	w.end(false)
	return w.f.Close()
}
