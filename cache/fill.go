package cache

import (
	"context"
	"errors"
)

// errLost is the answer to a Fill beside which somebody forgot or damaged the file.
var errLost = errors.New("file was lost while it was stored")

// Fill brings the whole file to the disk, checks it and makes it durable: when it returns nil, Complete is true, after a
// crash too. It reads like one more reader, so that others go before it only where they wait for the same connections.
// progress, if not nil, hears how many bytes from the start are there. ErrFull: there is no room in the disk tier. Without
// one it answers errors.ErrUnsupported.
func (r *Reader) Fill(ctx context.Context, progress func(done int64)) error {
	if progress == nil {
		progress = func(int64) {}
	}
	return r.fill(ctx, progress, nil)
}

// fill is Fill. With pace it is for a Keep: it makes way for other readers, and waits for pace before each chunk.
func (r *Reader) fill(ctx context.Context, progress func(done int64), pace func(i int64) error) error {
	c, o := r.c, r.o
	if r.file.Load() != nil {
		progress(r.Size())
		return nil
	}
	if c.disk == nil || c.disk.off() {
		return errors.ErrUnsupported
	}
	// What was refused before may be welcome now, but what was asked before must have had its answer.
	if err := c.writer.drain(ctx); err != nil {
		return err
	}
	o.mu.Lock()
	o.store.full = false
	if errors.Is(o.store.refused, ErrMismatch) {
		o.store.refused = nil
	}
	o.must++
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		o.must--
		o.mu.Unlock()
	}()
	own, err := r.beside()
	if err != nil {
		return err
	}
	defer own.Close()
	own.quiet = pace != nil
	if r.Size() == 0 {
		if err := o.storeEmpty(); err != nil {
			return err
		}
	}
	for i := range chunksOf(r.Size()) {
		if pace != nil {
			if err := pace(i); err != nil {
				return err
			}
		}
		if err := own.store(ctx, i); err != nil {
			return err
		}
		progress(min((i+1)*chunkSize, r.Size()))
	}
	if err := c.writer.drain(ctx); err != nil {
		return err
	}
	if err := o.save(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.store.complete:
		return nil
	case o.store.refused != nil:
		return o.store.refused
	case o.store.full:
		return ErrFull
	}
	return errLost
}

// beside is another reader of the same file, whose window is not that of the reads that go on meanwhile.
func (r *Reader) beside() (*Reader, error) {
	r.o.mu.Lock()
	src, closed := r.o.src, r.closed
	r.o.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	return r.c.Open(src), nil
}

// storeEmpty makes the files of an object without bytes, which no write makes.
func (o *object) storeEmpty() error {
	o.mu.Lock()
	there := o.store.file != nil
	o.mu.Unlock()
	if there {
		return nil
	}
	_, err := o.createFile()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.store.dirty = err == nil
	return err
}

// store sees to it that chunk i is on the disk or in the writer's queue.
func (r *Reader) store(ctx context.Context, i int64) error {
	o := r.o
	off := i * chunkSize
	end := min(off+chunkSize, r.Size())
	stored := func() (bool, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		s := &o.store
		switch ch := o.chunks[i]; {
		case s.readonly && !s.hasLocked(i):
			return false, errOtherProcess
		case s.refused != nil:
			return false, s.refused
		case s.full:
			return false, ErrFull
		case s.hasLocked(i):
			return !s.unsureLocked(i), nil
		default:
			return ch != nil && ch.writing, nil
		}
	}
	if err := r.c.writer.wait(ctx); err != nil {
		return err
	}
	ok, err := stored()
	if ok || err != nil {
		return err
	}
	// Mostly the chunk goes to the writer as it arrives, and the read is only the waiting for it.
	err = r.read(ctx, off, end, func(v view, at int64) bool { return v.mem != nil || o.pread(make([]byte, v.disk), at) })
	if err != nil {
		return err
	}
	if ok, err = stored(); ok || err != nil {
		return err
	}
	buf := make([]byte, end-off)
	if _, err := r.ReadAt(ctx, buf, off); err != nil {
		return err
	}
	ch := &chunk{id: o.id, index: i, lo: off, hi: end, buf: buf, sum: checksum(buf)}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queueLocked(ch)
	return nil
}
