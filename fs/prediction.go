package fs

import (
	"cmp"
	"context"
	"errors"
	iofs "io/fs"
	"regexp"
	"slices"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// predictionID is what an id can be: names that cannot be one are not asked
// for, and shells and file managers ask for many.
var predictionID = regexp.MustCompile(`^[0-9a-z]{16,40}$`)

// A folder is a prediction with the layout of its folder.
type folder struct {
	*api.Prediction
	*items
}

// predictions is the folder of all of them.
func (f *FS) predictions() tree.Dir {
	return &tree.Listing{
		Number: tree.Ino("predictions"),
		Told:   func() tree.Info { return folderInfo(f.newest("predictions", f.catalog.ByID)) },
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			f.firstNews(ctx)
			entries := make([]tree.Entry, 0, f.catalog.Len())
			for p := range f.catalog.ByID() {
				entries = append(entries, tree.Entry{Name: p.ID, Node: &predictionDir{f, p.ID}})
			}
			return entries, nil
		},
		Named: func(ctx context.Context, id string) (tree.Node, error) {
			if err := f.know(ctx, id); err != nil {
				return nil, err
			}
			return &predictionDir{f, id}, nil
		},
	}
}

// know makes sure that a prediction is in the catalog, by one request if it
// has to be asked for.
func (f *FS) know(ctx context.Context, id string) error {
	if _, ok := f.about(id); ok {
		return nil
	}
	if !predictionID.MatchString(id) {
		return iofs.ErrNotExist
	}
	return f.misses.ask(ctx, "prediction/"+id, func(ctx context.Context) error {
		p, err := f.api.Prediction(ctx, id)
		if err != nil {
			return translate(err)
		}
		return f.note(ctx, p) // what is not written down cannot be shown
	})
}

// folder returns a prediction as it is known now: from the run under way,
// else from the catalog.
func (f *FS) folder(ctx context.Context, id string) (*folder, error) {
	// What is at hand, or is just being read for somebody else, may be from
	// before the end of the run; the kernel is told that the end is for good.
	p, _ := f.about(id)
	if known, ok := f.folders.Get(id); ok && known.Done() == p.Done {
		return known, nil
	}
	known, err := f.read(ctx, id)
	if err == nil && known.Done() != p.Done {
		known, err = f.read(ctx, id)
	}
	return known, err
}

// read is folder from the catalog.
func (f *FS) read(ctx context.Context, id string) (*folder, error) {
	// Many look at a folder at once, and some cost a second and 200 MB to parse.
	known, err := f.asking.ask(ctx, "folder/"+id, askDeadline, func(ctx context.Context) (any, error) {
		seen := f.changes.Load()
		p, err := f.shelf(id).recall(ctx, id)
		if err != nil {
			return nil, err
		}
		known := &folder{p, newItems(f.plan(p))}
		if seen == f.changes.Load() {
			f.folders.Add(id, known)
		}
		return known, nil
	})
	if err != nil {
		return nil, err
	}
	return known.(*folder), nil
}

