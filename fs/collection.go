package fs

import (
	"context"
	"encoding/json"
	"errors"
	iofs "io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"replicatefs/api"
	"replicatefs/fs/tree"
)

// collections/ and search/ are ways to models: folders of links into models/,
// one request each when somebody looks inside. The models are told with it and
// written down, so that following the links costs none.

// A roster is names that the API told: of collections, or of models.
type roster struct {
	Asked   time.Time // when
	Changed time.Time // when it became what it is, as far as was seen
	Names   []string
}

// rosters are those that were asked for, at hand in memory.
type rosters struct {
	fs     *FS
	recent *lru.Cache[string, roster]

	mu      sync.Mutex      // guards what follows
	renewed map[string]bool // being asked for again
}

const (
	maxRosters     = 256
	collectionLife = 24 * time.Hour   // collections are made by hand
	searchLife     = 15 * time.Minute // also what one query costs a walk that comes by
)

func newRosters(f *FS) *rosters {
	recent, _ := lru.New[string, roster](maxRosters) // fails for a size of 0 only
	return &rosters{fs: f, recent: recent, renewed: map[string]bool{}}
}

// kept tells whether a roster outlives the mount. What was searched for does
// not: nobody would know when to forget it.
func kept(key string) bool { return !strings.HasPrefix(key, searchDir) }

// known returns a roster that needs no request.
func (r *rosters) known(ctx context.Context, key string) (known roster, ok bool) {
	if known, ok = r.recent.Get(key); ok || !kept(key) {
		return known, ok
	}
	raw, _, err := r.fs.catalog.Doc(ctx, key)
	if err != nil || json.Unmarshal(raw, &known) != nil {
		return roster{}, false
	}
	r.recent.Add(key, known)
	return known, true
}

// get returns a roster: at once if it is known, and asked for again behind the
// caller's back if it is older than life.
func (r *rosters) get(ctx context.Context, key string, life time.Duration, ask func(context.Context) ([]string, error)) (roster, error) {
	known, ok := r.known(ctx, key)
	renew := func(ctx context.Context) error {
		return r.fs.misses.ask(ctx, key, func(ctx context.Context) error {
			names, err := ask(ctx)
			if err != nil {
				return translate(err)
			}
			return r.put(ctx, key, names)
		})
	}
	if !ok {
		if err := r.fs.away(); err != nil {
			return roster{}, err // a walk over all of them shall not wait for each
		}
		if err := renew(ctx); err != nil {
			return roster{}, err
		}
		known, _ = r.recent.Get(key)
		return known, nil
	}
	old := func(l roster) bool { return r.fs.now().Sub(l.Asked) >= life }
	if old(known) && r.fs.away() == nil && r.begin(key) {
		r.fs.tasks.Go(func() {
			defer r.end(key)
			if known, ok := r.known(r.fs.life, key); ok && !old(known) {
				return // it was renewed since we looked
			}
			if err := renew(r.fs.life); err != nil && r.fs.life.Err() == nil {
				r.fs.log.Debug("a list could not be asked for again", "what", key, "err", err)
			}
		})
	}
	return known, nil
}

func (r *rosters) begin(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.renewed[key]
	r.renewed[key] = true
	return first
}

func (r *rosters) end(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.renewed, key)
}

// put takes in what was told. A roster that was not known before is as old as
// this program's own words, the same on every machine.
func (r *rosters) put(ctx context.Context, key string, names []string) error {
	now := r.fs.now()
	before, known := r.known(ctx, key)
	next := roster{Asked: now, Changed: r.fs.since, Names: names}
	if known {
		next.Changed = before.Changed
		if !slices.Equal(before.Names, names) {
			next.Changed = now.Truncate(time.Second)
		}
	}
	r.recent.Add(key, next)
	if !kept(key) {
		return nil
	}
	raw, err := json.Marshal(next)
	if err == nil {
		_, err = r.fs.catalog.PutDoc(ctx, key, raw)
	}
	return err
}

