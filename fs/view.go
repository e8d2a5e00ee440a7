package fs

import (
	"context"
	"fmt"
	iofs "io/fs"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// Views are folders of links into predictions/: what can be found in several
// places is there by name only.

// linkTo points from a folder, so many levels below the root, to the folder
// of a prediction.
func linkTo(dir string, p catalog.Prediction, valid time.Duration) tree.Link {
	up := strings.Repeat("../", strings.Count(dir, "/")+1)
	return &pointer{dir: dir, target: up + "predictions/" + p.ID, mod: modTime(p), valid: valid}
}

// A pointer is a link that may lead elsewhere later. Its number comes from
// the target, since the kernel keeps what it read of a link for as long as it
// knows the number.
type pointer struct {
	dir, target string
	mod         time.Time
	valid       time.Duration
}

func (l *pointer) Ino() uint64 { return tree.Ino("link", l.dir, l.target) }

func (l *pointer) Peek() (tree.Info, bool) {
	return tree.Info{Mode: tree.LinkMode, Size: int64(len(l.target)), ModTime: l.mod, Valid: l.valid}, true
}

func (l *pointer) Info(context.Context) (tree.Info, error) {
	info, _ := l.Peek()
	return info, nil
}

func (l *pointer) Target(context.Context) (string, error) { return l.target, nil }

// links is a folder of links, named by id, to the predictions that some walks
// through; has tells whether one is among them.
func (f *FS) links(dir string, valid time.Duration, some func() iter.Seq[catalog.Prediction], has func(catalog.Prediction) bool) tree.Dir {
	return &tree.Listing{
		Number: tree.Ino("folder", dir),
		Told:   func() tree.Info { return folderInfo(f.newest(dir, some)) },
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			f.firstNews(ctx)
			var entries []tree.Entry
			for p := range some() {
				entries = append(entries, tree.Entry{Name: p.ID, Node: linkTo(dir, p, valid)})
			}
			return entries, nil
		},
		Named: func(ctx context.Context, id string) (tree.Node, error) {
			f.firstNews(ctx)
			p, ok := f.catalog.Prediction(id)
			if !ok || !has(p) {
				return nil, iofs.ErrNotExist
			}
			return linkTo(dir, p, valid), nil
		},
	}
}

// byStatus is by-status/<status>/<id>. A link there is as short-lived as the
// status.
func (f *FS) byStatus() tree.Dir {
	folder := func(status string) tree.Dir {
		valid := time.Duration(tree.Final)
		if !(&api.Prediction{Status: status}).Done() {
			valid = 0
		}
		return f.links("by-status/"+status, valid,
			func() iter.Seq[catalog.Prediction] { return f.catalog.ByStatus(status) },
			func(p catalog.Prediction) bool { return p.Status == status })
	}
	return &tree.Listing{
		Number: tree.Ino("folder", "by-status"),
		Told:   func() tree.Info { return folderInfo(f.newest("predictions", f.catalog.ByID)) },
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			f.firstNews(ctx)
			var entries []tree.Entry
			for _, g := range f.catalog.Statuses() {
				if safe(g.Name) == g.Name {
					entries = append(entries, tree.Entry{Name: g.Name, Node: folder(g.Name)})
				}
			}
			return entries, nil
		},
		Named: func(ctx context.Context, name string) (tree.Node, error) {
			f.firstNews(ctx)
			for range f.catalog.ByStatus(name) {
				return folder(name), nil
			}
			return nil, iofs.ErrNotExist
		},
	}
}

// A span is a time folder of by-date: a year, month or day.
type span struct {
	fs   *FS
	dir  string // by-date, by-date/2026 …
	from time.Time
	to   time.Time
}

// byDate is by-date/2026/11/22/153012-flux-schnell-<id>: by the second of
// creation, in UTC so that it is the same everywhere.
func (f *FS) byDate() tree.Dir {
	// From one nanosecond on: a prediction that tells no time is in no folder of time.
	return &span{fs: f, dir: "by-date", from: time.Unix(0, 1), to: time.Unix(0, math.MaxInt64)}
}