// recall reads a prediction from the catalog. If its data was removed before
// its end was seen, the end is told by one object and the data by another.
func (f *FS) recall(ctx context.Context, id string) (*api.Prediction, error) {
	raw, err := f.catalog.Raw(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := api.ParsePrediction(raw)
	if err != nil || p.Done() {
		return p, err
	}
	raw, err = f.catalog.Expired(ctx, id)
	if errors.Is(err, iofs.ErrNotExist) {
		return p, nil
	} else if err != nil {
		return nil, err
	}
	end, err := api.ParsePrediction(raw)
	if err != nil {
		return nil, err
	}
	end.Input, end.Output, end.Logs, end.HasLogs = p.Input, p.Output, p.Logs, p.HasLogs
	end.DataRemoved = end.Status == api.Succeeded // there may have been more
	return end, nil
}

// A predictionDir is one prediction as a folder.
type predictionDir struct {
	fs *FS
	id string
}

func (d *predictionDir) Ino() uint64 { return tree.Ino("prediction", d.id) }

func (d *predictionDir) Peek() (tree.Info, bool) {
	p, ok := d.fs.about(d.id)
	if !ok {
		return tree.Info{}, false
	}
	info := tree.Info{Mode: tree.DirMode, ModTime: modTime(p)}
	if p.Done {
		info.Valid = tree.Final
	}
	return info, true
}

func (d *predictionDir) Info(ctx context.Context) (tree.Info, error) {
	if err := d.fs.know(ctx, d.id); err != nil {
		return tree.Info{}, err
	}
	info, _ := d.Peek()
	return info, nil
}

// items are the names of the folder and what is behind them, also of those that
// are lost: from memory where they cannot change.
func (d *predictionDir) items(ctx context.Context) (*items, catalog.Prediction, error) {
	p, ok := d.fs.about(d.id)
	if !ok {
		return nil, p, iofs.ErrNotExist
	}
	if p.Done {
		if items := d.fs.layout(p.Layout); items != nil {
			return items, p, nil
		}
	}
	known, err := d.fs.folder(ctx, d.id)
	if err != nil {
		return nil, p, err
	}
	if _, ok := known.item(spokenName); !ok && !p.Done && d.fs.spoken(d.id) != nil {
		return newItems(append(slices.Clone(known.all), item{name: spokenName, kind: inline})), p, nil
	}
	return known.items, p, nil
}

func (d *predictionDir) List(ctx context.Context) ([]tree.Entry, error) {
	items, p, err := d.items(ctx)
	if err != nil {
		return nil, err
	}
	lost, err := d.fs.lost(ctx, p, items.all)
	if err != nil {
		return nil, err
	}
	entries := make([]tree.Entry, 0, len(items.all)+1)
	for _, it := range items.all {
		if !lost[it.name] {
			entries = append(entries, tree.Entry{Name: it.name, Node: d.node(it)})
		}
	}
	if len(lost) > 0 {
		entries = append(entries, tree.Entry{Name: expiredName, Node: &expired{d.fs, d.id}})
	}
	tree.Sort(entries)
	return entries, nil
}

func (d *predictionDir) Lookup(ctx context.Context, name string) (tree.Node, error) {
	items, p, err := d.items(ctx)
	if err != nil {
		return nil, err
	}
	if name == expiredName {
		if lost, err := d.fs.lost(ctx, p, items.all); err != nil || len(lost) > 0 {
			return &expired{d.fs, d.id}, err
		}
	}
	it, ok := items.item(name)
	if !ok {
		return nil, iofs.ErrNotExist
	}
	if lost, err := d.fs.lost(ctx, p, []item{it}); err != nil || len(lost) > 0 {
		return nil, cmp.Or(err, errDeleted)
	}
	return d.node(it), nil
}

func (d *predictionDir) node(it item) tree.Node {
	switch it.kind {
	case remote:
		return &output{d.fs, d.id, it.name}
	case control:
		return &cancel{d.fs, d.id}
	case notice:
		return &expired{d.fs, d.id}
	}
	return &text{d.fs, d.id, it.name}
}

// A text is a file of a prediction whose bytes are in its JSON.
type text struct {
	fs       *FS
	id, name string
}

func (t *text) Ino() uint64 { return tree.Ino("prediction", t.id, t.name) }

func (t *text) Peek() (tree.Info, bool) {
	// Only of a prediction that is at hand: a walk must read none for the
	// sizes that it does not ask for.
	known, ok := t.fs.folders.Get(t.id)
	if !ok {
		return tree.Info{}, false
	}
	p, ok := t.fs.about(t.id)
	if !ok || t.partial(p, known) {
		return tree.Info{}, false
	}
	info, err := t.Info(context.Background())
	return info, err == nil
}

// partial tells whether the catalog only has what a listing told, which may
// leave out the logs.
func (t *text) partial(p catalog.Prediction, known *folder) bool {
	switch {
	case p.Removed:
		return false
	case t.name == "logs.txt":
		return !known.HasLogs
	}
	return t.name == "prediction.json" && p.Done && !p.Full
}

func (t *text) Info(ctx context.Context) (tree.Info, error) {
	b, p, err := t.bytes(ctx)
	if err != nil {
		return tree.Info{}, err
	}
	info := tree.Info{Mode: tree.FileMode, Size: int64(len(b)), ModTime: modTime(p), Live: true}
	if p.Done {
		info.Live, info.Valid = false, tree.Final
	}
	return info, nil
}

// Open shows one version of the file, except of what only grows: who follows
// it, as tail does, reads on by the same descriptor.
func (t *text) Open(ctx context.Context) (tree.Handle, error) {
	b, p, err := t.bytes(ctx)
	if err == nil && !p.Done && (t.name == "logs.txt" || t.name == spokenName) {
		return &growing{t}, nil
	}
	return tree.Memory(b), err
}

// A growing file says at each read what there is by then.
type growing struct{ *text }

func (g *growing) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	b, _, err := g.bytes(ctx)
	if err != nil {
		return 0, err
	}
	return tree.Memory(b).ReadAt(ctx, p, off)
}

