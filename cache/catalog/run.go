package catalog

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"time"
)

// A Run is a run on its way: written down before the request that creates the
// prediction leaves, completed by the id of the prediction when that is known,
// deleted when nothing more has to be done about it. After a crash the runs that
// are left say which requests may have been sent.
type Run struct {
	ID         string // local, chosen by the caller
	Model      string
	Version    string
	Deployment string
	Input      []byte // as it was sent
	Started    time.Time
	Prediction string // its id, once known
	State      string // the caller's word
	Note       string // the caller's, for people
}

// PutRun stores a run in place of one with the same ID. When it returns without
// an error, the run outlives the process and the machine.
func (c *Catalog) PutRun(ctx context.Context, r Run) error {
	if r.ID == "" {
		return errors.New("write run: no id")
	}
	err := c.write(ctx, machine, func(ctx context.Context, t *transaction) error {
		return t.exec(ctx, `INSERT INTO run (id, model, version, deployment, input, started, prediction, state, note)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET model = excluded.model, version = excluded.version,
			deployment = excluded.deployment, input = excluded.input, started = excluded.started,
			prediction = excluded.prediction, state = excluded.state, note = excluded.note`,
			r.ID, r.Model, r.Version, r.Deployment, pack(r.ID, r.Input), toNanos(r.Started), r.Prediction, r.State, r.Note)
	})
	if err != nil {
		return fmt.Errorf("write run %s: %w", r.ID, err)
	}
	return nil
}

// Run returns a run; an unknown one is an error that matches io/fs.ErrNotExist.
func (c *Catalog) Run(ctx context.Context, id string) (Run, error) {
	runs, err := c.runs(ctx, "WHERE id = ?", id)
	if err == nil && len(runs) == 0 {
		err = iofs.ErrNotExist
	}
	if err != nil {
		return Run{}, fmt.Errorf("read run %s: %w", id, err)
	}
	return runs[0], nil
}

// Runs returns all runs, the one started first first.
func (c *Catalog) Runs(ctx context.Context) ([]Run, error) {
	runs, err := c.runs(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	return runs, nil
}

// DeleteRun forgets a run, for good once it returns: one that came back could be
// taken for a request still to be settled. One that is unknown is no error.
func (c *Catalog) DeleteRun(ctx context.Context, id string) error {
	err := c.write(ctx, machine, func(ctx context.Context, t *transaction) error {
		return t.exec(ctx, "DELETE FROM run WHERE id = ?", id)
	})
	if err != nil {
		return fmt.Errorf("delete run %s: %w", id, err)
	}
	return nil
}

func (c *Catalog) runs(ctx context.Context, where string, args ...any) (runs []Run, err error) {
	err = c.view(ctx, func(p *pool) error {
		runs = nil
		q, err := p.query(ctx, `SELECT id, model, version, deployment, input, started, prediction, state, note
			FROM run `+where+` ORDER BY started, id`, args...)
		if err != nil {
			return err
		}
		defer q.Close()
		for q.Next() {
			var r Run
			var packed []byte
			var started int64
			if err := q.Scan(&r.ID, &r.Model, &r.Version, &r.Deployment, &packed, &started, &r.Prediction, &r.State, &r.Note); err != nil {
				return damaged(ctx, err)
			}
			if r.Input, err = unpack(r.ID, packed); err != nil {
				// that the run exists matters more than what it was given
				c.log.Warn("input of a run is damaged", "run", r.ID, "err", err)
			}
			r.Started = fromNanos(started)
			runs = append(runs, r)
		}
		return q.Err()
	})
	return runs, err
}
