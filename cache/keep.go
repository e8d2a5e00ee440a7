package cache

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// Keep brings the whole file to the folder of kept files, checked and durable: when it returns nil, Kept is true, also
// after a crash, until Forget. Other readers go before it: it asks for little at a time while they wait for the network,
// and for no more than Options.KeptRate. progress, if not nil, hears how many bytes from the start are there; it may hear
// them again. ErrFull: no room, by Options.Kept or by the reserve of the disk. Without a folder for it, Keep answers
// errors.ErrUnsupported.
func (r *Reader) Keep(ctx context.Context, progress func(done int64)) (err error) {
	v, o := r.c.vault, r.o
	if v == nil || len(r.Key()) > sidecarText {
		return errors.ErrUnsupported
	}
	defer func() { err = v.meaning(err) }()
	if progress == nil {
		progress = func(int64) {}
	}
	select {
	case <-v.counted:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p, err := v.begin(ctx, r.Key())
	if err != nil {
		return err
	}
	if p == nil {
		progress(r.Size())
		return o.moveIn()
	}
	defer p.drop()
	if err := v.fits(r.Size() - o.storedBytes()); err != nil {
		return err
	}
	pace := r.pacer(ctx)
	// By way of the disk tier, so that what is there is used, and what comes is there if we die half-way.
	err = r.fill(ctx, progress, pace)
	if err == nil && r.link(p) == nil {
		progress(r.Size())
		return o.moveIn()
	}
	if err != nil && !ofStore(err) {
		return err
	}
	own, err := r.beside()
	if err != nil {
		return err
	}
	defer own.Close()
	own.quiet = true
	side, err := p.fill(ctx, own, func(i int64) error {
		progress(i * chunkSize)
		return pace(i)
	})
	if err == nil {
		err = p.place(p.File, side)
	}
	if err != nil {
		return err
	}
	progress(r.Size())
	return o.moveIn()
}

// How far a Keep reads ahead: in a few requests, so that a reader who comes has not long to wait, and hardly at all for a
// moment after one has waited for the network, or where there is a rate.
const (
	quietConns  = 4
	quietWidth  = 16 << 20
	quietMoment = time.Second
)

func (c *Cache) quietly(a advice) (advice, int64) {
	a.conns = min(a.conns, quietConns)
	if c.keptRate == nil && time.Now().UnixNano()-c.demand.Load() > int64(quietMoment) {
		return a, min(c.share(), quietWidth)
	}
	return advice{conns: 1, part: minPart}, minPart
}

// ofStore tells whether a fill was ended by the disk tier and not by the origin.
func ofStore(err error) bool {
	var errno syscall.Errno // of the network there are none: who fetches keeps their text only
	return refusal(err) && !errors.Is(err, ErrMismatch) || errors.Is(err, errLost) || errors.As(err, &errno)
}

// link makes a kept file of one that is complete in the disk tier, where both are on one file system.
func (r *Reader) link(p *part) error {
	o := r.o
	o.mu.Lock()
	s := &o.store
	if !s.complete || s.kept {
		o.mu.Unlock()
		return errLost
	}
	file := s.file
	side := &sidecar{key: o.id.key, etag: o.src.ETag(), size: o.id.size, complete: true, have: s.have.clone(), sums: append([]uint32(nil), s.sums...)}
	o.mu.Unlock()
	if !linked(file) {
		return errLost
	}
	return p.place(file, side)
}

// moveIn has the object use its kept file, and takes it out of the disk tier.
func (o *object) moveIn() error {
	v := o.c.vault
	o.store.flush.Lock() // nothing is written down of the file that is left
	defer o.store.flush.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.store
	if s.kept {
		return nil
	}
	old, name := s.file, s.name
	if !o.openKeptLocked(v) {
		return errLost // forgotten meanwhile
	}
	if old == nil {
		return nil
	}
	s.old = append(s.old, old) // somebody may be reading it
	if linked(old) {
		o.c.disk.account(-used(old))
		if err := errors.Join(removed(os.Remove(name+".meta")), removed(os.Remove(name+".data"))); err != nil {
			o.c.log.Debug("stored object cannot be removed", "key", o.id.key, "error", err)
		}
	}
	return nil
}

// openKeptLocked has the object use its kept file, if there is one.
func (o *object) openKeptLocked(v *vault) bool {
	name := v.nameOf(o.id.key)
	side, err := readSidecar(name, o.id.key, o.id.size)
	if err != nil || !side.complete {
		return false
	}
	f, err := os.Open(name + ".data")
	if err != nil {
		return false
	}
	if st, err := f.Stat(); err != nil || st.Size() != o.id.size {
		f.Close()
		return false
	}
	s := &o.store
	s.d, s.name, s.key, s.kept = v.disk, name, o.id.key, true
	s.file, s.have, s.sums, s.count, s.unsure = f, side.have, side.sums, side.have.count(), nil
	s.dirty, s.readonly, s.refused, s.full = false, false, nil, false
	o.completeLocked()
	return true
}

// storedBytes is how much of the file is on the disk already.
func (o *object) storedBytes() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return min(o.store.count*chunkSize, o.id.size)
}

func (o *object) etag() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.src.ETag()
}

// pacer holds a Keep to the rate. What was on the disk when it began is free.
func (r *Reader) pacer(ctx context.Context) func(i int64) error {
	limit := r.c.keptRate
	if limit == nil {
		return func(int64) error { return nil }
	}
	o := r.o
	o.mu.Lock()
	paid := newBitmap(chunksOf(r.Size()))
	copy(paid, o.store.have)
	o.mu.Unlock()
	return func(i int64) error {
		if paid.has(i) {
			return nil
		}
		paid.set(i) // also if it has to come again
		return limit.WaitN(ctx, int(lenOf(r.Size(), i)))
	}
}

func newKeptRate(bytes int64) *rate.Limiter {
	if bytes <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytes), int(max(bytes, chunkSize)))
}

// Kept tells whether the file of key is kept.
func (c *Cache) Kept(key string) bool { return c.vault != nil && c.vault.complete(key) }

// Forget deletes what is held of key, kept or not. Who has it open can read what is there to its end.
func (c *Cache) Forget(key string) error {
	c.mu.Lock()
	for id, o := range c.objects {
		if id.key == key {
			o.mu.Lock()
			o.discardLocked()
			o.mu.Unlock()
		}
	}
	c.mu.Unlock()
	var err error
	if c.vault != nil {
		err = c.vault.forget(key)
	}
	if c.disk != nil {
		freed, diskErr := c.disk.remove(c.disk.nameOf(key))
		c.disk.account(-freed)
		err = errors.Join(err, diskErr)
	}
	return err
}
