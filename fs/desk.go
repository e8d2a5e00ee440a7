package fs

import (
	"context"
	"encoding/json"
	iofs "io/fs"
	"sort"
	"strings"
	"sync"
	"time"

	"replicatefs/fs/tree"
)

// Limits of what editors may leave on a desk.
const (
	maxScratch  = 256              // files
	scratchLife = time.Hour        // an editor's temporary file is not kept longer
	hiddenFor   = 5 * time.Second  // a removed trigger comes back: it is part of the folder
	maxSave     = int64(100) << 20 // the API takes no larger files either
)

// A desk is a folder in which saving a file runs a model. It holds what the
// folder shows besides its fixed content: the newest save, and the temporary
// files with which editors and copying programs save. Those live in memory
// only; nothing is sent before one of them is renamed onto a trigger.
type desk struct {
	fs    *FS
	where string // its path in the mount
	order runner // what a save here runs
	made  time.Time

	mu      sync.Mutex // guards what follows
	saves   int
	newest  *save
	scratch map[string]*scratch
	hidden  map[string]time.Time // triggers removed by name, and when
}

// triggers are the files of a desk that run the model when saved, and how
// what was written becomes the input.
var triggers = map[string]func([]byte) (json.RawMessage, error){
	"prompt.txt": promptInput,
	"input.json": jsonInput,
}

func newDesk(f *FS, where string, runs runner) *desk {
	return &desk{fs: f, where: where, order: runs, made: f.now(), scratch: map[string]*scratch{}, hidden: map[string]time.Time{}}
}

// temporary tells whether editors and copying programs use such a name for a
// moment: vim (.swp, 4913, ~), GNOME (.goutputstream-*), rsync (.NAME.*),
// kate and atomic writers (NAME.*), sed -i (sed*, or NAME and what mkstemp
// adds), Python's tempfile (tmp*), emacs (#NAME#).
func temporary(name string) bool {
	switch {
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"), strings.HasSuffix(name, ".tmp"), name == "4913",
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"),
		strings.HasPrefix(name, "sed") && len(name) == len("sedXXXXXX"),
		strings.HasPrefix(name, "tmp"):
		return true
	}
	for trigger := range triggers {
		if strings.HasPrefix(name, trigger+".") || strings.HasPrefix(name, trigger) && len(name) == len(trigger+"XXXXXX") {
			return true
		}
	}
	return false
}

// entries are the triggers, drafts and temporary files that stand on the desk now.
func (d *desk) entries() []tree.Entry {
	var entries []tree.Entry
	for _, name := range d.fs.drafts.folders(d.where) {
		if x, ok := d.draft(name); ok {
			entries = append(entries, tree.Entry{Name: name, Node: x})
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range triggers {
		if !d.hiddenLocked(name) {
			entries = append(entries, tree.Entry{Name: name, Node: &trigger{d, name}})
		}
	}
	for name, s := range d.scratch {
		if d.fs.now().Sub(s.touched()) > scratchLife {
			delete(d.scratch, name)
			continue
		}
		entries = append(entries, tree.Entry{Name: name, Node: s})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name < entries[j].Name })
	return entries
}

// find returns the node of a name that stands on the desk.
func (d *desk) find(name string) (tree.Node, bool) {
	d.mu.Lock()
	s, shown := d.scratch[name], triggers[name] != nil && !d.hiddenLocked(name)
	d.mu.Unlock()
	if s != nil {
		return s, true
	}
	if shown {
		return &trigger{d, name}, true
	}
	if x, ok := d.draft(name); ok {
		return x, true
	}
	return nil, false
}

func (d *desk) hiddenLocked(name string) bool {
	at, ok := d.hidden[name]
	if ok && d.fs.now().Sub(at) > hiddenFor {
		delete(d.hidden, name)
		return false
	}
	return ok
}

// Create makes a temporary file, or a trigger again that was removed for a
// moment.
func (d *desk) Create(_ context.Context, name string) (tree.Saver, error) {
	if _, ok := d.draft(name); ok {
		return nil, iofs.ErrExist
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.fs.o.ReadOnly:
		return nil, tree.ErrReadOnly
	case triggers[name] != nil && !d.hiddenLocked(name), d.scratch[name] != nil:
		return nil, iofs.ErrExist
	case triggers[name] != nil:
		delete(d.hidden, name)
		return &trigger{d, name}, nil
	case !temporary(name):
		return nil, tree.ErrReadOnly
	case len(d.scratch) >= maxScratch:
		return nil, tree.ErrQuota
	}
	s := newScratch(d, name)
	d.scratch[name] = s
	return s, nil
}

// Remove removes a temporary file, or hides a trigger for a moment: install
// and some editors remove a name before they write it anew.
func (d *desk) Remove(_ context.Context, name string, dir bool) error {
	if x, ok := d.draft(name); ok && dir && !d.fs.o.ReadOnly {
		return d.removeDraft(x)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.fs.o.ReadOnly:
		return tree.ErrReadOnly
	case d.scratch[name] != nil && !dir:
		delete(d.scratch, name)
	case triggers[name] != nil && !dir && !d.hiddenLocked(name):
		d.hidden[name] = d.fs.now()
	default:
		return tree.ErrReadOnly
	}
	return nil
}

// Rename moves a temporary file. Onto a trigger that is a save, with the
// result of one; the temporary file is gone only if it went well. A trigger
// moved aside (vim keeps a backup so) leaves an empty file there.
func (d *desk) Rename(ctx context.Context, name string, to tree.Dir, newName string) error {
	target, ok := to.(interface{ desktop() *desk })
	if !ok || d.fs.o.ReadOnly {
		return tree.ErrReadOnly
	}
	if x, ok := d.draft(name); ok {
		return d.moveDraft(x, target.desktop(), newName)
	}
	if target.desktop() != d {
		return tree.ErrReadOnly
	}
	d.mu.Lock()
	s := d.scratch[name]
	switch {
	case s != nil && triggers[newName] != nil:
		d.mu.Unlock()
		if s.cut.Load() {
			return d.refuseSize(newName)
		}
		if err := d.trigger(ctx, newName, s.content()); err != nil {
			return err
		}
		d.mu.Lock()
		delete(d.scratch, name)
		delete(d.hidden, newName)
	case s != nil && temporary(newName):
		delete(d.scratch, name)
		d.scratch[newName] = s
	case triggers[name] != nil && !d.hiddenLocked(name) && temporary(newName):
		d.hidden[name] = d.fs.now()
		d.scratch[newName] = newScratch(d, newName)
	default:
		d.mu.Unlock()
		return tree.ErrReadOnly
	}
	d.mu.Unlock()
	return nil
}

func (d *deskDir) desktop() *desk { return d.desk }