// changed is when a roster changed, as far as it is known.
func (r *rosters) changed(key string) time.Time {
	if known, ok := r.known(r.fs.life, key); ok {
		return known.Changed
	}
	return r.fs.since
}

// modelNames takes in models that a list told, and returns their names.
func (f *FS) modelNames(ctx context.Context, models []*api.Model) []string {
	names := make([]string, 0, len(models))
	for _, m := range models {
		name := m.Owner + "/" + m.Name
		if ownerName.MatchString(m.Owner) && modelName.MatchString(m.Name) && !slices.Contains(names, name) {
			f.docs.hear(ctx, name, m)
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ways is a folder of links to models, as owner--name.
func (f *FS) ways(dir string, get func(context.Context) (roster, error)) tree.Dir {
	entries := func(ctx context.Context) ([]tree.Entry, error) {
		l, err := get(ctx)
		if err != nil {
			return nil, err
		}
		taken := names{}
		entries := make([]tree.Entry, 0, len(l.Names))
		for _, model := range l.Names {
			owner, name, _ := strings.Cut(model, "/")
			entries = append(entries, tree.Entry{
				Name: taken.take(owner + "--" + name),
				Node: &pointer{dir: dir, target: "../../models/" + model, mod: f.since, valid: tree.Final},
			})
		}
		tree.Sort(entries)
		return entries, nil
	}
	return &tree.Listing{
		Number:  tree.Ino("folder", dir),
		Told:    func() tree.Info { return folderInfo(f.rosters.changed(dir)) },
		Entries: entries,
		Named: func(ctx context.Context, name string) (tree.Node, error) {
			if owner, _, ok := strings.Cut(name, "--"); !ok || !ownerName.MatchString(owner) {
				return nil, iofs.ErrNotExist
			}
			all, err := entries(ctx)
			if err != nil {
				return nil, err
			}
			return tree.Find(all, name)
		},
	}
}

// slugName is what the name of a collection can be.
var slugName = regexp.MustCompile(`^[0-9a-z][0-9a-z_-]{0,127}$`)

// collections is collections/<slug>/<owner>--<name>.
func (f *FS) collections() tree.Dir {
	const dir = "collections"
	all := func(ctx context.Context) (roster, error) {
		return f.rosters.get(ctx, dir, collectionLife, func(ctx context.Context) (slugs []string, err error) {
			for c, err := range f.api.Collections(ctx) {
				if err != nil {
					return nil, err
				}
				if slugName.MatchString(c.Slug) && !slices.Contains(slugs, c.Slug) {
					slugs = append(slugs, c.Slug)
				}
			}
			slices.Sort(slugs)
			return slugs, nil
		})
	}
	one := func(slug string) tree.Dir {
		dir := dir + "/" + slug
		return f.ways(dir, func(ctx context.Context) (roster, error) {
			return f.rosters.get(ctx, dir, collectionLife, func(ctx context.Context) ([]string, error) {
				c, err := f.api.Collection(ctx, slug)
				if err != nil {
					return nil, err
				}
				return f.modelNames(ctx, c.Models), nil
			})
		})
	}
	return &tree.Listing{
		Number: tree.Ino("folder", dir),
		Told:   func() tree.Info { return folderInfo(f.rosters.changed(dir)) },
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			l, err := all(ctx)
			if err != nil && !errors.Is(err, api.ErrUnreachable) {
				return nil, err
			}
			var entries []tree.Entry
			for _, slug := range l.Names {
				entries = append(entries, tree.Entry{Name: slug, Node: one(slug)})
			}
			return entries, nil
		},
		Named: func(ctx context.Context, slug string) (tree.Node, error) {
			if !slugName.MatchString(slug) {
				return nil, iofs.ErrNotExist
			}
			l, err := all(ctx)
			if err != nil {
				return nil, err
			}
			if _, ok := slices.BinarySearch(l.Names, slug); !ok {
				return nil, iofs.ErrNotExist
			}
			return one(slug), nil
		},
	}
}
