package fs

import (
	"context"
	iofs "io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// A save is one saving of a trigger and what became of it.
type save struct {
	n    int
	at   time.Time
	keep scribe // nil where it is remembered for the life of the mount only

	mu         sync.Mutex // guards what follows
	prediction string     // its id, once accepted
	ended      bool
	err        error
}

// A scribe writes down what became of the newest save of a desk.
type scribe interface {
	accepted(id string)
	refused(sentence string)
}

// begin makes a new save the newest of its desk. Until it is accepted, latest
// leads to it and no longer to the run before: a script's next cp must fail
// rather than take yesterday's picture.
func (d *desk) begin(keep scribe) *save {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saves++
	d.newest = &save{n: d.saves, at: d.fs.now(), keep: keep}
	return d.newest
}

// history is how many saves there were, and the newest.
func (d *desk) history() (int, *save) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.saves, d.newest
}

// last is the newest save, or nil.
func (d *desk) last() *save {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newest
}

func (s *save) accept(id string) {
	s.mu.Lock()
	s.prediction = id
	s.mu.Unlock()
	if s.keep != nil {
		s.keep.accepted(id)
	}
}

func (s *save) end(err error) {
	s.mu.Lock()
	s.ended, s.err = true, err
	s.mu.Unlock()
	if s.keep != nil && err != nil {
		s.keep.refused(err.Error())
	}
}

// found makes the save one that was accepted after all, if it is that of which
// a run was told to be lost; false if it is not.
func (s *save) found(id string, r catalog.Run) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prediction != "" || s.err == nil || s.err.Error() != r.State || s.at.After(r.Started) {
		return false
	}
	s.prediction, s.err = id, nil
	return true
}

// told returns the prediction's id, if it has one, and the state of the save
// in a word and a sentence.
func (s *save) told() (id, status, sentence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		status, sentence = "refused", s.err.Error()
	case !s.ended:
		status = api.Starting
	}
	return s.prediction, status, sentence
}

// latest leads to the newest save made here, whatever became of it: to its
// prediction, or to a folder that only says why there is none. Before any
// save it leads to the newest prediction there is.
func (d *desk) latest(g catalog.Group) (tree.Node, error) {
	if s := d.last(); s != nil {
		id, _, _ := s.told()
		if id == "" {
			return &pointer{dir: d.where, target: s.folder(), mod: s.at.Truncate(time.Second)}, nil
		}
		p, ok := d.fs.catalog.Prediction(id)
		if !ok {
			p = catalog.Prediction{ID: id, Created: s.at}
		}
		return linkTo(d.where, p, 0), nil
	}
	if g.Count == 0 {
		return nil, iofs.ErrNotExist
	}
	return linkTo(d.where, g.Newest, 0), nil
}

// savePrefix begins the name of the folder of a save without a prediction. It
// is in no listing, and as a dotfile nobody's input.
const savePrefix = ".save-"

func (s *save) folder() string { return savePrefix + strconv.Itoa(s.n) }

// told finds what a desk says of its newest save: error.txt, if it went
// wrong, and the folder to which latest leads.
func (d *desk) told(name string) (tree.Node, error) {
	s := d.last()
	if s == nil {
		return nil, iofs.ErrNotExist
	}
	_, status, sentence := s.told()
	at := s.at.Truncate(time.Second)
	switch {
	case name == "error.txt" && sentence != "":
		return d.failure(s, "error.txt"), nil
	case name == s.folder():
		entries := []tree.Entry{{Name: "status", Node: tree.Bytes(d.number(name, "status", status), at, line(status))}}
		if sentence != "" {
			entries = append(entries, tree.Entry{Name: "error.txt", Node: d.failure(s, name)})
		}
		return tree.Folder(d.number(name, status), at, entries...), nil
	}
	return nil, iofs.ErrNotExist
}

// failure is the file that says why a save was refused or failed.
func (d *desk) failure(s *save, where string) tree.File {
	return tree.Text(d.number(where, "error.txt", strconv.Itoa(s.n)), func(context.Context) ([]byte, time.Time, error) {
		_, _, sentence := s.told()
		return line(strings.TrimSuffix(sentence, "\n")), s.at.Truncate(time.Second), nil
	})
}

// number is the Ino of something on the desk. What differs from one mount to
// the next is told apart by the time of the desk's making.
func (d *desk) number(words ...string) uint64 {
	return tree.Ino(append([]string{"desk", d.where, d.made.String()}, words...)...)
}

// ino is the number of the folder itself, unless it is a draft.
func (d *desk) ino() uint64 { return tree.Ino("folder", d.where) }
