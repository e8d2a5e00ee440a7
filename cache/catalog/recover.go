package catalog

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Beside catalog.db may stand:
//
//	catalog.db.lock            held while the file is opened or exchanged
//	catalog.db.damaged         damage was met while running: rescue at the next start
//	catalog.db.rescue          what could be read of a damaged file, about to take its place
//	catalog.db.corrupt-<time>  a damaged file that was replaced
//	catalog.db.newer-<time>    a file that a newer program left
const (
	lockSuffix    = ".lock"
	damagedSuffix = ".damaged"
	rescueSuffix  = ".rescue"
)

// lockPatience bounds the wait for another process that opens the catalog. One
// that hangs there must not keep everybody from starting.
const lockPatience = 20 * time.Second

// lockFolder keeps other processes from opening or exchanging the file.
func (c *Catalog) lockFolder(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(c.path+lockSuffix, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	unlock = func() { f.Close() }
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return unlock, nil
		case err != syscall.EWOULDBLOCK && err != syscall.EINTR:
			// a file system without locks: SQLite's own still hold
			c.log.Warn("cannot lock the catalog folder", "err", err)
			return unlock, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				c.log.Warn("another process keeps the catalog folder locked, going on", "path", c.path)
				return unlock, nil
			}
			unlock()
			return nil, ctx.Err()
		}
	}
}

// mark notes damage for the next start, when nothing is in use.
func (c *Catalog) mark(cause error) {
	if c.marked.Swap(true) {
		return
	}
	c.log.Warn("the catalog file is damaged, it will be repaired at the next start", "path", c.path, "err", cause)
	if err := os.WriteFile(c.path+damagedSuffix, nil, 0o600); err != nil {
		c.log.Warn("cannot note the damage", "err", err)
	}
}

func (c *Catalog) noted() bool {
	_, err := os.Lstat(c.path + damagedSuffix)
	return err == nil
}

// resume ends an exchange that was interrupted: the damaged file was moved away
// only once the rescued one was complete.
func (c *Catalog) resume() error {
	if _, err := os.Lstat(c.path); !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	if err := os.Rename(c.path+rescueSuffix, c.path); !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	return nil
}

// replace sets the file aside and puts one in its place that has what could be
// read of it. Called with the folder locked and before the file is used. Other
// processes that have it open notice at their next write or refresh.
func (c *Catalog) replace(ctx context.Context, cause error) error {
	c.fileMu.Lock()
	c.file.close() // it could not be used in the first place
	c.file = nil
	c.fileMu.Unlock()

	word, rescued := "corrupt", 0
	rescue := c.path + rescueSuffix
	if err := remove(rescue); err != nil {
		return err
	}
	if errors.Is(cause, errNewer) {
		word = "newer"
	} else {
		var err error
		if rescued, err = salvage(ctx, c.path, rescue); err != nil {
			if ctx.Err() != nil {
				return err
			}
			c.log.Warn("nothing could be rescued from the damaged catalog file", "path", c.path, "err", err)
			if err := remove(rescue); err != nil {
				return err
			}
		}
	}
	aside := fmt.Sprintf("%s.%s-%s", c.path, word, c.now().UTC().Format("20060102T150405Z"))
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, iofs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s.%s-%s-%d", c.path, word, c.now().UTC().Format("20060102T150405Z"), n)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(c.path+suffix, aside+suffix); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(rescue, c.path); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	if err := os.Remove(c.path + damagedSuffix); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	c.log.Warn("the catalog file could not be used and was set aside", "path", c.path, "aside", aside, "rescued rows", rescued, "err", cause)
	return nil
}

// remove removes a database, if there is one.
func remove(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// lost copes with an object that cannot be read. If its bytes are not what was
// stored, it is forgotten, so that the next copy may take its place; if SQLite
// found the file itself damaged, that is for the next start.
func (c *Catalog) lost(ctx context.Context, id string, cause error) {
	if !errors.Is(cause, errDamaged) {
		c.mark(cause)
		return
	}
	c.log.Warn("stored object is damaged, forgetting it", "prediction", id, "err", cause)
	err := c.write(ctx, process, func(ctx context.Context, t *transaction) error { return t.forget(ctx, id) })
	if err != nil {
		c.log.Warn("cannot forget the damaged object", "prediction", id, "err", err)
	}
}

// forget drops what is stored of a prediction and does not unpack.
func (t *transaction) forget(ctx context.Context, id string) error {
	old := t.known(id)
	if old == nil {
		return nil
	}
	var body, beside []byte
	if err := t.row(ctx, "SELECT r.body, r.aside FROM prediction p JOIN raw r ON r.n = p.raw WHERE p.id = ?", []any{id}, &body, &beside); err != nil {
		return err
	}
	r := *old
	if _, err := unpack(body); err != nil {
		r.rank = rankNone
	}
	if _, err := unpack(beside); err != nil || r.rank == rankNone {
		r.flags &^= aside
	}
	if r == *old {
		return nil // somebody was quicker
	}
	var err error
	if r.rank == rankNone {
		err = t.exec(ctx, "UPDATE prediction SET rank = ?, flags = ?, raw = NULL WHERE id = ?", int64(r.rank), int64(r.flags), id)
	} else {
		err = t.exec(ctx, "UPDATE prediction SET flags = ? WHERE id = ?", int64(r.flags), id)
	}
	if err != nil {
		return err
	}
	return t.tell(ctx, id, &r)
}
