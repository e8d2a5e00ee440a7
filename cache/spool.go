package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Spool stores a whole object of unknown length, and tells its size: for origins that do not say. The body is read to its
// end, but no more than limit bytes of it; a longer one is ErrTooLarge and not stored. With no disk tier, or one without
// room, what fits stays in the memory tier, and may have to be fetched again.
func (c *Cache) Spool(ctx context.Context, key string, body io.Reader, limit int64) (int64, error) {
	sp := &spool{c: c, key: key}
	if c.disk != nil && !c.disk.off() {
		if err := sp.create(); err != nil {
			c.disk.fault(err)
		}
	}
	defer sp.drop()
	buf := make([]byte, 0, chunkSize)
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return sp.size, context.Cause(ctx)
		}
		n, err := io.ReadFull(body, buf[:chunkSize])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			done = true
		case err != nil:
			return sp.size, fmt.Errorf("spool: %w", err)
		}
		if sp.size+int64(n) > limit {
			return sp.size, ErrTooLarge
		}
		sp.add(buf[:n])
	}
	sp.finish()
	return sp.size, nil
}

// spool is an object in the making.
type spool struct {
	c    *Cache
	key  string
	size int64
	file *os.File // nil: memory only
	sums []uint32
	mem  [][]byte // the first chunks, where there is no file
}

func (sp *spool) create() error {
	f, err := os.CreateTemp(sp.c.disk.dir, "spool-")
	if err != nil {
		return err
	}
	sp.file = f
	return flock(f, unix.LOCK_EX|unix.LOCK_NB)
}

// drop removes the file unless finish has given it its name.
func (sp *spool) drop() {
	if sp.file != nil {
		os.Remove(sp.file.Name())
		sp.file.Close()
	}
}

// add appends one chunk; b is the caller's.
func (sp *spool) add(b []byte) {
	if len(b) == 0 {
		return
	}
	if sp.file != nil {
		err := sp.c.disk.room(int64(len(b)))
		if err == nil {
			err = sp.c.disk.pwrite(sp.file, [][]byte{b}, sp.size)
			if err != nil {
				sp.c.disk.fault(err)
			}
		}
		if err != nil {
			sp.drop()
			sp.file = nil
		}
	}
	if sp.file != nil {
		sp.sums = append(sp.sums, checksum(b))
	} else if sp.size == int64(len(sp.mem))*chunkSize && sp.size < sp.c.tier.limit {
		sp.mem = append(sp.mem, append([]byte(nil), b...))
	}
	sp.size += int64(len(b))
}

// finish gives the object its place.
func (sp *spool) finish() {
	id := sp.c.identity(sp.key, sp.size)
	for i, b := range sp.mem {
		lo := int64(i) * chunkSize
		sp.c.tier.put(&chunk{id: id, index: int64(i), lo: lo, hi: lo + int64(len(b)), buf: b})
	}
	if sp.file == nil {
		return
	}
	if err := sp.place(); err != nil {
		sp.c.log.Debug("spooled object is not stored", "key", sp.key, "error", err)
	}
}

func (sp *spool) place() error {
	d := sp.c.disk
	name := d.nameOf(sp.key)
	if sp.c.Complete(sp.key) {
		return nil
	}
	if err := errors.Join(MakeDir(filepath.Dir(name)), sp.file.Sync(), sp.file.Chmod(0o400)); err != nil {
		return err
	}
	// A leftover of the same key goes, unless somebody uses it: then that one stays.
	if _, err := d.remove(name); err != nil {
		return err
	}
	if err := os.Link(sp.file.Name(), name+".data"); err != nil {
		return err
	}
	have := newBitmap(int64(len(sp.sums)))
	for i := range sp.sums {
		have.set(int64(i))
	}
	side := &sidecar{key: sp.key, size: sp.size, epoch: d.epoch, complete: true, have: have, sums: sp.sums}
	if err := replace(name+".meta", side.encode()); err != nil {
		return err
	}
	d.account(sp.size)
	return syncDir(filepath.Dir(name))
}
