package cache

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// complete tells whether the object of key is whole on the disk, and was checked when it became so.
func (d *disk) complete(key string) bool {
	b, err := os.ReadFile(d.nameOf(key) + ".meta")
	if err != nil {
		return false
	}
	s, err := decodeSidecar(b)
	if err != nil || s.key != key || !s.complete {
		return false
	}
	st, err := os.Stat(d.nameOf(key) + ".data")
	return err == nil && st.Size() == s.size
}

// Recount takes the figures of what is on the disk anew. A cache that was just opened does not have them yet.
func (c *Cache) Recount() error {
	if c.disk == nil {
		return nil
	}
	_, err := c.disk.walk()
	return err
}

// Prune applies the limits now and removes what crashes left behind.
func (c *Cache) Prune(ctx context.Context) (Report, error) {
	if c.disk == nil {
		return Report{}, nil
	}
	c.disk.sweep()
	rep, err := c.disk.evict()
	return rep, errors.Join(err, ctx.Err())
}

// sweep removes files that a process had in the making when it died.
func (d *disk) sweep() {
	for _, pattern := range []string{"spool-*", "probe-*"} {
		names, _ := filepath.Glob(filepath.Join(d.dir, pattern))
		sweep(names)
	}
}

// Clear deletes all objects that are neither kept nor in use.
func (c *Cache) Clear(ctx context.Context) (Report, error) {
	var rep Report
	if c.vault != nil {
		rep.Kept = int(c.vault.files.Load())
	}
	if c.disk == nil {
		return rep, nil
	}
	c.disk.sweep()
	all, err := c.disk.walk()
	for _, e := range all {
		if ctx.Err() != nil {
			break
		}
		rep.Objects++
		rep.Bytes += e.used
		freed, err := c.disk.remove(e.name)
		if err != nil {
			rep.Busy++
			continue
		}
		rep.Removed++
		rep.Freed += freed
		c.disk.account(-e.used)
	}
	return rep, errors.Join(err, ctx.Err())
}

// Verify reads all that is stored and checks it. Chunks that are not what was written are taken out, so that they are
// fetched again; a whole file with such a chunk is deleted, or, if it was kept, set aside. Objects that somebody is writing
// are left out. progress, if not nil, hears of each object.
func (c *Cache) Verify(ctx context.Context, progress func(Report)) (Report, error) {
	var rep Report
	each := func(d *disk, check func(entry)) error {
		all, err := d.walk()
		for _, e := range all {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			rep.Objects++
			rep.Bytes += e.used
			check(e)
			if progress != nil {
				progress(rep)
			}
		}
		return err
	}
	var err error
	if v := c.vault; v != nil {
		err = each(v.disk, func(e entry) {
			rep.Kept++
			if e.data && e.meta && !v.verify(ctx, e, &rep) {
				c.drop(v, e.name)
				v.setAside(e.name)
				rep.Removed++
			}
		})
	}
	if d := c.disk; d != nil {
		err = errors.Join(err, each(d, func(e entry) { d.verify(ctx, e, &rep) }))
	}
	return rep, err
}

// drop has objects no longer use a kept file that is damaged.
func (c *Cache) drop(v *vault, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, o := range c.objects {
		if v.nameOf(id.key) == name {
			o.mu.Lock()
			o.discardLocked()
			o.mu.Unlock()
		}
	}
}

// verify tells whether a kept file is as it was when it came in.
func (v *vault) verify(ctx context.Context, e entry, rep *Report) bool {
	b, err := os.ReadFile(e.name + ".meta")
	if err != nil {
		return true // forgotten meanwhile
	}
	f, err := os.Open(e.name + ".data")
	if err != nil {
		return true
	}
	defer f.Close()
	s, err := decodeSidecar(b)
	if st, staterr := f.Stat(); err != nil || staterr != nil || st.Size() != s.size || v.nameOf(s.key) != e.name {
		rep.Bad++
		return false
	}
	bad := damaged(ctx, f, s)
	rep.Bad += len(bad)
	return len(bad) == 0
}

// damaged gives the chunks that are not what was written.
func damaged(ctx context.Context, f *os.File, s *sidecar) (bad []int64) {
	buf := make([]byte, chunkSize)
	for i := range chunksOf(s.size) {
		if ctx.Err() != nil {
			break
		}
		if !s.have.has(i) {
			continue
		}
		p := buf[:lenOf(s.size, i)]
		if _, err := f.ReadAt(p, i*chunkSize); err != nil && err != io.EOF || checksum(p) != s.sums[i] {
			bad = append(bad, i)
		}
	}
	return bad
}

// verify checks one object.
func (d *disk) verify(ctx context.Context, e entry, rep *Report) {
	f, err := os.Open(e.name + ".data")
	if err != nil {
		return
	}
	defer f.Close()
	if flock(f, unix.LOCK_SH|unix.LOCK_NB) != nil {
		rep.Busy++
		return
	}
	b, err := os.ReadFile(e.name + ".meta")
	if err != nil {
		return // nothing is promised
	}
	s, err := decodeSidecar(b)
	if st, staterr := f.Stat(); err != nil || staterr != nil || st.Size() != s.size || d.nameOf(s.key) != e.name {
		f.Close()
		d.giveUp(e, rep)
		return
	}
	bad := damaged(ctx, f, s)
	if len(bad) == 0 {
		return
	}
	rep.Bad += len(bad)
	for _, i := range bad {
		s.have.unset(i)
	}
	if s.complete || flock(f, unix.LOCK_EX|unix.LOCK_NB) != nil || !linked(f) {
		f.Close()
		d.giveUp(e, rep)
		return
	}
	if err := replace(e.name+".meta", s.encode()); err != nil {
		d.log.Debug("sidecar is not mended", "error", err)
	}
}

// giveUp deletes a damaged object.
func (d *disk) giveUp(e entry, rep *Report) {
	freed, err := d.remove(e.name)
	if err != nil {
		rep.Busy++
		return
	}
	rep.Removed++
	rep.Freed += freed
	d.account(-e.used)
}
