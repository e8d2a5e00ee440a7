package cache

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

var errOtherProcess = errors.New("another process is storing this file")

// store is the disk's part of an object. The zero value stores nothing. Its fields are guarded by object.mu, except those
// that say otherwise.
type store struct {
	d    *disk  // nil without a disk tier
	name string // path without ending
	key  string

	file     *os.File   // nil as long as there is nothing on the disk
	old      []*os.File // replaced ones, which somebody may still be reading
	have     bitmap     // chunks that can be read
	sums     []uint32
	unsure   bitmap // chunks to check before their first use; nil: none
	count    int64  // of have
	epoch    uint64 // for the sidecar
	complete bool   // whole and checked
	readonly bool   // not ours to write
	kept     bool   // in the vault
	dirty    bool   // the sidecar on disk says less
	flushing bool
	refused  error // why nothing more is stored
	full     bool  // something was not stored for want of room

	flush sync.Mutex // held while writing the sidecar; taken before object.mu
}

func (s *store) hasLocked(i int64) bool { return s.file != nil && s.have.has(i) }

// storesLocked tells whether chunks that come are stored.
func (s *store) storesLocked() bool {
	return s.d != nil && !s.readonly && s.refused == nil && !s.d.off()
}

func (s *store) wantsLocked(i int64) bool { return s.storesLocked() && !s.hasLocked(i) }

func (s *store) unsureLocked(i int64) bool { return s.unsure != nil && s.unsure.has(i) }

// openStore looks for what the disk has of o. Trouble means that it has nothing.
func (o *object) openStore() {
	s, d := &o.store, o.c.disk
	if len(o.id.key) > sidecarText {
		return // a sidecar could not say whose it is
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if v := o.c.vault; v != nil && o.openKeptLocked(v) || d == nil {
		return
	}
	s.d, s.name, s.key = d, d.nameOf(o.id.key), o.id.key
	s.epoch = d.epoch
	if d.off() {
		return
	}
	f, err := os.Open(s.name + ".data")
	if err != nil {
		return
	}
	// Shared, then exclusive if there is still something to write: that way complete objects are read by many processes.
	shared := flock(f, unix.LOCK_SH|unix.LOCK_NB) == nil
	side, err := readSidecar(s.name, o.id.key, o.id.size)
	st, staterr := f.Stat()
	if err != nil || staterr != nil || st.Size() != o.id.size {
		f.Close()
		if shared {
			o.c.log.Debug("stored object cannot be used", "key", o.id.key, "error", err)
			d.remove(s.name)
		}
		return
	}
	s.file, s.have, s.sums, s.count = f, side.have, side.sums, side.have.count()
	s.complete = side.complete
	if side.epoch != d.epoch {
		s.epoch, s.complete = side.epoch, false
		s.unsure = side.have.clone()
	}
	if !s.complete && !s.writableLocked() {
		s.readonly = true
	}
	now := o.c.opt.Now()
	if err := os.Chtimes(s.name+".meta", now, now); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		o.c.log.Debug("last use of a stored object is not noted", "error", err)
	}
	if s.complete {
		o.completeLocked()
	} else if s.unsure != nil && s.count == int64(len(s.sums)) && !s.readonly {
		s.dirty = true // to be checked as a whole in the background
		o.c.flusher.add(o)
	}
}

// writableLocked makes sure that the data file is open for writing and locked by us alone.
func (s *store) writableLocked() bool {
	f, err := os.OpenFile(s.name+".data", os.O_RDWR, 0)
	if errors.Is(err, iofs.ErrPermission) && os.Chmod(s.name+".data", 0o600) == nil { // it was complete once
		f, err = os.OpenFile(s.name+".data", os.O_RDWR, 0)
	}
	if err != nil {
		return false
	}
	// Our own shared lock would be in the way. What could happen without it happens to the file's name, and is seen below.
	flock(s.file, unix.LOCK_UN)
	if flock(f, unix.LOCK_EX|unix.LOCK_NB) != nil || !sameFile(s.file, f) || !linked(f) {
		f.Close()
		flock(s.file, unix.LOCK_SH|unix.LOCK_NB)
		return false
	}
	s.file.Close()
	s.file = f
	return true
}

