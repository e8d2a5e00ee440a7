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
//	catalog.db.rescue          what could be read of a damaged file, about to take its place
//	catalog.db.corrupt-<time>  a damaged file that was replaced
//	catalog.db.newer-<time>    a file that a newer program left
const (
	lockSuffix   = ".lock"
	rescueSuffix = ".rescue"
)

// maxRepairs bounds the repairs of one process: on a disk that goes on spoiling
// what is written, each would only cost time.
const maxRepairs = 3

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

// healing runs f, and once more if it met damage that could be repaired.
func (c *Catalog) healingLocked(ctx context.Context, f func() error) error {
	err := f()
	if !corrupt(err) {
		return err
	}
	if e := c.repairLocked(ctx, c.file, err); e != nil {
		return errors.Join(err, e)
	}
	return f()
}

// repair is for readers: it does nothing if the damage was met in a file that is
// no longer in use.
func (c *Catalog) repair(ctx context.Context, met *file, cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.repairLocked(ctx, met, cause)
}

func (c *Catalog) repairLocked(ctx context.Context, met *file, cause error) error {
	ctx = context.WithoutCancel(ctx) // whoever met the damage may leave; the repair is everybody's
	if err := c.followLocked(ctx); err != nil || c.file != met {
		return err // another process was quicker
	}
	if c.repairs++; c.repairs > maxRepairs {
		return errors.New("repaired too often")
	}
	unlock, err := c.lockFolder(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.replace(ctx, cause); err != nil {
		return err
	}
	return c.refreshLocked(ctx)
}

// replace sets the file aside and opens one in its place that has what could be
// read of it. Called with mu held and the folder locked. Other processes that
// have the file open notice at their next write or refresh.
func (c *Catalog) replace(ctx context.Context, cause error) error {
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
			if ctx.Err() != nil || unwritable(err) { // what is damaged can be rescued when there is room again
				return errors.Join(err, remove(rescue))
			}
			c.log.Warn("nothing could be rescued from the damaged catalog file", "path", c.path, "err", err)
			if err := remove(rescue); err != nil {
				return err
			}
		}
	}
	c.fileMu.Lock()
	defer c.fileMu.Unlock()
	c.file.close() // the damage is known
	c.file = nil
	aside := unused(c.path + "." + word + "-" + c.now().UTC().Format("20060102T150405Z"))
	for _, move := range [][2]string{{c.path, aside}, {c.path + "-wal", aside + "-wal"}, {c.path + "-shm", aside + "-shm"}, {rescue, c.path}} {
		if err := os.Rename(move[0], move[1]); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	c.log.Warn("the catalog file could not be used and was set aside", "path", c.path, "aside", aside, "rescued rows", rescued, "err", cause)
	var err error
	c.file, err = openFile(ctx, c.path)
	return err
}

// unused is the path, with a number if there is something at it.
func unused(path string) string {
	free := path
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s-%d", path, n)
	}
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

// lost forgets what is stored of a prediction and is damaged, so that the next
// copy may take its place.
func (c *Catalog) lost(ctx context.Context, id string, cause error) {
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
	if _, err := unpack(id, body); err != nil {
		r.rank, r.layout = rankNone, layout{}
	}
	if _, err := unpack(id, beside); err != nil || r.rank == rankNone {
		r.flags &^= aside
	}
	if r == *old {
		return nil // somebody was quicker
	}
	var err error
	if r.rank == rankNone {
		err = t.exec(ctx, "UPDATE prediction SET rank = ?, flags = ?, raw = NULL, layout = NULL WHERE id = ?", int64(r.rank), int64(r.flags), id)
	} else {
		err = t.exec(ctx, "UPDATE prediction SET flags = ? WHERE id = ?", int64(r.flags), id)
	}
	if err != nil {
		return err
	}
	return t.tell(ctx, id, &r)
}
