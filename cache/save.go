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
	whole := s.count == int64(len(s.sums)) && !s.complete
	etag := o.src.ETag()
	o.mu.Unlock()

	err := datasync(file)
	if err != nil {
		err = fmt.Errorf("sync stored chunks: %w", err)
	}
	if err == nil && whole {
		err = o.checkWhole(file, etag)
	}

	o.mu.Lock()
	if err != nil || s.file != file {
		s.flushing = false
		switch {
		case errors.Is(err, ErrMismatch):
			// It is too large to be checked on its way, and would come here again each time that it is read.
			s.refused = ErrMismatch
			o.mismatchLocked()
			o.mu.Unlock()
		case err != nil:
			s.dirty = s.file != nil && !s.d.off.Load()
			o.mu.Unlock()
			s.d.fault(err)
		default:
			o.mu.Unlock()
		}
		return err
	}
	complete := whole && s.count == int64(len(s.sums))
	if s.unsure != nil && s.unsure.count() == 0 {
		s.unsure, s.epoch = nil, s.d.epoch
	}
	side := &sidecar{
		key: o.id.key, etag: etag, size: o.id.size, epoch: s.epoch,
		complete: complete, have: s.have.clone(), sums: append([]uint32(nil), s.sums...),
	}
	o.mu.Unlock()

	if err = replace(s.name+".meta", side.encode()); err != nil {
		err = fmt.Errorf("write sidecar: %w", err)
		s.d.fault(err)
	}
	if err == nil {
		now := o.c.opt.Now()
		err = os.Chtimes(s.name+".meta", now, now) // the clock of last uses is ours, not the file system's
	}
	if err == nil && complete {
		err = errors.Join(file.Chmod(0o400), syncDir(filepath.Dir(s.name)))
		flock(file, unix.LOCK_SH|unix.LOCK_NB) // for the sake of other processes; ours remain right without
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s.flushing = false
	if err == nil && complete && s.file == file && s.count == int64(len(s.sums)) {
		o.completeLocked()
	}
	return err
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
