package catalog

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// A Record is a prediction as it arrived: the row and the API's object, which
// the catalog stores as it is. A record without an object changes only the row,
// so Record{Prediction: Prediction{ID: id, Mine: true}} claims a prediction.
type Record struct {
	Prediction
	Raw []byte
}

// Put merges records into the catalog in one transaction and returns the ids of
// those that changed anything, in order of arrival and each once. Records that
// bring nothing new cost no transaction. It keeps no reference to the records.
//
// The rules of the merge are in the package comment. Full counts only with Done,
// with an object and without Removed; Completed counts only with Done; Layout
// counts only with an object, and stays or goes with it. Gone is not counted.
func (c *Catalog) Put(ctx context.Context, recs ...Record) (changed []string, err error) {
	for _, rec := range recs {
		if rec.ID == "" {
			return nil, errors.New("put prediction: no id")
		}
	}
	packed, news := c.prepare(recs)
	if !news {
		return nil, nil
	}
	err = c.write(ctx, process, func(ctx context.Context, t *transaction) error {
		changed = nil
		seen := map[string]bool{}
		for i, rec := range recs {
			wrote, err := t.put(ctx, rec, packed[i])
			if err != nil {
				return err
			}
			if wrote && !seen[rec.ID] {
				seen[rec.ID] = true
				changed = append(changed, rec.ID)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("put predictions: %w", err)
	}
	return changed, nil
}

// prepare does before the transaction what can be done before it, since a run
// about to be sent may be waiting for the same lock. It packs the objects that
// will probably be stored, leaving nil for others, and reports whether there is
// anything new at all.
//
// The index in memory may be older than the file. But of a final row everything
// only grows: what is nothing new to the older is none to the newer.
func (c *Catalog) prepare(recs []Record) (packed [][]byte, news bool) {
	s := c.snap.Load()
	packed = make([][]byte, len(recs))
	for i, rec := range recs {
		old := s.row(rec.ID)
		m := merge(old, rec)
		if m.raw != keepRaw {
			packed[i] = pack(rec.ID, rec.Raw)
		}
		if old == nil || old.flags&done == 0 || m.row != *old || m.raw != keepRaw {
			news = true
		}
	}
	return packed, news
}

// put merges one record and reports whether that changed anything.
func (t *transaction) put(ctx context.Context, rec Record, packed []byte) (bool, error) {
	old := t.known(rec.ID)
	m := merge(old, rec)
	if m.raw == takeRaw && old != nil && old.rank == m.row.rank {
		// a poll of a running prediction mostly brings what is known
		same, err := t.holds(ctx, rec.ID, rec.Raw)
		if err != nil {
			return false, err
		}
		if same {
			m.raw = keepRaw
		}
	}
	if old != nil && m.row == *old && m.raw == keepRaw {
		return false, nil
	}
	if old == nil {
		m.row.id = strings.Clone(rec.ID) // it may be a piece of the whole object
	}
	if packed == nil && m.raw != keepRaw {
		packed = pack(rec.ID, rec.Raw)
	}
	if err := t.store(ctx, old != nil, &m, packed); err != nil {
		return false, err
	}
	return true, t.tell(ctx, rec.ID, &m.row)
}

// holds reports whether raw is the stored object.
func (t *transaction) holds(ctx context.Context, id string, raw []byte) (bool, error) {
	var packed []byte
	err := t.row(ctx, "SELECT r.body FROM prediction p JOIN raw r ON r.n = p.raw WHERE p.id = ?", []any{id}, &packed)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b, err := unpack(id, packed)
	return err == nil && bytes.Equal(b, raw), nil // damaged: stored anew
}

// store writes a merged row and its objects.
func (t *transaction) store(ctx context.Context, known bool, m *merged, packed []byte) error {
	var key sql.NullInt64 // of the object
	if known {
		if err := t.row(ctx, "SELECT raw FROM prediction WHERE id = ?", []any{m.row.id}, &key); err != nil {
			return err
		}
	}
	var err error
	switch {
	case m.raw == keepRaw:
	case !key.Valid: // there is nothing to put aside either
		key.Valid = true
		key.Int64, err = t.insert(ctx, "INSERT INTO raw (body) VALUES (?)", packed)
	case m.raw == putAside:
		err = t.exec(ctx, "UPDATE raw SET aside = ? WHERE n = ?", packed, key.Int64)
	case m.raw == moveAside:
		err = t.exec(ctx, "UPDATE raw SET aside = body, body = ? WHERE n = ?", packed, key.Int64)
	case m.row.flags&aside != 0:
		err = t.exec(ctx, "UPDATE raw SET body = ? WHERE n = ?", packed, key.Int64)
	default:
		err = t.exec(ctx, "UPDATE raw SET body = ?, aside = NULL WHERE n = ?", packed, key.Int64)
	}
	if err != nil {
		return err
	}
	n, err := t.kind(ctx, m.row.kind.Value())
	if err != nil {
		return err
	}
	l, err := t.layout(ctx, &m.row)
	if err != nil {
		return err
	}
	if !known {
		return t.exec(ctx, "INSERT INTO prediction (id, kind, created, completed, flags, rank, raw, layout) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			m.row.id, n, m.row.created, m.row.completed, int64(m.row.flags), int64(m.row.rank), key, l)
	}
	return t.exec(ctx, "UPDATE prediction SET kind = ?, created = ?, completed = ?, flags = ?, rank = ?, raw = ?, layout = ? WHERE id = ?",
		n, m.row.created, m.row.completed, int64(m.row.flags), int64(m.row.rank), key, l, m.row.id)
}
