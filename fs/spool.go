package fs

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"sync"

	"replicatefs/api"
	"replicatefs/fs/tree"
)

// A spool is a file on this machine's disk that is being written: an upload may
// be larger than what should be in memory.
type spool struct {
	dir string

	mu   sync.Mutex // guards what follows
	file *os.File   // nil before the first write, and once closed
	size int64
	over bool
}

func (s *spool) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

func (s *spool) openLocked() error {
	if s.over {
		return iofs.ErrClosed
	}
	if s.file != nil {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, "spool-")
	s.file = f
	return err
}

func (s *spool) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if off+int64(len(p)) > api.MaxUpload {
		return 0, tree.ErrTooLarge
	}
	if err := s.openLocked(); err != nil {
		return 0, err
	}
	n, err := s.file.WriteAt(p, off)
	s.size = max(s.size, off+int64(n))
	return n, err
}

func (s *spool) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return 0, io.EOF
	}
	return s.file.ReadAt(p, off)
}

func (s *spool) Truncate(_ context.Context, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > api.MaxUpload {
		return tree.ErrTooLarge
	}
	if size == s.size {
		return nil
	}
	if err := s.openLocked(); err != nil {
		return err
	}
	if err := s.file.Truncate(size); err != nil {
		return err
	}
	s.size = size
	return nil
}

// reader reads the whole of it from the start, as often as a lost connection
// asks for.
func (s *spool) reader() io.ReadSeeker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return io.NewSectionReader(s.file, 0, s.size)
}

// keep gives the file a name, under which it stays.
func (s *spool) keep(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return iofs.ErrClosed
	}
	err := errors.Join(os.Rename(s.file.Name(), name), s.file.Close())
	s.file, s.over = nil, true
	return err
}

// close removes the file, unless it was kept.
func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.file == nil {
		return nil
	}
	err := errors.Join(os.Remove(s.file.Name()), s.file.Close())
	s.file = nil
	return err
}

// reread reads what is in a spool; it does not end with the reading.
type reread struct{ *spool }

func (reread) Close() error { return nil }
