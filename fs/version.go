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

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// versionName is the id of a version.
var versionName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Versions are documents of the catalog: versions/<owner>/<name> is the roster
// of their ids, version/<owner>/<name>/<id> each as told. What a version says
// never changes.
const (
	versionsKey  = "versions/"
	versionKey   = "version/"
	versionsLife = 24 * time.Hour // how old the list of them may be
)

// A versionDoc is a version as told, and when it was made.
type versionDoc struct {
	schema json.RawMessage
	made   time.Time
	rules  func() (*rules, error)
}

// version returns what is known of one version, or asks for it.
func (d *docs) version(ctx context.Context, model, id string, fresh bool) (*versionDoc, error) {
	v, err := d.knownVersion(ctx, model, id)
	if !fresh && !errors.Is(err, iofs.ErrNotExist) {
		return v, err
	}
	key := versionKey + model + "/" + id
	err = d.fs.misses.ask(ctx, key, func(ctx context.Context) error {
		owner, name, _ := strings.Cut(model, "/")
		told, err := d.fs.api.Version(ctx, owner, name, id)
		if errors.Is(err, iofs.ErrNotExist) && d.hasRun(model, id) {
			// Official models run versions of which they tell nothing.
			_, err := d.fs.catalog.PutDocTold(ctx, key, []byte("{}"), written)
			return err
		}
		if err != nil {
			return err
		}
		return d.keepVersion(ctx, model, told)
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	delete(d.versions, key)
	d.mu.Unlock()
	return d.knownVersion(ctx, model, id)
}

// knownVersion is a version as far as it was told, by itself or with its model.
func (d *docs) knownVersion(ctx context.Context, model, id string) (*versionDoc, error) {
	key := versionKey + model + "/" + id
	d.mu.Lock()
	v := d.versions[key]
	d.mu.Unlock()
	if v != nil {
		return v, nil
	}
	raw, _, err := d.fs.catalog.Doc(ctx, key)
	if errors.Is(err, iofs.ErrNotExist) {
		m, unknown := d.known(ctx, model)
		if unknown != nil || m.LatestVersion == nil || m.LatestVersion.ID != id {
			return nil, err
		}
		raw, err = m.LatestVersion.Raw, d.keepVersion(ctx, model, m.LatestVersion)
	}
	if err != nil {
		return nil, err
	}
	var told struct {
		Created time.Time       `json:"created_at"`
		Schema  json.RawMessage `json:"openapi_schema"`
	}
	if err := json.Unmarshal(raw, &told); err != nil {
		return nil, err
	}
	made := told.Created.Truncate(time.Second)
	if made.IsZero() {
		made = d.fs.since
	}
	v = &versionDoc{told.Schema, made, sync.OnceValues(func() (*rules, error) { return newRules(told.Schema) })}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.versions) >= maxParsed {
		clear(d.versions)
	}
	d.versions[key] = v
	return v, nil
}

func (d *docs) keepVersion(ctx context.Context, model string, v *api.Version) error {
	_, err := d.fs.catalog.PutDocTold(ctx, versionKey+model+"/"+v.ID, v.Raw, v.Created)
	return err
}

// versionIDs are the versions of a model that are known: those of its list,
// which is asked for once and then once a day, the latest, and those that ran.
func (d *docs) versionIDs(ctx context.Context, model string) ([]string, error) {
	list, err := d.fs.rosters.get(ctx, versionsKey+model, versionsLife, func(ctx context.Context) ([]string, error) {
		return d.askVersions(ctx, model)
	})
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	ids := slices.Clone(list.Names)
	if m, err := d.known(ctx, model); err == nil && m.LatestVersion != nil && versionName.MatchString(m.LatestVersion.ID) {
		ids = append(ids, m.LatestVersion.ID)
	}
	for p := range d.fs.catalog.ByModel(model) {
		if versionName.MatchString(p.Version) {
			ids = append(ids, p.Version)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// askVersions asks for the list of a model's versions, which comes with all
// that is to be told of each.
func (d *docs) askVersions(ctx context.Context, model string) (ids []string, err error) {
	owner, name, _ := strings.Cut(model, "/")
	for v, err := range d.fs.api.Versions(ctx, owner, name) {
		if errors.Is(err, iofs.ErrNotExist) {
			return nil, nil // an official model that tells of none
		}
		if err != nil {
			return nil, err
		}
		if !versionName.MatchString(v.ID) {
			continue
		}
		if err := d.keepVersion(ctx, model, v); err != nil {
			return nil, err
		}
		ids = append(ids, v.ID)
	}
	slices.Sort(ids)
	return ids, nil
}

// hasRun tells whether a version of a model has made a known prediction.
func (d *docs) hasRun(model, id string) bool {
	for p := range d.fs.catalog.ByModel(model) {
		if p.Version == id {
			return true
		}
	}
	return false
}

// versions is the folder of a model's versions.
func (f *FS) versions(model string) tree.Dir {
	where := "models/" + model + "/versions"
	return &tree.Listing{
		Number: tree.Ino("folder", where),
		Told:   func() tree.Info { return folderInfo(f.modelTime(model)) },
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			ids, err := f.docs.versionIDs(ctx, model)
			if err != nil {
				return nil, translate(err)
			}
			var entries []tree.Entry
			for _, id := range ids {
				entries = append(entries, tree.Entry{Name: id, Node: f.version(model, id)})
			}
			return entries, nil
		},
		Named: func(ctx context.Context, id string) (tree.Node, error) {
			if !versionName.MatchString(id) {
				return nil, iofs.ErrNotExist
			}
			if _, err := f.docs.knownVersion(ctx, model, id); err != nil && !f.docs.hasRun(model, id) {
				if _, err := f.docs.version(ctx, model, id, false); err != nil {
					return nil, translate(err)
				}
			}
			return f.version(model, id), nil
		},
	}
}

// version is one version of a model as a folder.
func (f *FS) version(model, id string) *deskDir {
	where := "models/" + model + "/versions/" + id
	return &deskDir{
		desk: f.desk(where, func(ctx context.Context, fresh bool) (order, error) {
			v, err := f.docs.version(ctx, model, id, fresh)
			if err != nil {
				return order{}, err
			}
			return order{api.Target{Version: id}, v.rules}, nil
		}),
		files: []deskFile{{"schema.json", func(ctx context.Context) ([]byte, time.Time, error) {
			v, err := f.docs.version(ctx, model, id, false)
			if err != nil {
				return nil, time.Time{}, err
			}
			return indent(schemas(v.schema)), v.made, nil
		}, nil}},
		runs: func() catalog.Group {
			var g catalog.Group
			for p := range f.catalog.ByModel(model) {
				if p.Version != id {
					continue
				}
				if g.Count++; g.Count == 1 || p.Created.After(g.Newest.Created) {
					g.Newest = p
				}
			}
			return g
		},
		time: func() time.Time {
			if v, err := f.docs.knownVersion(f.life, model, id); err == nil {
				return v.made
			}
			return f.since
		},
	}
}