func sameFile(a, b *os.File) bool {
	x, err := a.Stat()
	y, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// linked tells whether the name of f still leads to it.
func linked(f *os.File) bool {
	st, err := os.Stat(f.Name())
	if err != nil {
		return false
	}
	x, err := f.Stat()
	return err == nil && os.SameFile(st, x)
}

// create makes the data file of an object that has none, locked by us.
func (s *store) create(size int64) (*os.File, error) {
	if err := MakeDir(filepath.Dir(s.name)); err != nil {
		return nil, err
	}
	for range 10 {
		f, err := os.OpenFile(s.name+".data", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if flock(f, unix.LOCK_EX|unix.LOCK_NB) != nil {
			f.Close()
			time.Sleep(5 * time.Millisecond) // who looks for leftovers to delete has it for a moment
			continue
		}
		if !linked(f) { // deleted between our open and our lock
			f.Close()
			continue
		}
		if st, err := f.Stat(); err == nil && st.Size() == size {
			if _, err := readSidecar(s.name, s.key, size); err == nil {
				f.Close() // stored by another process since we looked; whoever opens it next has it
				return nil, errOtherProcess
			}
		}
		// What it holds has no sidecar, or a bad one: to nothing, then to holes.
		if err := errors.Join(removed(os.Remove(s.name+".meta")), f.Truncate(0), f.Truncate(size)); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
	return nil, errOtherProcess
}

func removed(err error) error {
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	return err
}

// write stores chunks that follow one another. Only the writer calls it.
func (o *object) write(chs []*chunk) error {
	s := &o.store
	var n int64
	bufs := make([][]byte, len(chs))
	for i, ch := range chs {
		n += ch.cost()
		bufs[i] = ch.buf
	}
	o.mu.Lock()
	file, err, must := s.file, s.refused, o.must > 0
	if s.readonly || s.kept {
		err = errOtherProcess
	}
	for _, ch := range chs {
		if ch.bad {
			err = ErrMismatch
		}
	}
	o.mu.Unlock()
	if err == nil {
		err = s.d.room(n)
	}
	if errors.Is(err, ErrFull) && must {
		if _, err = s.d.evict(); err == nil {
			err = s.d.room(n)
		}
	}
	if err == nil && file == nil {
		file, err = o.createFile()
	}
	if err == nil {
		err = o.c.writer.aside(func() error { return s.d.pwrite(file, bufs, chs[0].lo) })
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ch := range chs {
		if err == nil && s.file == file && !ch.bad && !s.have.has(ch.index) {
			s.have.set(ch.index)
			s.sums[ch.index] = ch.sum
			s.count++
			s.dirty = true
			s.d.account((ch.cost() + blockSize - 1) / blockSize * blockSize)
		}
		ch.writing = false
		o.writing--
		o.releaseLocked(ch)
		o.uncountLocked(ch)
	}
	if err != nil {
		o.c.count.unwritten.Add(int64(len(chs)))
		switch {
		case errors.Is(err, ErrFull):
			s.full = true
		case !errors.Is(err, ErrMismatch):
			s.refused = err
		}
	}
	return err
}

// createFile makes the data file of an object that has none on the disk.
func (o *object) createFile() (*os.File, error) {
	s := &o.store
	s.flush.Lock() // a sidecar of a file given up must not come after this
	defer s.flush.Unlock()
	o.mu.Lock()
	kept := s.kept
	o.mu.Unlock()
	if kept {
		return nil, errOtherProcess
	}
	f, err := s.create(o.id.size)
	if err != nil {
		return nil, err
	}
	n := chunksOf(o.id.size)
	o.mu.Lock()
	defer o.mu.Unlock()
	s.file, s.epoch = f, s.d.epoch
	s.have, s.sums, s.count = newBitmap(n), make([]uint32, n), 0
	return f, nil
}

// pread reads from the disk into p, at off, chunks that hasLocked told of. A chunk that cannot be read or fails its check
// is missing from then on, and the answer is false.
func (o *object) pread(p []byte, off int64) bool {
	s := &o.store
	o.mu.Lock()
	file := s.file
	var unsure []int64
	for i := off / chunkSize; s.unsure != nil && i*chunkSize < off+int64(len(p)); i++ {
		if s.unsure.has(i) {
			unsure = append(unsure, i)
		}
	}
	o.mu.Unlock()
	for _, i := range unsure {
		if !o.check(i) {
			return false
		}
	}
	if file == nil {
		return false
	}
	if _, err := file.ReadAt(p, off); err != nil {
		s.d.fault(fmt.Errorf("read stored chunk: %w", err))
		o.mu.Lock()
		for i := off / chunkSize; i*chunkSize < off+int64(len(p)); i++ {
			o.lostLocked(file, i)
		}
		o.mu.Unlock()
		return false
	}
	return true
}

// check compares chunk i on the disk with its checksum.
func (o *object) check(i int64) bool {
	s := &o.store
	o.mu.Lock()
	file := s.file
	if file == nil || !s.have.has(i) {
		o.mu.Unlock()
		return false
	}
	sum := s.sums[i]
	o.mu.Unlock()
	buf := make([]byte, lenOf(o.id.size, i))
	_, err := file.ReadAt(buf, i*chunkSize)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil || checksum(buf) != sum {
		o.c.count.badChunks.Add(1)
		o.lostLocked(file, i)
		return false
	}
	if s.file == file && s.unsure != nil {
		s.unsure.unset(i)
		s.dirty = s.dirty || !s.readonly
	}
	return true
}

// lostLocked takes chunk i for missing. A complete file cannot be mended in place, since others may be reading it: it
// makes way for a new one.
func (o *object) lostLocked(file *os.File, i int64) {
	s := &o.store
	if s.file != file || !s.have.has(i) {
		return
	}
	if s.complete || s.readonly {
		o.discardLocked()
		return
	}
	s.have.unset(i)
	s.count--
	s.dirty = true
	if s.unsure != nil {
		s.unsure.unset(i)
	}
}

// discardLocked gives up what is stored of o.
func (o *object) discardLocked() {
	s := &o.store
	if s.file == nil {
		return
	}
	switch {
	case s.kept:
	case !s.readonly && linked(s.file):
		if err := errors.Join(removed(os.Remove(s.name+".meta")), removed(os.Remove(s.name+".data"))); err != nil {
			o.c.log.Debug("stored object cannot be removed", "error", err)
		}
		s.d.account(-used(s.file))
	}
	s.old = append(s.old, s.file)
	s.file, s.have, s.sums, s.unsure, s.count = nil, nil, nil, nil, 0
	s.complete, s.dirty = false, false
	if s.kept {
		s.kept, s.d = false, nil
		if d := o.c.disk; d != nil { // what comes now is stored as if it had not been kept
			s.d, s.name, s.epoch = d, d.nameOf(s.key), d.epoch
		}
	}
	for r := range o.readers {
		r.file.Store(nil)
	}
}

// completeLocked lets the readers use the file itself.
func (o *object) completeLocked() {
	o.store.complete = true
	for r := range o.readers {
		r.file.Store(o.store.file)
	}
}

// close lets go of the files. Nothing uses the object any more.
func (s *store) close() {
	for _, f := range append(s.old, s.file) {
		if f != nil {
			f.Close()
		}
	}
	s.file, s.old = nil, nil
}
