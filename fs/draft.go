package fs

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"strings"
	"time"

	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// A draft is a folder where a run is prepared: each file is an input, writing
// to run starts it. All in it are files on disk (see draftStore), those that
// this program writes too: error.txt, and latest, a link to the prediction. So
// a copy of a draft is a draft.
type draft struct {
	*desk        // what was run here
	at    string // its path in the store
	num   uint64 // its Ino
	mod   time.Time
}

const (
	runName    = "run"
	latestName = "latest"
	errorName  = "error.txt"
)

// reserved are the names that mean something in the folder of a model, a
// version or a deployment, or may mean it one day.
var reserved = map[string]bool{
	"README.md": true, "model.json": true, "schema.json": true, "deployment.json": true, "prompt.txt": true, "input.json": true,
	latestName: true, errorName: true, "example": true, "predictions": true, "versions": true, runName: true,
}

// draft finds the draft of a name on a desk.
func (d *desk) draft(name string) (*draft, bool) {
	if reserved[name] || strings.HasPrefix(name, ".") {
		return nil, false
	}
	at := path.Join(d.where, name)
	info, err := d.fs.drafts.stat(at)
	if err != nil || !info.IsDir() {
		return nil, false
	}
	return &draft{d.fs.desk(at, d.order), at, storedIno(info), info.ModTime()}, true
}

// Mkdir makes a draft.
func (d *desk) Mkdir(_ context.Context, name string) (tree.Dir, error) {
	_, taken := d.find(name)
	switch {
	case d.fs.o.ReadOnly:
		return nil, tree.ErrReadOnly
	case taken || reserved[name]:
		return nil, iofs.ErrExist
	case strings.HasPrefix(name, "."):
		return nil, tree.ErrReadOnly
	case safe(name) != name:
		return nil, iofs.ErrInvalid
	}
	if err := d.fs.drafts.mkdir(path.Join(d.where, name)); err != nil {
		return nil, err
	}
	made, ok := d.draft(name)
	if !ok {
		return nil, iofs.ErrNotExist // somebody was quick to remove it
	}
	return made, nil
}

func (d *draft) Ino() uint64             { return d.num }
func (d *draft) Peek() (tree.Info, bool) { return tree.Info{}, false }

func (d *draft) Info(context.Context) (tree.Info, error) {
	info, err := d.fs.drafts.stat(d.at)
	if err != nil {
		return tree.Info{}, err
	}
	mode := tree.DirMode
	if !d.fs.o.ReadOnly {
		mode |= 0o200
	}
	return storedInfo(info, mode), nil
}

func (d *draft) List(context.Context) ([]tree.Entry, error) {
	stored, err := d.fs.drafts.list(d.at)
	if err != nil {
		return nil, err
	}
	var entries []tree.Entry
	for _, e := range stored {
		if node, err := d.node(e.Name()); err == nil {
			entries = append(entries, tree.Entry{Name: e.Name(), Node: node})
		}
	}
	if _, err := d.fs.drafts.stat(path.Join(d.at, latestName)); err != nil {
		if node, err := d.node(latestName); err == nil {
			entries = append(entries, tree.Entry{Name: latestName, Node: node})
		}
	}
	tree.Sort(entries)
	return entries, nil
}

func (d *draft) Lookup(_ context.Context, name string) (tree.Node, error) { return d.node(name) }

// node is what stands under a name.
func (d *draft) node(name string) (tree.Node, error) {
	switch {
	case strings.HasPrefix(name, savePrefix):
		return d.desk.told(name)
	case name == latestName && d.last() != nil:
		node, err := d.latest(catalog.Group{})
		if err != nil {
			return nil, err
		}
		return loose{node.(tree.Link)}, nil
	}
	at := path.Join(d.at, name)
	info, err := d.fs.drafts.stat(at)
	switch {
	case err != nil:
		return nil, err
	case name == latestName:
		return d.storedLatest()
	case !info.Mode().IsRegular():
		return nil, iofs.ErrNotExist
	case name == runName:
		return &starter{d, storedIno(info)}, nil
	}
	return &storedFile{d.fs, at, storedIno(info)}, nil
}

// storedLatest is the link of earlier mounts, or of a copy.
func (d *draft) storedLatest() (tree.Link, error) {
	id, err := d.fs.drafts.root.Readlink(path.Join(d.at, latestName))
	if err != nil {
		return nil, local(err)
	}
	p, ok := d.fs.catalog.Prediction(id)
	if !ok {
		p = catalog.Prediction{ID: id, Created: d.mod}
	}
	return loose{linkTo(d.where, p, 0)}, nil
}

// A loose link takes times, which mean nothing: cp -a sets that of a link that
// it has copied.
type loose struct{ tree.Link }

func (loose) Touch(context.Context, time.Time) error { return nil }

