package catalog

import (
	"context"
	"database/sql"
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"sync"
)

// readers is the number of connections for reading: handlers read in short
// queries, and each connection costs about a megabyte of page cache.
const readers = 4

// A file is the database, opened three times over. SQLite lets one connection
// write at a time; the lock for that is the catalog's mutex and, between
// processes, SQLite's own.
type file struct {
	info os.FileInfo
	bulk *session // for writing; a commit outlives the process
	safe *session // for writing; a commit outlives the machine
	read *pool    // never writes
}

// A pool is several connections for reading, with queries parsed once for each.
type pool struct {
	*sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt // by query
}

func (p *pool) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	s, ok := p.stmts[query]
	p.mu.Unlock()
	if ok {
		return s, nil
	}
	s, err := p.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, ok := p.stmts[query]; ok {
		s.Close()
		return other, nil
	}
	p.stmts[query] = s
	return s, nil
}

// scan reads the one row of a query that has one parameter.
func (p *pool) scan(ctx context.Context, query string, arg any, dest ...any) error {
	s, err := p.stmt(ctx, query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(ctx, arg).Scan(dest...)
}

func (p *pool) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
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
	if f.bulk, err = newSession(ctx, source(path, "NORMAL", true)); err != nil {
		return f, err
	}
	if f.safe, err = newSession(ctx, source(path, "FULL", true)); err != nil {
		return f, err
	}
	if err := migrate(ctx, f.bulk); err != nil {
		return f, err
	}
	f.read, err = newPool(ctx, source(path, "NORMAL", false))
	return f, err
}

// newPool opens all its connections at once, while the folder is locked. One
// that was opened later, just while another process exchanges the file, could
// pair the old database with the new log.
func newPool(ctx context.Context, source string) (*pool, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	for range readers {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		defer conn.Close() // not before all are open: back to the pool
	}
	return &pool{DB: db, stmts: map[string]*sql.Stmt{}}, nil
}

// touch makes the file where it is missing, for its owner only: SQLite gives the
// files that it puts beside it the same mode. One that is there is not opened,
// since closing it again would end the locks that this process has on it.
func touch(path string) (os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, iofs.ErrExist) {
		return nil, err
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm() != 0o600 {
		err = os.Chmod(path, 0o600)
	}
	return info, err
}

func (f *file) close() error {
	if f == nil {
		return nil
	}
	var errs []error
	if f.read != nil {
		errs = append(errs, closeStmts(f.read.stmts), f.read.Close())
	}
	// the last one writes the log back
	return errors.Join(append(errs, f.safe.close(), f.bulk.close())...)
}

// view runs a read over one of the reading connections, and again if it met
// damage that could be repaired.
func (c *Catalog) view(ctx context.Context, f func(*pool) error) error {
	used, err := c.viewOnce(f)
	if !corrupt(err) {
		return err
	}
	if e := c.repair(ctx, used, err); e != nil {
		return errors.Join(err, e)
	}
	_, err = c.viewOnce(f)
	return err
}

func (c *Catalog) viewOnce(f func(*pool) error) (*file, error) {
	c.fileMu.RLock()
	defer c.fileMu.RUnlock()
	if c.file == nil {
		return nil, errClosed
	}
	return c.file, f(c.file.read)
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
