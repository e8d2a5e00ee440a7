package fs

import (
	"context"
	"encoding/json"
	"errors"
	iofs "io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// Deployments are documents of the catalog: deployments is the list of their
// names, deployment/<owner>/<name> each as told.
const (
	deploymentsKey = "deployments"
	deploymentKey  = "deployment/"
)

// A deploymentDoc is a deployment as told, and when what it says last changed.
type deploymentDoc struct {
	raw     json.RawMessage
	changed time.Time
	model   string // owner/name
	version string
}

// deployment returns what is known of one deployment, or asks for it.
func (d *docs) deployment(ctx context.Context, name string, fresh bool) (*deploymentDoc, error) {
	key, ask := deploymentKey+name, d.askDeployment(name)
	if fresh {
		if err := d.fs.misses.ask(ctx, key, ask); err != nil {
			return nil, err
		}
		d.old(key)
	}
	raw, changed, err := d.document(ctx, key, ask)
	if err != nil {
		return nil, err
	}
	return readDeployment(raw, changed), nil
}

// renewDeployment is renew of a deployment.
func (d *docs) renewDeployment(name string) { d.renew(deploymentKey+name, d.askDeployment(name)) }

func (d *docs) askDeployment(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		owner, deployment, _ := strings.Cut(name, "/")
		told, err := d.fs.api.Deployment(ctx, owner, deployment)
		if err != nil {
			return err
		}
		return d.keepDeployment(ctx, told)
	}
}

func readDeployment(raw json.RawMessage, changed time.Time) *deploymentDoc {
	var told struct {
		Release struct{ Model, Version string } `json:"current_release"`
	}
	_ = json.Unmarshal(raw, &told) // it can be run without
	return &deploymentDoc{raw, changed.Truncate(time.Second), told.Release.Model, told.Release.Version}
}

func (d *docs) keepDeployment(ctx context.Context, told *api.Deployment) error {
	_, err := d.fs.catalog.PutDocTold(ctx, deploymentKey+told.Owner+"/"+told.Name, told.Raw, told.Release.Created)
	return err
}

// deploymentNames are the deployments of the account, as owner/name, sorted,
// as far as they are known.
func (d *docs) deploymentNames(ctx context.Context) ([]string, error) {
	ask := func(ctx context.Context) error {
		names := []string{}
		for told, err := range d.fs.api.Deployments(ctx) {
			if err != nil {
				return err
			}
			if !ownerName.MatchString(told.Owner) || !modelName.MatchString(told.Name) {
				continue
			}
			if err := d.keepDeployment(ctx, told); err != nil {
				return err
			}
			names = append(names, told.Owner+"/"+told.Name)
		}
		slices.Sort(names)
		list, err := json.Marshal(names)
		if err != nil {
			return err
		}
		_, err = d.fs.catalog.PutDoc(ctx, deploymentsKey, list)
		return err
	}
	raw, _, err := d.document(ctx, deploymentsKey, ask)
	if err != nil {
		return nil, err
	}
	d.renew(deploymentsKey, ask) // by looking, too: it is one request for all
	var names []string
	return names, json.Unmarshal(raw, &names)
}

// knownDeployments is deploymentNames without asking.
func (d *docs) knownDeployments() (names []string) {
	if raw, _, err := d.fs.catalog.Doc(d.fs.life, deploymentsKey); err == nil {
		_ = json.Unmarshal(raw, &names) // our own list
	}
	return names
}

// deployed are the models that are known to be deployed, as owner/name.
func (d *docs) deployed() (models []string) {
	for _, name := range d.knownDeployments() {
		if raw, changed, err := d.fs.catalog.Doc(d.fs.life, deploymentKey+name); err == nil {
			models = append(models, readDeployment(raw, changed).model)
		}
	}
	return models
}

// deploymentOrder is what a save in the folder of a deployment runs. Without
// the schema of its version everything goes.
func (d *docs) deploymentOrder(ctx context.Context, name string, fresh bool) (order, error) {
	o := order{api.Target{Deployment: name}, func() (*rules, error) { return nil, nil }}
	told, err := d.deployment(ctx, name, fresh)
	if err != nil {
		return o, err
	}
	if owner, _, ok := strings.Cut(told.model, "/"); !ok || owner == "" || !versionName.MatchString(told.version) {
		return o, nil
	}
	v, err := d.version(ctx, told.model, told.version, fresh)
	if err != nil {
		return order{o.target, func() (*rules, error) { return nil, err }}, nil
	}
	return order{o.target, v.rules}, nil
}

// deployments is the folder of the owners of deployments. An account is told
// of its own only.
func (f *FS) deployments() tree.Dir {
	return &tree.Listing{
		Number: tree.Ino("folder", "deployments"),
		Told:   func() tree.Info { return folderInfo(f.newestDeployment("")) },
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			names, err := f.docs.deploymentNames(ctx)
			if err != nil {
				return nil, translate(err)
			}
			var entries []tree.Entry
			for _, name := range names {
				owner, _, _ := strings.Cut(name, "/")
				if n := len(entries); n == 0 || entries[n-1].Name != owner {
					entries = append(entries, tree.Entry{Name: owner, Node: f.deployer(owner)})
				}
			}
			return entries, nil
		},
		Named: func(_ context.Context, owner string) (tree.Node, error) {
			if !ownerName.MatchString(owner) {
				return nil, iofs.ErrNotExist
			}
			return f.deployer(owner), nil
		},
	}
}

