// Package fs lays a Replicate account out as a tree of folders: what is
// where, what each file says, and what writing to one means.
//
// # Words
//
// A prediction is one run of a model. Its folder in predictions/ is its one
// real place; every other folder that shows it is a view, made of links. An
// output is a file that a prediction made. A desk is a folder in which saving
// a file, a trigger, runs a model. A save is one such saving, and a flight is
// a prediction that has not ended yet and is being watched.
//
// # How it hangs together
//
// What there is, as folders:
//
//	prediction.go  predictions/ and the folders in it; attr.go their extended attributes
//	shelf.go       where predictions are known from: the list, examples of models
//	training.go    and trainings, which are in no list of predictions
//	plan.go        prediction → names and sources, as plain data; value.go, dataurl.go of its JSON
//	layout.go      the same from memory, for walks; recent.go what was looked at lately
//	output.go      files on the delivery host: size once, bytes through the cache; reading.go an open one
//	expired.go     what Replicate has deleted
//	speech.go      the text of a run under way, word by word
//	view.go        by-date/, by-status/: folders of links
//	collection.go  collections/, and search.go search/: links to models
//	model.go       models/, with docs.go for what the API says of them
//	version.go     models/<owner>/<name>/versions/; deployment.go deployments/
//	upload.go      files/, with parcel.go and spool.go for what is on its way there
//	gallery.go     gallery.html, from the template and style of that name
//	readme.go      README.md at the top; stats.go .replicatefs/
//	name.go        names, and time.go times, that are the same after every mount
//
// What saving means:
//
//	desk.go        triggers and temporary files (trigger.go); deskdir.go the folder of a desk
//	draft.go       folders where a run is prepared; starter.go the file that runs it
//	drafts.go      where drafts are on the disk; stored.go a file of one
//	inputs.go      what the files of a draft are as input; bigfile.go those to upload first
//	check.go       an input against rules.go, what a model's schema (schema.go) says of it
//	complaint.go   what the rules forbid, in words; errors.go refusals
//	save.go        a save and what became of it; run.go what it does, guard.go how often
//	flight.go      runs being watched; resume.go those of earlier mounts
//	adopt.go       a run whose answer was lost, found in the list; lost.go what is still looked for
//
// What goes on behind:
//
//	sync.go        news from the API into the catalog; intake.go what news does there
//	crawl.go       the past into the catalog
//	keep.go        outputs brought here for good; forgotten.go those given up; fetch.go those of a path
//	path.go        runs and URLs behind a path, for commands
//	ask.go         questions asked once for all; misses.go those whose answer was no
//	reach.go       output hosts that do not answer
//	statfs.go      figures for df
//
// The catalog is the account as far as it is known; everything shown comes
// from there, and sync, runs and lookups bring it up to date. Nodes hold names
// and look everything else up when asked, so a million of them cost little.
package fs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"replicatefs/api"
	"replicatefs/cache"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// Options are what a mount may choose. The zero value waits for no run and
// polls every 15 seconds.
type Options struct {
	Wait             time.Duration // for how long a save waits for the end of its run; 0: not
	PreferWait       time.Duration // lets the API hold the create so long, but not longer than Wait; 0: not
	CancelAfter      time.Duration // lets the API end a run after that; 0: its own limit
	MaxRuns          int           // runs under way at once, default 8
	MaxRunsPerMinute int           // default 60
	ReadOnly         bool          // nothing can be saved
	Keep             Keeping       // what is kept without being asked for

	Poll time.Duration    // how often to ask for news, default 15 s
	Now  func() time.Time // default time.Now
	Log  *slog.Logger     // default none

	Config  json.RawMessage // what .replicatefs/config.json says: how the mount is set up, without secrets
	LogTail func() []byte   // the newest lines of the log, for .replicatefs/log; nil: there is none
}

// Backend is what a tree stands on. All of it belongs to one account at one
// base URL, and stays the caller's to close, after Close of the FS.
type Backend struct {
	API     *api.Client
	Content *api.Content
	Cache   *cache.Cache
	Catalog *catalog.Catalog
	Account *api.Account
	Dir     string // for files of this account that are not for the cache; made when needed
}

// FS is a mounted account.
type FS struct {
	api     *api.Client
	content *api.Content
	cache   *cache.Cache
	catalog *catalog.Catalog
	account *api.Account
	drafts  *draftStore
	since   time.Time    // of what is fixed in the tree
	renamed time.Time    // when what account.json says changed
	begun   time.Time    // when this mount was
	known   atomic.Int64 // bytes of all outputs whose size is known

	o   Options
	now func() time.Time
	log *slog.Logger

	docs      *docs
	trainings *trainings
	rosters   *rosters
	uploads   *uploads
	gallery   *gallery
	guard     *guard
	claims    *claims
	misses    *misses
	reach     *reach
	keeper    *keeper
	folders   *recent
	renewals  *lru.Cache[string, renewal]
	untold    *lru.Cache[string, untoldSizes]
	layouts   sync.Map // of []item, by the text of the layout
	times     *lru.Cache[string, moment]
	asking    *questions
	stats     chan struct{} // a place for each HEAD that may be under way
	sends     atomic.Uint64
	changes   atomic.Uint64 // counts changed predictions, so that no old one is remembered

	life     context.Context // of everything that outlives the call that began it
	end      context.CancelFunc
	tasks    sync.WaitGroup
	progress *progress
	tally    tally
	watch    atomic.Pointer[func(tree.Change)] // nil: nobody is told of changes
	mount    atomic.Pointer[func() MountStats] // nil: nobody shows the tree
	fresh    bool                              // nothing of the account was known when this mount began
	synced   chan struct{}                     // closed when the first news is in, or could not be had
	first    sync.Once

	mu      sync.Mutex // guards what follows
	flights map[string]*flight
	desks   map[string]*desk
	arrived map[string]time.Time // predictions first seen lately, and when
	losses  map[string]*lostRun  // by the ID of the run
}

