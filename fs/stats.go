package fs

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"replicatefs/api"
	"replicatefs/cache"
	"replicatefs/fs/tree"
)

// ownFolder is where the mount tells about itself: there by name, in no
// listing, so that no backup and no file manager meets it.
const ownFolder = ".replicatefs"

func (f *FS) own() tree.Dir {
	var entries []tree.Entry
	for _, file := range []struct {
		name string
		has  bool
		says func() ([]byte, error)
	}{
		{"config.json", f.o.Config != nil, func() ([]byte, error) { return indent(f.o.Config), nil }},
		{"stats.json", true, func() ([]byte, error) {
			raw, err := json.Marshal(f.Stats())
			return indent(raw), err
		}},
	} {
		if file.has {
			entries = append(entries, tree.Entry{Name: file.name, Node: tree.Text(tree.Ino("own", file.name), func(context.Context) ([]byte, time.Time, error) {
				text, err := file.says()
				return text, f.now().Truncate(time.Second), err
			})})
		}
	}
	if f.o.LogTail != nil {
		entries = append(entries, tree.Entry{Name: "log", Node: &ownLog{tree.Text(tree.Ino("own", "log"), func(context.Context) ([]byte, time.Time, error) {
			return f.o.LogTail(), f.now().Truncate(time.Second), nil
		}), f.o.LogTail}})
	}
	return tree.Folder(tree.Ino("own"), f.since, entries...)
}

// ownLog is .replicatefs/log. Who has it open reads on as it grows, as tail -f
// does; when its oldest lines go it is shorter, and tail begins anew.
type ownLog struct {
	tree.File
	says func() []byte
}

func (l *ownLog) Open(context.Context) (tree.Handle, error) { return l, nil }

func (l *ownLog) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return tree.Memory(l.says()).ReadAt(ctx, p, off)
}

func (l *ownLog) Close() error { return nil }

// Stats are figures of a mount.
type Stats struct {
	PID      int                `json:"pid"` // of the program behind the mount
	Account  string             `json:"account"`
	BaseURL  string             `json:"base_url"`
	Mounted  time.Time          `json:"mounted"`
	Mount    *MountStats        `json:"mount,omitempty"` // nil where there is none, as for ls
	Sync     SyncStats          `json:"sync"`
	Catalog  CatalogStats       `json:"catalog"`
	Runs     []string           `json:"runs"`         // ids of predictions under way that are watched here
	Started  int64              `json:"runs_started"` // since the mount
	Ended    map[string]int64   `json:"runs_ended"`   // of those watched, by status
	Keep     KeepStats          `json:"keep"`
	Cache    cache.Stats        `json:"cache"`
	Requests []api.RequestCount `json:"requests"` // to the API and for outputs
}

// MountStats tell how the tree is shown; who mounts it says so by Describe.
type MountStats struct {
	Dir         string `json:"dir"`
	Version     string `json:"version"`
	Metrics     string `json:"metrics,omitempty"` // where they are served
	Nodes       int    `json:"nodes"`             // known to the kernel
	Handles     int    `json:"handles"`           // open files and folders
	Changes     int    `json:"changes"`           // not yet told to the kernel
	Dropped     int    `json:"dropped"`           // changes that were too many
	Pushed      int64  `json:"pushed"`            // bytes put into the kernel's cache
	Passthrough bool   `json:"passthrough"`       // the kernel reads complete files itself
}

// Describe sets who tells how the tree is shown. Call it before Start, as Watch.
func (f *FS) Describe(mount func() MountStats) { f.mount.Store(&mount) }

// tally counts runs.
type tally struct {
	mu      sync.Mutex // guards what follows
	started int64
	ended   map[string]int64
}

func (t *tally) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.started++
}

func (t *tally) end(status string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.ended = map[string]int64{}
	}
	t.ended[status]++
}

// SyncStats tell how the catalog follows the account.
type SyncStats struct {
	Complete bool       `json:"complete"`          // the whole list was read once
	Polls    int        `json:"polls"`             // answered, since the mount
	Last     *time.Time `json:"last,omitempty"`    // when the news came last
	Failing  *time.Time `json:"failing,omitempty"` // since when it does not
	Error    string     `json:"error,omitempty"`   // and why
}

// CatalogStats count what is known.
type CatalogStats struct {
	Predictions int            `json:"predictions"`
	Statuses    map[string]int `json:"statuses"`
	Newest      *time.Time     `json:"newest,omitempty"`
	Bytes       int64          `json:"bytes"` // of outputs whose size is known
}

// Stats returns the figures of now. It asks nobody.
func (f *FS) Stats() Stats {
	s := Stats{
		PID: os.Getpid(), Account: f.account.Username, BaseURL: f.api.Base(), Mounted: f.begun.UTC(),
		Sync: f.progress.stats(), Runs: []string{}, Ended: map[string]int64{}, Keep: f.keeper.stats(), Cache: f.cache.Stats(),
		Requests: slices.Concat(f.api.Requests(), f.content.Requests()),
	}
	if mount := f.mount.Load(); mount != nil {
		m := (*mount)()
		s.Mount = &m
	}
	s.Catalog = CatalogStats{Predictions: f.catalog.Len(), Statuses: map[string]int{}, Newest: told(f.catalog.Newest()), Bytes: f.known.Load()}
	for _, g := range f.catalog.Statuses() {
		s.Catalog.Statuses[g.Name] = g.Count
	}
	f.mu.Lock()
	for id := range f.flights {
		s.Runs = append(s.Runs, id)
	}
	f.mu.Unlock()
	slices.Sort(s.Runs)
	f.tally.mu.Lock()
	defer f.tally.mu.Unlock()
	s.Started = f.tally.started
	maps.Copy(s.Ended, f.tally.ended)
	return s
}

func (p *progress) stats() SyncStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := SyncStats{Complete: p.crawl.Complete, Polls: p.polls, Last: told(p.last), Failing: told(p.failing)}
	if p.err != nil {
		s.Error = p.err.Error()
	}
	return s
}

// told is a time for JSON, nil if there is none.
func told(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