func (g *growing) Close() error { return nil }

// bytes is what the file says now.
func (t *text) bytes(ctx context.Context) ([]byte, catalog.Prediction, error) {
	p, ok := t.fs.about(t.id)
	if !ok {
		return nil, p, iofs.ErrNotExist
	}
	if !p.Done {
		t.fs.shelf(t.id).wanted(t.id)
	}
	if t.name == spokenName && !p.Done {
		if b := t.fs.spoken(t.id); b != nil {
			return b, p, nil
		}
	}
	known, err := t.fs.folder(ctx, t.id)
	if err != nil {
		return nil, p, err
	}
	if t.partial(p, known) {
		if err := t.fs.refresh(ctx, t.id); err != nil {
			return nil, p, err
		}
		p, _ = t.fs.about(t.id)
		if known, err = t.fs.folder(ctx, t.id); err != nil {
			return nil, p, err
		}
	}
	it, ok := known.item(t.name)
	if !ok {
		return nil, p, iofs.ErrNotExist
	}
	switch it.kind {
	case rendered:
		return it.render(known.Prediction), p, nil
	case embedded:
		b, err := decodeData(it.text)
		return b, p, err
	}
	return []byte(it.text), p, nil
}

// A cancel file ends the run when anything is written to it. It is there only
// while there is something to end.
type cancel struct {
	fs *FS
	id string
}

func (c *cancel) Ino() uint64 { return tree.Ino("prediction", c.id, "cancel") }

func (c *cancel) Peek() (tree.Info, bool) {
	p, ok := c.fs.about(c.id)
	mode := saveMode
	if c.fs.o.ReadOnly {
		mode = tree.FileMode
	}
	return tree.Info{Mode: mode, ModTime: modTime(p), Live: true}, ok
}

func (c *cancel) Info(context.Context) (tree.Info, error) {
	info, ok := c.Peek()
	if !ok {
		return info, iofs.ErrNotExist
	}
	return info, nil
}

func (c *cancel) Open(context.Context) (tree.Handle, error) { return tree.Memory(nil), nil }

func (c *cancel) Save(context.Context) (tree.Draft, error) {
	if c.fs.o.ReadOnly {
		return nil, tree.ErrReadOnly
	}
	return &opening{buffer: new(buffer), commit: func(ctx context.Context) error {
		shelf := c.fs.shelf(c.id)
		p, err := shelf.cancel(ctx, c.id)
		if err != nil {
			return translate(err)
		}
		return shelf.take(context.WithoutCancel(ctx), c.id, p)
	}}, nil
}