// deployer is the folder of one owner's deployments.
func (f *FS) deployer(owner string) tree.Dir {
	return &tree.Listing{
		Number: tree.Ino("folder", "deployments/"+owner),
		Told:   func() tree.Info { return folderInfo(f.newestDeployment(owner + "/")) },
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			names, err := f.docs.deploymentNames(ctx)
			if err != nil {
				return nil, translate(err)
			}
			var entries []tree.Entry
			for _, full := range names {
				if name, ok := strings.CutPrefix(full, owner+"/"); ok {
					entries = append(entries, tree.Entry{Name: name, Node: f.deployment(full)})
				}
			}
			return entries, nil
		},
		Named: func(ctx context.Context, name string) (tree.Node, error) {
			full := owner + "/" + name
			if !modelName.MatchString(name) {
				return nil, iofs.ErrNotExist
			}
			if _, err := f.docs.deployment(ctx, full, false); err != nil {
				return nil, translate(err)
			}
			return f.deployment(full), nil
		},
	}
}

// newestDeployment is the time of the newest folder of the known deployments
// whose names begin so.
func (f *FS) newestDeployment(prefix string) time.Time {
	at := f.since
	for _, name := range f.docs.knownDeployments() {
		if strings.HasPrefix(name, prefix) {
			at = later(at, f.deploymentTime(name))
		}
	}
	return at
}

// deploymentTime is that of the folder of a deployment: of its newest run, or
// of what is told of it.
func (f *FS) deploymentTime(name string) time.Time {
	at := f.since
	if runs := f.deploymentRuns(name); runs.Count > 0 {
		at = f.newest("deployments/"+name, func() iter.Seq[catalog.Prediction] { return f.catalog.ByDeployment(runs.Name) })
	}
	if _, changed, err := f.catalog.Doc(f.life, deploymentKey+name); err == nil {
		at = later(at, changed.Truncate(time.Second))
	}
	return at
}

// deploymentRuns are the runs of a deployment. The API tells its name with or
// without the owner.
func (f *FS) deploymentRuns(name string) catalog.Group {
	_, short, _ := strings.Cut(name, "/")
	for _, g := range f.catalog.Deployments() {
		if g.Name == name || g.Name == short {
			return g
		}
	}
	return catalog.Group{Name: name}
}

// deployment is a deployment as a folder, as that of the model that it runs.
func (f *FS) deployment(name string) *deskDir {
	where := "deployments/" + name
	of := func(render func(*docs, context.Context, string) ([]byte, time.Time, error)) func(context.Context) ([]byte, time.Time, error) {
		return func(ctx context.Context) ([]byte, time.Time, error) {
			told, err := f.docs.deployment(ctx, name, false)
			if err != nil {
				return nil, time.Time{}, err
			}
			return render(f.docs, ctx, told.model)
		}
	}
	renew := func(what func(*docs, string)) func() {
		return func() {
			if raw, changed, err := f.catalog.Doc(f.life, deploymentKey+name); err == nil {
				what(f.docs, readDeployment(raw, changed).model)
			}
		}
	}
	return &deskDir{
		desk: f.desk(where, func(ctx context.Context, fresh bool) (order, error) { return f.docs.deploymentOrder(ctx, name, fresh) }),
		files: []deskFile{
			{"README.md", of((*docs).readme), renew((*docs).renewReadme)},
			{"deployment.json", func(ctx context.Context) ([]byte, time.Time, error) {
				told, err := f.docs.deployment(ctx, name, false)
				if err != nil {
					return nil, time.Time{}, err
				}
				return indent(told.raw), told.changed, nil
			}, func() { f.docs.renewDeployment(name) }},
			{"model.json", of((*docs).description), renew((*docs).renewModel)},
			{"schema.json", func(ctx context.Context) ([]byte, time.Time, error) {
				told, err := f.docs.deployment(ctx, name, false)
				if err != nil {
					return nil, time.Time{}, err
				}
				v, err := f.docs.version(ctx, told.model, told.version, false)
				if errors.Is(err, iofs.ErrNotExist) {
					return []byte("{}\n"), told.changed, nil
				}
				if err != nil {
					return nil, time.Time{}, err
				}
				return indent(schemas(v.schema)), later(told.changed, v.made), nil
			}, func() { f.docs.renewDeployment(name) }},
		},
		rest: []string{"predictions"},
		more: func(context.Context, string) (tree.Node, error) {
			runs := f.deploymentRuns(name).Name
			return f.links(where+"/predictions", tree.Final,
				func() iter.Seq[catalog.Prediction] { return f.catalog.ByDeployment(runs) },
				func(p catalog.Prediction) bool { return p.Deployment == runs }), nil
		},
		runs: func() catalog.Group { return f.deploymentRuns(name) },
		time: func() time.Time { return f.deploymentTime(name) },
	}
}
