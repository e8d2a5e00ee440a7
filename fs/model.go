package fs

import (
	"context"
	"errors"
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
			f.firstLists(ctx)
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

// firstLists lets who looks into a new account wait a moment for its trainings
// and deployments: their models are listed too, whoever has looked where
// before.
func (f *FS) firstLists(ctx context.Context) {
	_, _, err := f.catalog.Doc(ctx, deploymentsKey)
	deployments := errors.Is(err, iofs.ErrNotExist)
	if f.away() != nil || f.trainings.heard() && !deployments {
		return
	}
	_, err = f.asking.ask(ctx, "first lists", firstLimit, func(ctx context.Context) (any, error) {
		err := f.trainings.list(ctx)
		if deployments && f.docs.old(deploymentsKey) {
			_, failed := f.docs.deploymentNames(ctx)
			err = errors.Join(err, failed)
		}
		return nil, err
	})
	if err != nil && ctx.Err() == nil {
		f.log.Warn("trainings or deployments could not be read; their models may not be listed", "err", err)
	}
}

// used are the models that were used, drafted, deployed or trained, or came of a
// training, as owner/name, sorted.
func (f *FS) used() []string {
	var names []string
	for _, g := range f.catalog.Models() {
		names = append(names, g.Name)
	}
	names = slices.DeleteFunc(slices.Concat(names, f.trainings.models(), f.docs.deployed(), f.drafts.models()), func(full string) bool {
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
				if _, err := f.docs.model(ctx, full); err != nil {
					return nil, translate(err)
				}
			}
			return f.model(full), nil
		},
	}
}

// model is a model as a folder.
func (f *FS) model(name string) *deskDir {
	told := func(render func(*docs, context.Context, string) ([]byte, time.Time, error)) func(context.Context) ([]byte, time.Time, error) {
		return func(ctx context.Context) ([]byte, time.Time, error) { return render(f.docs, ctx, name) }
	}
	return &deskDir{
		desk: f.desk("models/"+name, func(ctx context.Context, fresh bool) (order, error) { return f.docs.order(ctx, name, fresh) }),
		files: []deskFile{
			{"README.md", told((*docs).readme), func() { f.docs.renewReadme(name) }},
			{"model.json", told((*docs).description), func() { f.docs.renewModel(name) }},
			{"schema.json", told((*docs).schema), func() { f.docs.renewModel(name) }},
		},
		rest: []string{"example", "predictions", "versions"},
		more: func(ctx context.Context, part string) (tree.Node, error) {
			switch part {
			case "example":
				return f.example(ctx, name)
			case "versions":
				return f.versions(name), nil
			}
			return f.links("models/"+name+"/predictions", tree.Final,
				func() iter.Seq[catalog.Prediction] { return f.catalog.ByModel(name) },
				func(p catalog.Prediction) bool { return p.Model == name }), nil
		},
		runs: func() catalog.Group { return f.catalog.Model(name) },
		time: func() time.Time { return f.modelTime(name) },
	}
}

// example is the run that the model shows on its page, if there is one. To
// know that, a model is asked for once; not while nobody would answer, so that
// a walk over many models does not wait for each.
func (f *FS) example(ctx context.Context, name string) (tree.Node, error) {
	ask := f.docs.model
	if f.away() != nil {
		ask = f.docs.known
	}
	doc, err := ask(ctx, name)
	switch {
	case err != nil:
		return nil, translate(err)
	case doc.DefaultExample == nil:
		return nil, iofs.ErrNotExist
	}
	return &predictionDir{f, exampleID(name, doc.DefaultExample)}, nil
}
