package catalog

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
)

// readers is the number of connections for reading: handlers read in short
// queries, and each connection costs about a megabyte of page cache.
const readers = 4

// A file is the database, opened three times over. SQLite lets one connection
// write at a time; the lock for that is the catalog's mutex and, between
// processes, SQLite's own.
type file struct {
	info os.FileInfo
	read *sql.DB // several connections, none of which writes
	bulk *sql.DB // one connection; a commit outlives the process
	safe *sql.DB // one connection; a commit outlives the machine
}

// openFile opens the database at path, making it and its folder where missing,
// and brings it to the current version.
func openFile(ctx context.Context, path string) (f *file, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f = &file{}
	defer func() {
		if err != nil {
			f.close()
			f = nil
		}
	}()
	if f.info, err = touch(path); err != nil {
		return f, err
	}
	pools := []struct {
		db          **sql.DB
		synchronous string
		write       bool
		connections int
	}{
		{&f.bulk, "NORMAL", true, 1},
		{&f.safe, "FULL", true, 1},
		{&f.read, "NORMAL", false, readers},
	}
	for _, pool := range pools {
		db, err := sql.Open("sqlite", source(path, pool.synchronous, pool.write))
		if err != nil {
			return f, err
		}
		db.SetMaxOpenConns(pool.connections)
		db.SetMaxIdleConns(pool.connections)
		*pool.db = db
	}
	if err := migrate(ctx, f.bulk); err != nil {
		return f, err
	}
	return f, f.connect(ctx)
}

// connect opens all connections at once, while the folder is locked. One that
// was opened later, just while another process exchanges the file, could pair
// the old database with the new log.
func (f *file) connect(ctx context.Context) error {
	for _, db := range []*sql.DB{f.bulk, f.safe, f.read} {
		for range db.Stats().MaxOpenConnections {
			conn, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close() // not before all are open: back to the pool
		}
	}
	return nil
}

// touch makes the file where it is missing, for its owner only: SQLite gives the
// files that it puts beside it the same mode.
func touch(path string) (os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Mode().Perm() != 0o600 {
		err = f.Chmod(0o600)
	}
	return info, err
}

func (f *file) close() error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, db := range []*sql.DB{f.read, f.safe, f.bulk} { // the last one writes the log back
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// view runs a read over one of the reading connections.
func (c *Catalog) view(f func(*sql.DB) error) error {
	c.fileMu.RLock()
	defer c.fileMu.RUnlock()
	if c.file == nil {
		return errClosed
	}
	return f(c.file.read)
}

var errClosed = errors.New("catalog is closed")

// followLocked opens the file anew if it is no longer the one at its path:
// another process found it damaged and replaced it, or somebody removed it. What
// is written to a file without a name would be lost.
func (c *Catalog) followLocked(ctx context.Context) error {
	if c.file == nil {
		return errClosed
	}
	if info, err := os.Stat(c.path); err == nil && os.SameFile(info, c.file.info) {
		return nil
	}
	unlock, err := c.lockFolder(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	f, err := openFile(ctx, c.path)
	if err != nil {
		return err
	}
	c.log.Warn("the catalog file was replaced, opened the new one", "path", c.path)
	c.fileMu.Lock()
	old := c.file
	c.file = f
	c.fileMu.Unlock()
	if err := old.close(); err != nil {
		c.log.Warn("closing the replaced catalog file", "err", err)
	}
	return nil
}
