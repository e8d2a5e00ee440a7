package catalog

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	iofs "io/fs"
	"time"
)

// Doc returns a small document (the account, a model, a schema, the position of
// a sync) and when it last changed. One that is unknown is an error that
// matches io/fs.ErrNotExist. The bytes are the caller's.
func (c *Catalog) Doc(ctx context.Context, key string) (b []byte, changed time.Time, err error) {
	var packed []byte
	var at int64
	err = c.view(ctx, func(p *pool) error {
		return p.scan(ctx, "SELECT body, changed FROM document WHERE key = ?", key, &packed, &at)
	})
	if err == nil {
		if b, err = unpack(key, packed); err == nil {
			return b, fromNanos(at), nil
		}
		// as good as unknown: its owner makes it again
		c.log.Warn("stored document is damaged", "key", key, "err", err)
		err = iofs.ErrNotExist
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = iofs.ErrNotExist
	}
	return nil, time.Time{}, fmt.Errorf("read document %s: %w", key, err)
}

// PutDoc stores a document and returns when it last changed: now, or the time
// from before if the bytes are the same.
func (c *Catalog) PutDoc(ctx context.Context, key string, b []byte) (changed time.Time, err error) {
	return c.PutDocTold(ctx, key, b, time.Time{})
}

// PutDocTold is PutDoc of a document that tells when it was made. If it was
// not known, or if it was made after the last change, that is when it changed:
// the same on every machine.
func (c *Catalog) PutDocTold(ctx context.Context, key string, b []byte, told time.Time) (changed time.Time, err error) {
	if old, at, err := c.Doc(ctx, key); err == nil && bytes.Equal(old, b) {
		return at, nil
	}
	err = c.write(ctx, process, func(ctx context.Context, t *transaction) error {
		// again: another process may have stored the same
		var packed []byte
		var at int64
		err := t.row(ctx, "SELECT body, changed FROM document WHERE key = ?", []any{key}, &packed, &at)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if old, bad := unpack(key, packed); err == nil && bad == nil && bytes.Equal(old, b) {
			changed = fromNanos(at)
			return nil
		}
		changed = fromNanos(c.now().UnixNano()) // as it will be read
		if told.After(fromNanos(at)) && told.Before(changed) {
			changed = fromNanos(told.UnixNano())
		}
		return t.exec(ctx, `INSERT INTO document (key, body, changed) VALUES (?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET body = excluded.body, changed = excluded.changed`, key, pack(key, b), toNanos(changed))
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("write document %s: %w", key, err)
	}
	return changed, nil
}

// DeleteDoc forgets a document. One that is unknown is no error.
func (c *Catalog) DeleteDoc(ctx context.Context, key string) error {
	err := c.write(ctx, process, func(ctx context.Context, t *transaction) error {
		return t.exec(ctx, "DELETE FROM document WHERE key = ?", key)
	})
	if err != nil {
		return fmt.Errorf("delete document %s: %w", key, err)
	}
	return nil
}
