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
		for _, name := range names {
			if f, err := os.Open(name); err == nil {
				if flock(f, unix.LOCK_EX|unix.LOCK_NB) == nil { // its maker is gone
					os.Remove(name)
				}
				f.Close()
			}
		}
	}
}

// Clear deletes all objects that are neither kept nor in use.
func (c *Cache) Clear(ctx context.Context) (Report, error) {
	var rep Report
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
		if e.kept {
			rep.Kept++
			continue
		}
		freed, err := c.disk.remove(e.name, false)
		if err != nil {
			rep.Busy++
			continue
		}
		rep.Removed++
		rep.Freed += freed
		c.disk.account(-e.used, false)
	}
	return rep, errors.Join(err, ctx.Err())
}

// Verify reads all that is stored and checks it. Chunks that are not what was written are taken out, so that they are
// fetched again; a whole file with such a chunk is deleted, its pin is not. Objects that somebody is writing are left out.
// progress, if not nil, hears of each object.
func (c *Cache) Verify(ctx context.Context, progress func(Report)) (Report, error) {
	var rep Report
	if c.disk == nil {
		return rep, nil
	}
	all, err := c.disk.walk()
	if err != nil {
		return rep, err
	}
	for _, e := range all {
		if ctx.Err() != nil {
			break
		}
		if !e.data && !e.meta {
			continue // only a pin
		}
		rep.Objects++
		rep.Bytes += e.used
		if e.kept {
			rep.Kept++
		}
		c.disk.verify(ctx, e, &rep)
		if progress != nil {
			progress(rep)
		}
	}
	return rep, ctx.Err()
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
	bad := false
	buf := make([]byte, chunkSize)
	for i := range chunksOf(s.size) {
		if ctx.Err() != nil {
			return
		}
		if !s.have.has(i) {
			continue
		}
		p := buf[:lenOf(s.size, i)]
		if _, err := f.ReadAt(p, i*chunkSize); err != nil && err != io.EOF || checksum(p) != s.sums[i] {
			s.have.unset(i)
			rep.Bad++
			bad = true
		}
	}
	if !bad {
		return
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
	freed, err := d.remove(e.name, false)
	if err != nil {
		rep.Busy++
		return
	}
	rep.Removed++
	rep.Freed += freed
	d.account(-e.used, e.kept)
}