// takes tells whether a file may have a name in a draft.
func (d *draft) takes(name string) error {
	switch {
	case d.fs.o.ReadOnly, name == latestName, strings.HasPrefix(name, savePrefix):
		return tree.ErrReadOnly
	case safe(name) != name:
		return iofs.ErrInvalid
	}
	return nil
}

// Create makes an empty file.
func (d *draft) Create(_ context.Context, name string) (tree.Saver, error) {
	if err := d.takes(name); err != nil {
		return nil, err
	}
	if err := d.fs.drafts.create(path.Join(d.at, name)); err != nil {
		return nil, err
	}
	node, err := d.node(name)
	if err != nil {
		return nil, err
	}
	return node.(tree.Saver), nil
}

// Link makes latest, and that only: to copy a draft is to copy where it leads.
// A link to the folder of a save without a prediction is taken, and forgotten.
func (d *draft) Link(_ context.Context, name, target string) (tree.Link, error) {
	id := path.Base(target)
	refused := strings.HasPrefix(id, savePrefix)
	switch {
	case d.fs.o.ReadOnly:
		return nil, tree.ErrReadOnly
	case name != latestName || !refused && path.Base(path.Dir(target)) != "predictions" || safe(id) != id:
		return nil, iofs.ErrPermission
	case refused:
		return loose{&pointer{dir: d.where, target: target, mod: d.mod.Truncate(time.Second)}}, nil
	}
	if err := d.fs.drafts.root.Symlink(id, path.Join(d.at, name)); err != nil {
		return nil, local(err)
	}
	return d.storedLatest()
}

// Mkdir refuses: a file in a folder in a draft would be nobody's input.
func (d *draft) Mkdir(_ context.Context, name string) (tree.Dir, error) {
	if !d.fs.o.ReadOnly {
		d.fs.tellDraft(d.at, fmt.Sprintf("A draft holds files only, each the input of its name: the folder %s was not made.", name))
	}
	return nil, iofs.ErrPermission
}

// Remove removes a file.
func (d *draft) Remove(_ context.Context, name string, dir bool) error {
	switch {
	case d.fs.o.ReadOnly, dir, strings.HasPrefix(name, savePrefix):
		return tree.ErrReadOnly
	case name == latestName:
		d.forget()
		return nil
	}
	return d.fs.drafts.remove(path.Join(d.at, name))
}

// Rename moves a file within a draft, or to another. Onto run that is a save.
func (d *draft) Rename(ctx context.Context, name string, to tree.Dir, newName string) error {
	target, ok := to.(*draft)
	if !ok || d.fs.o.ReadOnly || name == latestName {
		return tree.ErrReadOnly
	}
	if err := target.takes(newName); err != nil {
		return err
	}
	from := path.Join(d.at, name)
	info, err := d.fs.drafts.stat(from)
	if err != nil {
		return err
	}
	if newName == runName && info.Size() > 0 {
		without := ""
		if target.at == d.at {
			without = name
		}
		if err := target.start(ctx, without); err != nil {
			return err
		}
		if err := d.fs.drafts.create(path.Join(target.at, runName)); err != nil && !errors.Is(err, iofs.ErrExist) {
			return err
		}
		return d.fs.drafts.remove(from)
	}
	return d.fs.drafts.move(from, path.Join(target.at, newName))
}

// Touch sets the time of the folder.
func (d *draft) Touch(_ context.Context, mod time.Time) error {
	return local(d.fs.drafts.root.Chtimes(d.at, time.Time{}, mod))
}

// removeDraft forgets a draft, never its predictions. What this program wrote
// into it does not keep it from being empty.
func (d *desk) removeDraft(x *draft) error {
	stored, err := d.fs.drafts.list(x.at)
	if err != nil {
		return err
	}
	for _, e := range stored {
		if name := e.Name(); name != runName && name != latestName && name != errorName {
			return tree.ErrNotEmpty
		}
	}
	for _, e := range stored {
		if err := d.fs.drafts.remove(path.Join(x.at, e.Name())); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	if err := d.fs.drafts.root.Remove(x.at); err != nil {
		return local(err)
	}
	d.fs.moveDesk(x.where, nil)
	d.fs.drafts.clean(path.Dir(x.at))
	return nil
}

// moveDraft gives a draft another name, or another model.
func (d *desk) moveDraft(x *draft, to *desk, newName string) error {
	other, replace := to.draft(newName)
	_, taken := to.find(newName)
	switch {
	case replace:
		if err := to.removeDraft(other); err != nil {
			return err
		}
	case taken || reserved[newName]:
		return iofs.ErrExist
	case strings.HasPrefix(newName, "."):
		return tree.ErrReadOnly
	case safe(newName) != newName:
		return iofs.ErrInvalid
	}
	where := path.Join(to.where, newName)
	if err := d.fs.drafts.move(x.at, where); err != nil {
		return err
	}
	moved := newDesk(d.fs, where, to.order)
	moved.saves, moved.newest = x.history()
	d.fs.moveDesk(x.where, moved)
	d.fs.drafts.clean(path.Dir(x.at))
	return nil
}
