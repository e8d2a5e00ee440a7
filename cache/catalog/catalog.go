// Package catalog is the local record of one Replicate account: which
// predictions there are, what the API said about each of them, what was learned
// about their output files, and which runs are on their way.
//
// Replicate answers a listing a hundred predictions at a time and forgets the
// content of most of them after an hour. The catalog answers at once, without
// the network, and tomorrow the same as today. It is one SQLite file,
// catalog.db, in a folder that belongs to one account at one base URL; keeping
// accounts apart is a matter of giving each its own folder.
//
// # What is held where
//
// The index, one small [Prediction] for each, is in memory: listing ten
// thousand of them costs no query. It is a persistent data structure behind an
// atomic pointer; readers take the newest and wait for nobody, not even for a
// transaction that is being written. Objects as received, learned facts and
// documents are read from the file when asked for, over connections of their
// own, which in WAL mode do not wait either.
//
// # What may replace what
//
// Copies of one prediction arrive from several sides in any order: from a poll,
// from an event stream, from a second mount, complete, half-way or emptied by
// the API. One pure function, merge, decides what counts. What was once seen
// complete stays as it was first seen, and a copy from after the removal takes
// nothing away.
//
// # Failure
//
// A transaction that was committed outlives the program being killed at any
// moment. One that holds a run outlives the machine, too: its commit is synced,
// and with it all that was written before, as by [Catalog.Sync].
// A damaged file is set aside under another name and a new one takes its place,
// with all that could be read, at the start or whenever the damage is met, and
// with a warning; it is never a reason not to start. Bodies carry a checksum; one
// that does not match counts as unknown, so that it is fetched again.
//
// Two processes may have the same catalog open. Each merges with what is in the
// file, and sees what the other wrote after [Catalog.Refresh].
//
// Drafts are not in here: their fields are files of any size, written at any
// offset and renamed, which a folder of plain files does better than a table.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	iofs "io/fs"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a catalog takes from outside. The zero value works.
type Options struct {
	Log *slog.Logger     // nil discards
	Now func() time.Time // nil is time.Now
}

// A Catalog is the record of one account. Its methods may be called from any
// goroutine. Those without a context answer from memory and never wait.
type Catalog struct {
	log  *slog.Logger
	now  func() time.Time
	path string

	snap    atomic.Pointer[snapshot]
	outputs *outputCache

	unsynced atomic.Bool // a commit since the last Sync outlives the process only

	// mu is held through a transaction that writes, and by Refresh.
	mu      sync.Mutex
	at      position
	kinds   map[kind]int64      // keys in the table kind
	layouts map[layout]int64    // keys in the table layout
	pending map[string]struct{} // changed by other processes, not yet told by Refresh
	repairs int

	// fileMu guards the pointer: held to read by readers while they use the
	// file, to write while it is exchanged, which needs mu as well.
	fileMu sync.RWMutex
	file   *file // nil once closed
}

const fileName = "catalog.db"

// Open opens the catalog in the folder dir, which is made if it is missing,
// for its owner only. A file that cannot be used is set aside with a warning; an
// error means that the folder cannot be used.
func Open(ctx context.Context, dir string, o Options) (*Catalog, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	c := &Catalog{log: o.Log, now: o.Now, path: filepath.Join(dir, fileName),
		outputs: newOutputCache(outputCacheSize), pending: map[string]struct{}{}}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open catalog: %w", err), c.Close())
	}
	return c, nil
}

// open opens the file and reads the index, of another file if this one cannot
// be used.
func (c *Catalog) open(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	unlock, err := c.lockFolder(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.resume(); err != nil {
		return err
	}
	err = c.load(ctx)
	if !unusable(err) {
		return err
	}
	if err := c.replace(ctx, err); err != nil {
		return err
	}
	return c.refreshLocked(ctx)
}

// load opens the file and reads the index.
func (c *Catalog) load(ctx context.Context) error {
	f, err := openFile(ctx, c.path)
	if err != nil {
		return err
	}
	c.fileMu.Lock()
	c.file = f
	c.fileMu.Unlock()
	return c.refreshLocked(ctx)
}

// Close closes the file and waits for what uses it. Lists answer after it as
// before; everything else fails.
func (c *Catalog) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fileMu.Lock()
	defer c.fileMu.Unlock()
	f := c.file
	c.file = nil
	return f.close()
}

// Prediction returns what the index knows of one prediction.
func (c *Catalog) Prediction(id string) (Prediction, bool) {
	if r := c.snap.Load().row(id); r != nil {
		return r.prediction(), true
	}
	return Prediction{}, false
}

// Len is the number of predictions.
func (c *Catalog) Len() int { return c.snap.Load().byID.n }

