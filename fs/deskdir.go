package fs

import (
	"context"
	"time"

	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// A deskDir is a folder in which something can be run: a model, one version of
// it, a deployment. It shows what is told of it, what was run of it, and the
// desk on which saving runs it.
type deskDir struct {
	*desk
	files []deskFile
	rest  []string                                                  // names that more may find
	more  func(ctx context.Context, name string) (tree.Node, error) // what is there only at times, or leads elsewhere
	runs  func() catalog.Group
	time  func() time.Time
}

// A deskFile is rendered anew for each look: what it tells of may change.
type deskFile struct {
	name   string
	render func(context.Context) ([]byte, time.Time, error)
	renew  func() // brings it up to date behind who reads it; nil: it stays the same
}

// renewed is a file that reading brings up to date.
type renewed struct {
	tree.File
	renew func()
}

func (f *renewed) Open(ctx context.Context) (tree.Handle, error) {
	h, err := f.File.Open(ctx)
	if err == nil {
		f.renew()
	}
	return h, err
}

func (d *deskDir) Ino() uint64 { return d.desk.ino() }

func (d *deskDir) Peek() (tree.Info, bool) {
	mode := tree.DirMode
	if !d.fs.o.ReadOnly {
		mode |= 0o200
	}
	return tree.Info{Mode: mode, ModTime: d.time(), Valid: time.Second}, true
}

func (d *deskDir) Info(context.Context) (tree.Info, error) {
	info, _ := d.Peek()
	return info, nil
}

func (d *deskDir) List(ctx context.Context) ([]tree.Entry, error) {
	entries := d.desk.entries()
	for i, row := range d.files {
		entries = append(entries, tree.Entry{Name: row.name, Node: d.file(i)})
	}
	for _, name := range append([]string{"error.txt", "latest"}, d.rest...) {
		if node, err := d.special(ctx, name); err == nil {
			entries = append(entries, tree.Entry{Name: name, Node: node})
		}
	}
	tree.Sort(entries)
	return entries, nil
}

func (d *deskDir) Lookup(ctx context.Context, name string) (tree.Node, error) {
	if node, ok := d.desk.find(name); ok {
		return node, nil
	}
	for i, row := range d.files {
		if row.name == name {
			return d.file(i), nil
		}
	}
	return d.special(ctx, name)
}

func (d *deskDir) special(ctx context.Context, name string) (tree.Node, error) {
	for _, known := range d.rest {
		if name == known {
			return d.more(ctx, name)
		}
	}
	if name == "latest" {
		if d.last() == nil {
			d.fs.firstNews(ctx)
		}
		return d.latest(d.runs())
	}
	return d.desk.told(name)
}

func (d *deskDir) file(i int) tree.File {
	row := d.files[i]
	file := tree.Text(tree.Ino("desk", d.where, row.name), func(ctx context.Context) ([]byte, time.Time, error) {
		b, mod, err := row.render(ctx)
		return b, mod, translate(err)
	})
	if row.renew == nil {
		return file
	}
	return &renewed{file, row.renew}
}