// level tells which of the folders this is: 0 by-date itself, 3 a day.
func (s *span) level() int { return strings.Count(s.dir, "/") }

func (s *span) Ino() uint64 { return tree.Ino("folder", s.dir) }

func (s *span) Peek() (tree.Info, bool) {
	all := func() iter.Seq[catalog.Prediction] { return s.fs.catalog.Between(s.from, s.to) }
	return folderInfo(s.fs.newest(s.dir, all)), true
}

func (s *span) Info(context.Context) (tree.Info, error) {
	info, _ := s.Peek()
	return info, nil
}

func (s *span) List(ctx context.Context) ([]tree.Entry, error) {
	s.fs.firstNews(ctx)
	var entries []tree.Entry
	if s.level() == 3 {
		for p := range s.fs.catalog.Between(s.from, s.to) {
			entries = append(entries, tree.Entry{Name: dateName(p), Node: linkTo(s.dir, p, tree.Final)})
		}
		tree.Sort(entries)
		return entries, nil
	}
	for to := s.to; ; {
		p, ok := s.fs.newestBetween(s.from, to)
		if !ok {
			break
		}
		child := s.child(p.Created)
		entries = append(entries, tree.Entry{Name: child.name(), Node: child})
		to = child.from
	}
	tree.Sort(entries)
	return entries, nil
}

func (s *span) Lookup(ctx context.Context, name string) (tree.Node, error) {
	s.fs.firstNews(ctx)
	if s.level() == 3 {
		id := name[strings.LastIndexByte(name, '-')+1:]
		p, ok := s.fs.catalog.Prediction(id)
		if !ok || p.Created.Before(s.from) || !p.Created.Before(s.to) || dateName(p) != name {
			return nil, iofs.ErrNotExist
		}
		return linkTo(s.dir, p, tree.Final), nil
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 {
		return nil, iofs.ErrNotExist
	}
	child := s.numbered(n)
	if _, ok := s.fs.newestBetween(child.from, child.to); !ok || child.name() != name {
		return nil, iofs.ErrNotExist
	}
	return child, nil
}

// child is the folder in s that a moment belongs to.
func (s *span) child(at time.Time) *span {
	at = at.UTC()
	return s.numbered([]int{at.Year(), int(at.Month()), at.Day()}[s.level()])
}

// numbered is the year, month or day n in s. A number that is none, as month
// 13, gives a folder of another name.
func (s *span) numbered(n int) *span {
	c := &span{fs: s.fs}
	switch s.level() {
	case 0:
		c.from = time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC)
		c.to = c.from.AddDate(1, 0, 0)
		c.dir = s.dir + c.from.Format("/2006")
	case 1:
		c.from = time.Date(s.from.Year(), time.Month(n), 1, 0, 0, 0, 0, time.UTC)
		c.to = c.from.AddDate(0, 1, 0)
		c.dir = s.dir + c.from.Format("/01")
	default:
		c.from = time.Date(s.from.Year(), s.from.Month(), n, 0, 0, 0, 0, time.UTC)
		c.to = c.from.AddDate(0, 0, 1)
		c.dir = s.dir + c.from.Format("/02")
	}
	return c
}

func (s *span) name() string { return s.dir[strings.LastIndexByte(s.dir, '/')+1:] }

// newestBetween is the prediction created last in [from, to).
func (f *FS) newestBetween(from, to time.Time) (catalog.Prediction, bool) {
	for p := range f.catalog.Between(from, to) {
		return p, true
	}
	return catalog.Prediction{}, false
}

// dateName is the name of a prediction in its day: time, model, id.
func dateName(p catalog.Prediction) string {
	_, model, _ := strings.Cut(p.Model, "/")
	if model == "" {
		return safe(fmt.Sprintf("%s-%s", p.Created.UTC().Format("150405"), p.ID))
	}
	return safe(fmt.Sprintf("%s-%s-%s", p.Created.UTC().Format("150405"), model, p.ID))
}