// Revision grows whenever a prediction is new or changed, its object included:
// a listing made at one revision holds as long as the revision does. It counts
// from the start of the process.
func (c *Catalog) Revision() uint64 { return c.snap.Load().revision }

// Newest is when the prediction created last was created, zero for none.
func (c *Catalog) Newest() time.Time {
	if r := c.snap.Load().byCreated.first(); r != nil {
		return fromNanos(r.created)
	}
	return time.Time{}
}

// All returns every prediction, sorted by id. The slice is the caller's.
func (c *Catalog) All() []Prediction {
	s := c.snap.Load()
	all := make([]Prediction, 0, s.byID.n)
	for r := range s.byID.all() {
		all = append(all, r.prediction())
	}
	return all
}

// ByID walks all predictions, sorted by id. Like every walk here it shows one
// moment, that of the call, whatever is written meanwhile.
func (c *Catalog) ByID() iter.Seq[Prediction] {
	return predictions(c.snap.Load().byID.all())
}

// ByCreated walks all predictions, created last first.
func (c *Catalog) ByCreated() iter.Seq[Prediction] {
	return predictions(c.snap.Load().byCreated.all())
}

// Between walks the predictions created at or after from and before to, created
// last first. What lies outside costs nothing.
func (c *Catalog) Between(from, to time.Time) iter.Seq[Prediction] {
	first, end := toNanos(from), toNanos(to)
	rows := c.snap.Load().byCreated.from(func(r *row) bool { return r.created >= end })
	return func(yield func(Prediction) bool) {
		for r := range rows {
			if r.created < first || !yield(r.prediction()) {
				return
			}
		}
	}
}

// Unfinished walks the predictions that are not Done, sorted by id.
func (c *Catalog) Unfinished() iter.Seq[Prediction] {
	return predictions(c.snap.Load().unfinished.all())
}

// ByModel walks the predictions of the model owner/name, sorted by id.
func (c *Catalog) ByModel(model string) iter.Seq[Prediction] {
	return predictions(c.snap.Load().models[model].all())
}

// ByStatus walks the predictions of a status, sorted by id.
func (c *Catalog) ByStatus(status string) iter.Seq[Prediction] {
	return predictions(c.snap.Load().statuses[status].all())
}

// ByDeployment walks the predictions of a deployment, sorted by id.
func (c *Catalog) ByDeployment(deployment string) iter.Seq[Prediction] {
	return predictions(c.snap.Load().deployments[deployment].all())
}

// Models sums up the models that have predictions, sorted by name.
func (c *Catalog) Models() []Group { return summary(c.snap.Load().models) }

// Model sums up the predictions of one model; the count is 0 if there are none.
func (c *Catalog) Model(model string) Group {
	g, ok := c.snap.Load().models[model]
	if !ok {
		return Group{Name: model}
	}
	return Group{Name: model, Count: g.n, Newest: g.newest.prediction()}
}

// Statuses sums up the statuses that occur, sorted by name.
func (c *Catalog) Statuses() []Group { return summary(c.snap.Load().statuses) }

// Deployments sums up the deployments that have predictions, sorted by name.
func (c *Catalog) Deployments() []Group { return summary(c.snap.Load().deployments) }

// Raw returns the object of a prediction as it was received: while it runs the
// one received last, once complete the one first received complete. If the data
// was removed before the end was seen, it is the last one that had data, and
// [Catalog.Expired] has what the API said of the end. An unknown or lost object
// is an error that matches io/fs.ErrNotExist. The bytes are the caller's.
func (c *Catalog) Raw(ctx context.Context, id string) ([]byte, error) {
	return c.object(ctx, id, "body")
}

// Expired returns the object that the API gave after it had removed the data,
// where Raw is a copy from before the end: status, error and metrics of that end
// are in no other. In all other cases the error matches io/fs.ErrNotExist.
func (c *Catalog) Expired(ctx context.Context, id string) ([]byte, error) {
	return c.object(ctx, id, "aside")
}

func (c *Catalog) object(ctx context.Context, id, column string) ([]byte, error) {
	var packed []byte
	err := c.view(ctx, func(p *pool) error {
		// by id and in one query: the key of an object means something in one file only
		return p.scan(ctx, "SELECT r."+column+" FROM prediction p JOIN raw r ON r.n = p.raw WHERE p.id = ? AND r."+column+" NOT NULL", id, &packed)
	})
	var b []byte
	if err == nil {
		if b, err = unpack(id, packed); err == nil {
			return b, nil
		}
		c.lost(ctx, id, err)
		err = iofs.ErrNotExist
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = iofs.ErrNotExist
	}
	return nil, fmt.Errorf("read object of %s: %w", id, err)
}
