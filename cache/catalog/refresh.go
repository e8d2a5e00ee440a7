package catalog

import (
	"context"
	"fmt"
	"slices"
	"unique"
)

// A position is how far the index in memory has followed a file. A file that
// was made anew has another identity, and its numbers mean nothing to the old one.
type position struct {
	identity string
	news     int64
}

// Refresh brings what other processes wrote into the lists and returns the ids
// of the predictions about which something changed since the last call, sorted:
// their rows, objects or outputs. What this process wrote is not among them.
func (c *Catalog) Refresh(ctx context.Context) (changed []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.healingLocked(ctx, func() error { return c.refreshLocked(ctx) }); err != nil {
		return nil, fmt.Errorf("refresh catalog: %w", err)
	}
	for id := range c.pending {
		changed = append(changed, id)
	}
	clear(c.pending)
	slices.Sort(changed)
	return changed, nil
}

func (c *Catalog) refreshLocked(ctx context.Context) error {
	if err := c.followLocked(ctx); err != nil {
		return err
	}
	s := c.file.bulk // not a reader, which a slow query may occupy
	if err := s.begin(ctx, "BEGIN"); err != nil {
		return err
	}
	defer s.rollback()
	return c.catchUpLocked(ctx, s)
}

// catchUpLocked brings the index to what the transaction of s sees. Whatever
// becomes of the transaction, that was committed.
func (c *Catalog) catchUpLocked(ctx context.Context, s *session) error {
	var now position
	var oldest int64
	err := s.row(ctx, `SELECT (SELECT identity FROM meta), (SELECT coalesce(min(n), 0) FROM news),
		(SELECT coalesce(max(n), 0) FROM news)`, nil, &now.identity, &oldest, &now.news)
	switch {
	case err != nil:
	case now == c.at:
		return nil
	case now.identity != c.at.identity || oldest > c.at.news+1 || now.news < c.at.news:
		err = c.readAllLocked(ctx, s)
	default:
		err = c.readNewsLocked(ctx, s)
	}
	switch {
	case err == nil:
		c.at = now
	case code(err) == 0: // SQLite is content, but a value is not what was written
		err = damaged(ctx, err)
	}
	return err
}

// readNewsLocked reads what changed after the position.
func (c *Catalog) readNewsLocked(ctx context.Context, s *session) error {
	q, err := s.query(ctx, `SELECT n.id, coalesce(p.created, 0), coalesce(p.completed, 0), coalesce(p.flags, 0), coalesce(p.rank, 0),
		coalesce(k.n, 0), coalesce(k.model, ''), coalesce(k.version, ''), coalesce(k.status, ''), coalesce(k.source, ''), coalesce(k.deployment, ''),
		coalesce(l.n, 0), coalesce(l.text, '')
		FROM (SELECT DISTINCT id FROM news WHERE n > ?) n LEFT JOIN prediction p ON p.id = n.id LEFT JOIN kind k ON k.n = p.kind
		LEFT JOIN layout l ON l.n = p.layout`, c.at.news)
	if err != nil {
		return err
	}
	defer q.Close()
	snap := c.snap.Load()
	changed := map[string]*row{}
	for q.Next() {
		var r row
		var k kind
		var n, layoutKey int64
		var text string
		if err := q.Scan(&r.id, &r.created, &r.completed, &r.flags, &r.rank,
			&n, &k.model, &k.version, &k.status, &k.source, &k.deployment, &layoutKey, &text); err != nil {
			return err
		}
		c.pending[r.id] = struct{}{}
		c.outputs.drop(r.id)
		if n == 0 {
			continue // outputs of something that is no prediction of ours
		}
		c.kinds[k] = n
		r.kind = unique.Make(k)
		if layoutKey != 0 {
			r.layout = makeLayout(text)
			c.layouts[r.layout] = layoutKey
		}
		// an equal row of a running prediction has another object; of a final
		// one it is only the outputs that were learned
		if old := snap.row(r.id); old == nil || *old != r || r.flags&done == 0 {
			changed[r.id] = &r
		}
	}
	if err := q.Err(); err != nil {
		return err
	}
	if len(changed) > 0 {
		c.snap.Store(snap.with(changed))
	}
	return nil
}