// maxStats is how many sizes are asked for at once.
const maxStats = 16

// New makes the tree of an account. It asks nobody; Start does.
func New(b Backend, o Options) (*FS, error) {
	if b.Dir == "" { // else what is left in files/ of wherever we are would be tidied
		return nil, errors.New("no folder for drafts and uploads")
	}
	o = o.withDefaults()
	f := &FS{
		api: b.API, content: b.Content, cache: b.Cache, catalog: b.Catalog, account: b.Account,
		o: o, now: o.Now, log: o.Log,
		guard: newGuard(o.MaxRuns, o.MaxRunsPerMinute, o.Now), claims: newClaims(), reach: newReach(o.Log, o.Now),
		stats: make(chan struct{}, maxStats), synced: make(chan struct{}),
		flights: map[string]*flight{}, desks: map[string]*desk{}, arrived: map[string]time.Time{}, losses: map[string]*lostRun{},
	}
	f.life, f.end = context.WithCancel(context.Background())
	f.asking = &questions{life: f.life, tasks: &f.tasks}
	f.misses = newMisses(f.asking, o.Now)
	f.begun, f.fresh = f.now(), b.Catalog.Len() == 0
	f.docs, f.keeper = newDocs(f), newKeeper(f)
	f.folders = newRecent()
	f.renewals, _ = lru.New[string, renewal](maxRenewals) // fails for a size of 0 only
	f.untold, _ = lru.New[string, untoldSizes](maxUntold)
	f.times, _ = lru.New[string, moment](remembered)
	changed, err := b.Catalog.PutDocTold(f.life, "account", b.Account.Raw, written)
	if err != nil {
		return nil, fmt.Errorf("write down the account: %w", err)
	}
	f.since, f.renamed = written, changed.Truncate(time.Second)
	f.progress = f.newProgress()
	f.trainings, f.rosters = newTrainings(f), newRosters(f)
	f.gallery = &gallery{fs: f}
	f.uploads = newUploads(f, filepath.Join(b.Dir, "files"))
	if f.drafts, err = openDrafts(b.Dir); err != nil {
		f.end()
		return nil, err
	}
	return f, nil
}

func (o Options) withDefaults() Options {
	if o.MaxRuns == 0 {
		o.MaxRuns = 8
	}
	if o.MaxRunsPerMinute == 0 {
		o.MaxRunsPerMinute = 60
	}
	o.PreferWait = min(o.PreferWait, o.Wait)
	if o.Keep == "" {
		o.Keep = KeepNone
	}
	if o.Poll == 0 {
		o.Poll = 15 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Watch sets who is told of changes. It is called from several goroutines,
// never under a lock, and must not wait. Call it before Start; programs may be
// looking at the tree already.
func (f *FS) Watch(watch func(tree.Change)) { f.watch.Store(&watch) }

// Start begins to bring news from the API and picks up the runs that were
// under way when the last mount ended.
func (f *FS) Start() {
	if f.o.Keep != KeepNone {
		f.keeper.remember() // before the news: what is gone by then was missed
		f.tasks.Go(f.keeper.run)
	}
	f.tasks.Go(f.resume)
	f.tasks.Go(f.sync)
	f.tasks.Go(f.crawl)
	f.tasks.Go(f.sum)
}

// Close ends everything under way here and waits for it. Runs go on at
// Replicate, and are picked up again by the next Start.
func (f *FS) Close() {
	f.end()
	f.tasks.Wait()
	f.uploads.close()
	f.folders.Purge()
	if err := f.drafts.close(); err != nil {
		f.log.Warn("the place of drafts could not be closed", "err", err)
	}
}

// Root is the top of the tree.
func (f *FS) Root() tree.Dir {
	entries := []tree.Entry{
		{Name: "README.md", Node: tree.Bytes(tree.Ino("readme"), f.since, []byte(welcome))},
		{Name: "account.json", Node: tree.Bytes(tree.Ino("account"), f.renamed, indent(f.account.Raw))},
		{Name: "by-date", Node: f.byDate()},
		{Name: "by-status", Node: f.byStatus()},
		{Name: "collections", Node: f.collections()},
		{Name: "deployments", Node: f.deployments()},
		{Name: "files", Node: f.uploads},
		{Name: "gallery.html", Node: f.gallery.file()},
		{Name: "models", Node: f.models()},
		{Name: "predictions", Node: f.predictions()},
		{Name: "search", Node: f.search()},
		{Name: "trainings", Node: f.trainings.dir()},
	}
	return &tree.Listing{
		Number:  tree.Ino("root"),
		Told:    func() tree.Info { return folderInfo(later(f.newest("predictions", f.catalog.ByID), f.renamed)) },
		Entries: func(context.Context) ([]tree.Entry, error) { return slices.Clone(entries), nil },
		Named: func(_ context.Context, name string) (tree.Node, error) {
			if name == ownFolder {
				return f.own(), nil
			}
			return tree.Find(entries, name)
		},
	}
}

// desk returns the one desk of a folder.
func (f *FS) desk(where string, runs runner) *desk {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.desks[where]
	if d == nil {
		d = newDesk(f, where, runs)
		f.desks[where] = d
	}
	return d
}

// moveDesk forgets the desk of a draft that went, or puts it where it went.
func (f *FS) moveDesk(from string, to *desk) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.desks, from)
	if to != nil {
		f.desks[to.where] = to
	}
}

func (f *FS) notify(c tree.Change) {
	if watch := f.watch.Load(); watch != nil {
		(*watch)(c)
	}
}
