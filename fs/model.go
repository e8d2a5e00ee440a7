package fs

import (
	"context"
	iofs "io/fs"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// What the names of an owner and of a model can be. Shells, file managers and
// prompts look for many other names in every folder; those cost no request.
var (
	ownerName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$`)
	modelName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$`)
)

// models is the folder of owners. It lists those whose models were used here;
// any other is there by its exact name.
func (f *FS) models() tree.Dir {
	return &tree.Listing{
		Number: tree.Ino("folder", "models"),
		Told:   func() tree.Info { return folderInfo(f.newestModel("")) },
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			f.firstNews(ctx)
			var entries []tree.Entry
			for _, name := range f.used() {
				owner, _, _ := strings.Cut(name, "/")
				if n := len(entries); n == 0 || entries[n-1].Name != owner {
					entries = append(entries, tree.Entry{Name: owner, Node: f.owner(owner)})
				}
			}
			return entries, nil
		},
		Named: func(_ context.Context, owner string) (tree.Node, error) {
			if !ownerName.MatchString(owner) {
				return nil, iofs.ErrNotExist
			}
			return f.owner(owner), nil
		},
	}
}

// used are the models that were used or trained, or came of a training, as
// owner/name, sorted.
func (f *FS) used() []string {
	var names []string
	for _, g := range f.catalog.Models() {
		names = append(names, g.Name)
	}
	names = slices.DeleteFunc(append(names, f.trainings.models()...), func(full string) bool {
		owner, name, ok := strings.Cut(full, "/")
		return !ok || !ownerName.MatchString(owner) || !modelName.MatchString(name)
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// modelTime is that of the folder of a model: of its newest run, or of what is
// told of it here.
func (f *FS) modelTime(name string) time.Time {
	at := f.since
	if f.catalog.Model(name).Count > 0 {
		at = f.newest("models/"+name, func() iter.Seq[catalog.Prediction] { return f.catalog.ByModel(name) })
	}
	if m, err := f.docs.known(f.life, name); err == nil {
		at = later(at, m.changed)
	}
	return at
}

// newestModel is the time of the newest folder of those used models whose
// names begin so.
func (f *FS) newestModel(prefix string) time.Time {
	var at time.Time
	for _, name := range f.used() {
		if strings.HasPrefix(name, prefix) {
			at = later(at, f.modelTime(name))
		}
	}
	if at.IsZero() {
		return f.since
	}
	return at
}

// owner is the folder of one owner's models.
func (f *FS) owner(owner string) tree.Dir {
	return &tree.Listing{
		Number: tree.Ino("folder", "models/"+owner),
		Told:   func() tree.Info { return folderInfo(f.newestModel(owner + "/")) },
		Entries: func(context.Context) ([]tree.Entry, error) {
			var entries []tree.Entry
			for _, full := range f.used() {
				if name, ok := strings.CutPrefix(full, owner+"/"); ok {
					entries = append(entries, tree.Entry{Name: name, Node: f.model(full)})
				}
			}
			return entries, nil
		},
		Named: func(ctx context.Context, name string) (tree.Node, error) {
			full := owner + "/" + name
			if !modelName.MatchString(name) {
				return nil, iofs.ErrNotExist
			}
			if f.catalog.Model(full).Count == 0 {
				if _, err := f.docs.there(ctx, full); err != nil {
					return nil, translate(err)
				}
			}
			return f.model(full), nil
		},
	}
}

// A modelDir is a model as a folder: what it is, what was run of it, and the
// desk on which saving runs it.
type modelDir struct {
	*desk
	name string // owner/name
}

func (f *FS) model(name string) *modelDir {
	d := f.desk("models/"+name, func(ctx context.Context, fresh bool) (order, error) { return f.docs.order(ctx, name, fresh) })
	return &modelDir{d, name}
}

func (m *modelDir) Ino() uint64 { return m.desk.ino() }

func (m *modelDir) Peek() (tree.Info, bool) {
	mode := tree.DirMode
	if !m.fs.o.ReadOnly {
		mode |= 0o200
	}
	return tree.Info{Mode: mode, ModTime: m.fs.modelTime(m.name), Valid: time.Second}, true
}

func (m *modelDir) Info(context.Context) (tree.Info, error) {
	info, _ := m.Peek()
	return info, nil
}

func (m *modelDir) List(ctx context.Context) ([]tree.Entry, error) {
	entries := m.desk.entries()
	for i, row := range modelFiles {
		entries = append(entries, tree.Entry{Name: row.name, Node: m.file(i)})
	}
	for _, name := range []string{"error.txt", "example", "latest", "predictions"} {
		if node, err := m.special(ctx, name); err == nil {
			entries = append(entries, tree.Entry{Name: name, Node: node})
		}
	}
	tree.Sort(entries)
	return entries, nil
}

func (m *modelDir) Lookup(ctx context.Context, name string) (tree.Node, error) {
	if node, ok := m.desk.find(name); ok {
		return node, nil
	}
	for i, row := range modelFiles {
		if row.name == name {
			return m.file(i), nil
		}
	}
	return m.special(ctx, name)
}

// special finds what is in the folder only at times, or leads elsewhere.
func (m *modelDir) special(ctx context.Context, name string) (tree.Node, error) {
	switch name {
	case "example":
		return m.example(ctx)
	case "predictions":
		return m.fs.links(m.where+"/predictions", tree.Final,
			func() iter.Seq[catalog.Prediction] { return m.fs.catalog.ByModel(m.name) },
			func(p catalog.Prediction) bool { return p.Model == m.name }), nil
	case "latest":
		if m.last() == nil {
			m.fs.firstNews(ctx)
		}
		return m.latest(m.fs.catalog.Model(m.name))
	}
	return m.desk.told(name)
}

// example is the run that the model shows on its page, if there is one. To
// know that, a model is asked for once; not while nobody would answer, so that
// a walk over many models does not wait for each.
func (m *modelDir) example(ctx context.Context) (tree.Node, error) {
	ask := m.fs.docs.there
	if m.fs.away() != nil {
		ask = m.fs.docs.known
	}
	doc, err := ask(ctx, m.name)
	switch {
	case err != nil:
		return nil, translate(err)
	case doc.DefaultExample == nil:
		return nil, iofs.ErrNotExist
	}
	return &predictionDir{m.fs, exampleID(m.name, doc.DefaultExample)}, nil
}

// modelFiles are what a model says of itself. A new one is a row here.
var modelFiles = []struct {
	name  string
	bytes func(d *docs, ctx context.Context, name string) ([]byte, time.Time, error) // a method of docs
}{
	{"README.md", (*docs).readme},
	{"model.json", (*docs).description},
	{"schema.json", (*docs).schema},
}

// file is one of them. It is rendered anew for each look: a model may change.
func (m *modelDir) file(i int) tree.File {
	row := modelFiles[i]
	return tree.Text(tree.Ino("model", m.name, row.name), func(ctx context.Context) ([]byte, time.Time, error) {
		b, mod, err := row.bytes(m.fs.docs, ctx, m.name)
		return b, mod, translate(err)
	})
}
