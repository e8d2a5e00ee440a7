package catalog

import (
	"context"
	"database/sql"
	"maps"
)

// newsKept is how many changes the file remembers for other processes. One that
// missed more reads the whole index again.
const newsKept = 10_000

// A durability is how much a commit outlives.
type durability bool

const (
	process durability = false // the process being killed
	machine durability = true  // the machine losing power: costs a sync
)

// A transaction is one write. It sees the index as it is in the file, what other
// processes wrote included, and becomes visible to readers after its commit.
type transaction struct {
	tx      *sql.Tx
	ctx     context.Context // that of write; a transaction does not outlive the call
	base    *snapshot
	rows    map[string]*row // changed here
	news    bool
	kinds   map[kind]int64 // known before
	learned map[kind]int64 // learned here, not to be trusted before the commit
	stmts   map[string]*sql.Stmt
}

// write runs f in a transaction that no other can interleave with. If f or the
// commit fails, nothing has happened.
func (c *Catalog) write(ctx context.Context, d durability, f func(*transaction) error) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		if corrupt(err) {
			c.mark(err)
		}
	}()
	if err := c.followLocked(ctx); err != nil {
		return err
	}
	db := c.file.bulk
	if d == machine {
		db = c.file.safe
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := c.catchUpLocked(ctx, tx); err != nil {
		return err
	}
	t := &transaction{tx: tx, ctx: ctx, base: c.snap.Load(), rows: map[string]*row{},
		kinds: c.kinds, learned: map[kind]int64{}, stmts: map[string]*sql.Stmt{}}
	if err := f(t); err != nil {
		return err
	}
	at := c.at
	if t.news {
		if err := tx.QueryRowContext(ctx, "SELECT max(n) FROM news").Scan(&at.news); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM news WHERE n <= ?", at.news-newsKept); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	c.at = at
	maps.Copy(c.kinds, t.learned)
	if len(t.rows) > 0 {
		c.snap.Store(t.base.with(t.rows))
	}
	return nil
}

// row is the row of a prediction as of this point of the transaction.
func (t *transaction) row(id string) *row {
	if r, ok := t.rows[id]; ok {
		return r
	}
	return t.base.row(id)
}

// prepared is the statement of a query, prepared once per transaction.
func (t *transaction) prepared(query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.tx.PrepareContext(t.ctx, query)
	if err == nil {
		t.stmts[query] = s // closed with the transaction
	}
	return s, err
}

func (t *transaction) exec(query string, args ...any) (sql.Result, error) {
	s, err := t.prepared(query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(t.ctx, args...)
}

// scan reads the one row of a query that has one parameter.
func (t *transaction) scan(query string, arg any, dest ...any) error {
	s, err := t.prepared(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(t.ctx, arg).Scan(dest...)
}

// tell makes a change known: r to the readers of this process, unless it is nil,
// and the id to other processes.
func (t *transaction) tell(id string, r *row) error {
	if r != nil {
		t.rows[id] = r
	}
	t.news = true
	_, err := t.exec("INSERT INTO news (id) VALUES (?)", id)
	return err
}

// kind is the key of k in the file.
func (t *transaction) kind(k kind) (int64, error) {
	if n, ok := t.kinds[k]; ok {
		return n, nil
	}
	if n, ok := t.learned[k]; ok {
		return n, nil
	}
	res, err := t.exec("INSERT INTO kind (model, version, status, source, deployment) VALUES (?, ?, ?, ?, ?)",
		k.model, k.version, k.status, k.source, k.deployment)
	if err != nil {
		return 0, err
	}
	n, err := res.LastInsertId()
	t.learned[k] = n
	return n, err
}
