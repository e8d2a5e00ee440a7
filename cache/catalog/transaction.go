package catalog

import (
	"context"
	"database/sql"
	"fmt"
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
	*session
	base    *snapshot
	rows    map[string]*row // changed here
	news    bool
	kinds   map[kind]int64 // known before
	learned map[kind]int64 // learned here, not to be trusted before the commit

	layouts        map[layout]int64 // as kinds
	learnedLayouts map[layout]int64 // as learned
}

// write runs f in a transaction that no other can interleave with. If f or the
// commit fails, nothing has happened. The wait for other writers ends with ctx;
// f itself is a few milliseconds of local work, and is given a context that does
// not end, since watching one costs as much as a statement.
// A transaction that meets damage is run again once that is repaired.
func (c *Catalog) write(ctx context.Context, d durability, f func(context.Context, *transaction) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.healingLocked(ctx, func() error { return c.writeLocked(ctx, d, f) })
}

// Sync makes what was written so far outlive the machine, as a run does by
// itself. It costs nothing if that has been done.
func (c *Catalog) Sync(ctx context.Context) error {
	if !c.unsynced.Swap(false) {
		return nil
	}
	// A commit syncs the log, all that is in it, if it adds to it.
	err := c.write(ctx, machine, func(ctx context.Context, t *transaction) error {
		return t.exec(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
	})
	if err != nil {
		c.unsynced.Store(true)
		return fmt.Errorf("sync catalog: %w", err)
	}
	return nil
}

func (c *Catalog) writeLocked(ctx context.Context, d durability, f func(context.Context, *transaction) error) error {
	if err := c.followLocked(ctx); err != nil {
		return err
	}
	s := c.file.bulk
	if d == machine {
		s = c.file.safe
	}
	if err := s.begin(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer s.rollback()
	calm := context.WithoutCancel(ctx)
	if err := c.catchUpLocked(calm, s); err != nil {
		return err
	}
	t := &transaction{session: s, base: c.snap.Load(), rows: map[string]*row{}, kinds: c.kinds, learned: map[kind]int64{},
		layouts: c.layouts, learnedLayouts: map[layout]int64{}}
	if err := f(calm, t); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	at := c.at
	if t.news {
		if err := s.row(calm, "SELECT max(n) FROM news", nil, &at.news); err != nil {
			return err
		}
		if err := s.exec(calm, "DELETE FROM news WHERE n <= ?", at.news-newsKept); err != nil {
			return err
		}
	}
	if err := s.commit(); err != nil {
		return err
	}
	if d == process {
		c.unsynced.Store(true)
	}
	c.at = at
	maps.Copy(c.kinds, t.learned)
	maps.Copy(c.layouts, t.learnedLayouts)
	if len(t.rows) > 0 {
		c.snap.Store(t.base.with(t.rows))
	}
	return nil
}

// known is the row of a prediction as of this point of the transaction.
func (t *transaction) known(id string) *row {
	if r, ok := t.rows[id]; ok {
		return r
	}
	return t.base.row(id)
}

// tell makes a change known: r to the readers of this process, unless it is nil,
// and the id to other processes.
func (t *transaction) tell(ctx context.Context, id string, r *row) error {
	if r != nil {
		t.rows[id] = r
	}
	t.news = true
	return t.exec(ctx, "INSERT INTO news (id) VALUES (?)", id)
}

// kind is the key of k in the file.
func (t *transaction) kind(ctx context.Context, k kind) (int64, error) {
	if n, ok := t.kinds[k]; ok {
		return n, nil
	}
	if n, ok := t.learned[k]; ok {
		return n, nil
	}
	n, err := t.insert(ctx, "INSERT INTO kind (model, version, status, source, deployment) VALUES (?, ?, ?, ?, ?)",
		k.model, k.version, k.status, k.source, k.deployment)
	if err == nil {
		t.learned[k] = n
	}
	return n, err
}

// maxLayouts is how many layouts are held. An account in which no two
// predictions look alike shall not fill the memory.
const maxLayouts = 10_000

// layout is the key of the layout of r in the file. There may be none, and
// then r has no layout any more.
func (t *transaction) layout(ctx context.Context, r *row) (key sql.NullInt64, err error) {
	if r.layout == (layout{}) {
		return key, nil
	}
	for _, known := range []map[layout]int64{t.layouts, t.learnedLayouts} {
		if n, ok := known[r.layout]; ok {
			return sql.NullInt64{Int64: n, Valid: true}, nil
		}
	}
	if len(t.layouts)+len(t.learnedLayouts) >= maxLayouts {
		r.layout = layout{}
		return key, nil
	}
	n, err := t.insert(ctx, "INSERT INTO layout (text) VALUES (?)", r.layout.text())
	if err == nil {
		t.learnedLayouts[r.layout] = n
	}
	return sql.NullInt64{Int64: n, Valid: true}, err
}