// readAllLocked reads the whole index.
func (c *Catalog) readAllLocked(ctx context.Context, s *session) error {
	kinds, handles, err := readKinds(ctx, s)
	if err != nil {
		return err
	}
	layouts, shapes, err := readLayouts(ctx, s)
	if err != nil {
		return err
	}
	rows, err := readRows(ctx, s, handles, shapes)
	if err != nil {
		return err
	}
	old, revision := c.snap.Load(), uint64(1)
	if old != nil {
		revision = old.revision + 1
	}
	snap := newSnapshot(revision, rows)
	if old != nil {
		c.noteDifferences(old, snap)
	}
	c.outputs.dropAll()
	c.kinds, c.layouts = kinds, layouts
	c.snap.Store(snap)
	return nil
}

func readKinds(ctx context.Context, s *session) (map[kind]int64, map[int64]unique.Handle[kind], error) {
	q, err := s.query(ctx, "SELECT n, model, version, status, source, deployment FROM kind")
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	kinds, handles := map[kind]int64{}, map[int64]unique.Handle[kind]{}
	for q.Next() {
		var n int64
		var k kind
		if err := q.Scan(&n, &k.model, &k.version, &k.status, &k.source, &k.deployment); err != nil {
			return nil, nil, err
		}
		kinds[k], handles[n] = n, unique.Make(k)
	}
	return kinds, handles, q.Err()
}

func readLayouts(ctx context.Context, s *session) (keys map[layout]int64, layouts map[int64]layout, err error) {
	q, err := s.query(ctx, "SELECT n, text FROM layout")
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	keys, layouts = map[layout]int64{}, map[int64]layout{}
	for q.Next() {
		var n int64
		var text string
		if err := q.Scan(&n, &text); err != nil {
			return nil, nil, err
		}
		l := makeLayout(text)
		keys[l], layouts[n] = n, l
	}
	return keys, layouts, q.Err()
}

// readRows reads all rows in the order of their ids, which is that of the table.
func readRows(ctx context.Context, s *session, kinds map[int64]unique.Handle[kind], layouts map[int64]layout) ([]*row, error) {
	q, err := s.query(ctx, "SELECT id, kind, created, completed, flags, rank, coalesce(layout, 0) FROM prediction ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer q.Close()
	var rows []*row
	var kind, shape int64
	for q.Next() {
		r := new(row)
		if err := q.Scan(&r.id, &kind, &r.created, &r.completed, &r.flags, &r.rank, &shape); err != nil {
			return nil, err
		}
		r.layout = layouts[shape]
		var ok bool
		if r.kind, ok = kinds[kind]; !ok || r.rank > rankFull {
			return nil, fmt.Errorf("prediction %q is of kind %d and rank %d: %w", r.id, kind, r.rank, errDamaged)
		}
		if n := len(rows); n > 0 && rows[n-1].id >= r.id {
			return nil, fmt.Errorf("prediction %q comes after %q: %w", r.id, rows[n-1].id, errDamaged)
		}
		rows = append(rows, r)
	}
	return rows, q.Err()
}

// noteDifferences makes pending what differs between two snapshots. Of what
// runs the objects may differ too.
func (c *Catalog) noteDifferences(old, s *snapshot) {
	for r := range s.byID.all() {
		if o := old.row(r.id); o == nil || *o != *r || r.flags&done == 0 {
			c.pending[r.id] = struct{}{}
		}
	}
	for r := range old.byID.all() {
		if s.row(r.id) == nil {
			c.pending[r.id] = struct{}{}
		}
	}
}
