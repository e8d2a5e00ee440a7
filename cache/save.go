package cache

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// save brings the sidecar up to date: the bytes first, then what is said of them. Whole files are checked before they are
// called complete.
func (o *object) save() error {
	s := &o.store
	s.flush.Lock()
	defer s.flush.Unlock()
	o.mu.Lock()
	if !s.dirty || s.file == nil || s.readonly {
		s.dirty = false
		o.mu.Unlock()
		return nil
	}
	s.dirty, s.flushing = false, true
	file := s.file
	// What is written from now on is in the next sidecar: this one may only promise what the sync below covers.
	side := &sidecar{
		key: o.id.key, etag: o.src.ETag(), size: o.id.size, have: s.have.clone(), sums: append([]uint32(nil), s.sums...),
	}
	o.mu.Unlock()

	err := o.saveFile(file, side)

	o.mu.Lock()
	defer o.mu.Unlock()
	s.flushing = false
	switch {
	case errors.Is(err, ErrMismatch):
		// It is too large to be checked on its way, and would come here again each time that it is read.
		s.refused = ErrMismatch
		o.mismatchLocked()
	case s.file != file:
		// Somebody has given the file up meanwhile, with the sidecar; what came after that is no more than a leftover.
		err = removed(os.Remove(s.name + ".meta"))
	case err != nil:
		s.d.fault(err)
		s.dirty = !s.d.off()
	case side.complete && s.count == int64(len(s.sums)):
		o.completeLocked()
	}
	return err
}

// saveFile makes side true and writes it.
func (o *object) saveFile(file *os.File, side *sidecar) error {
	s := &o.store
	if err := datasync(file); err != nil {
		return fmt.Errorf("sync stored chunks: %w", err)
	}
	if side.have.count() == int64(len(side.sums)) {
		if err := o.checkWhole(file, side.etag); err != nil {
			return err
		}
	}
	o.mu.Lock()
	if s.file != file {
		o.mu.Unlock()
		return nil
	}
	side.have.and(s.have) // the check may have found some that are not
	side.complete = side.have.count() == int64(len(side.sums))
	if s.unsure != nil && s.unsure.count() == 0 {
		s.unsure, s.epoch = nil, s.d.epoch
	}
	side.epoch = s.epoch
	o.mu.Unlock()
	if err := replace(s.name+".meta", side.encode()); err != nil {
		return fmt.Errorf("write sidecar: %w", err)
	}
	now := o.c.opt.Now()
	if err := os.Chtimes(s.name+".meta", now, now); err != nil { // the clock of last uses is ours, not the file system's
		return fmt.Errorf("write sidecar: %w", err)
	}
	if !side.complete {
		return nil
	}
	flock(file, unix.LOCK_SH|unix.LOCK_NB) // for the sake of other processes; ours remain right without
	if err := errors.Join(file.Chmod(0o400), syncDir(filepath.Dir(s.name))); err != nil {
		return fmt.Errorf("complete stored file: %w", err)
	}
	return nil
}

// checkWhole checks a file all of whose chunks are there: each that an older epoch left, and the MD5 if there is one.
func (o *object) checkWhole(file *os.File, etag string) error {
	for i := range chunksOf(o.id.size) {
		o.mu.Lock()
		unsure := o.store.unsureLocked(i)
		o.mu.Unlock()
		if unsure && !o.check(i) {
			return nil // not whole any more
		}
	}
	want, ok := md5Of(etag)
	if !ok || o.summed() {
		return nil
	}
	h := md5.New()
	if _, err := io.CopyBuffer(onlyWriter{h}, io.NewSectionReader(file, 0, o.id.size), make([]byte, chunkSize)); err != nil {
		return fmt.Errorf("read stored file: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return ErrMismatch
	}
	return nil
}

// summed tells whether what is stored is what was checked on its way.
func (o *object) summed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sum.good && slices.Equal(o.sum.crcs, o.store.sums)
}

// onlyWriter hides other methods, so that io.CopyBuffer uses the buffer it was given.
type onlyWriter struct{ io.Writer }
