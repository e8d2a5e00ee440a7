package catalog

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
	"unique"
)

// Prediction is what listings need to know of one prediction. It is a plain
// value: small, comparable with ==, free of references into the catalog.
type Prediction struct {
	ID, Model, Version, Status, Source, Deployment string

	Created   time.Time // UTC; zero if it was never told
	Completed time.Time // UTC; zero while unknown

	Done    bool // the status is final
	Full    bool // Raw holds the complete object, as first received complete
	Removed bool // the API said that it has removed the data
	Mine    bool // started through this mount
	Gone    bool // an output is known to be gone

	// Layout is what the caller derived from Raw and wants to have at hand
	// without reading it, in its own words; "" if it gave nothing. Many
	// predictions should have the same: each text is held once.
	Layout string
}

// A Group is the predictions that have something in common: a model, a status,
// a deployment.
type Group struct {
	Name   string
	Count  int
	Newest Prediction // the one created last
}

// A row is a Prediction as it is held in memory, 56 bytes and the id: a million
// of them are held. Rows are immutable, a change makes a new one.
type row struct {
	id        string
	created   int64 // Unix nanoseconds, 0 for a zero time
	completed int64
	kind      unique.Handle[kind]
	layout    layout
	flags     flags
	rank      rank
}

// A kind is all that many predictions share. A million predictions have some
// hundred kinds.
type kind struct {
	model, version, status, source, deployment string
}

type flags uint8

// The values are stored: append only.
const (
	done flags = 1 << iota
	removed
	mine
	aside // an expired copy is stored beside the object
	gone  // one of the outputs is
)

// A layout is the text of Prediction.Layout; its zero value is "".
type layout struct{ unique.Handle[string] }

func makeLayout(text string) layout {
	if text == "" {
		return layout{}
	}
	return layout{unique.Make(text)}
}

func (l layout) text() string {
	if l == (layout{}) {
		return ""
	}
	return l.Value()
}

func (r *row) prediction() Prediction {
	k := r.kind.Value()
	return Prediction{
		ID: r.id, Model: k.model, Version: k.version, Status: k.status, Source: k.source, Deployment: k.deployment,
		Created: fromNanos(r.created), Completed: fromNanos(r.completed),
		Done: r.flags&done != 0, Full: r.rank == rankFull, Removed: r.flags&removed != 0, Mine: r.flags&mine != 0,
		Gone: r.flags&gone != 0, Layout: r.layout.text(),
	}
}

func toNanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func lessID(a, b *row) bool { return a.id < b.id }

// newer orders as the API lists: created last first. Equal times are ordered by id.
func newer(a, b *row) bool {
	if a.created != b.created {
		return a.created > b.created
	}
	return a.id < b.id
}

// A snapshot is the whole index at one moment. It never changes; the catalog
// replaces it, so readers need no lock and wait for nobody.
type snapshot struct {
	revision    uint64
	byID        sorted
	byCreated   sorted
	unfinished  sorted // not Done, by id
	models      map[string]group
	statuses    map[string]group
	deployments map[string]group
}

// A group is ordered by id, since that is how folders are listed; newest is
// kept beside it.
type group struct {
	sorted
	newest *row
}

// newSnapshot takes rows in the order of their ids.
func newSnapshot(revision uint64, rows []*row) *snapshot {
	s := &snapshot{revision: revision, byID: newSorted(lessID, rows)}
	var unfinished []*row
	models, statuses, deployments := map[string][]*row{}, map[string][]*row{}, map[string][]*row{}
	add := func(m map[string][]*row, name string, r *row) {
		if name != "" {
			m[name] = append(m[name], r)
		}
	}
	for _, r := range rows {
		k := r.kind.Value()
		add(models, k.model, r)
		add(statuses, k.status, r)
		add(deployments, k.deployment, r)
		if r.flags&done == 0 {
			unfinished = append(unfinished, r)
		}
	}
	s.unfinished = newSorted(lessID, unfinished)
	s.models, s.statuses, s.deployments = newGroups(models), newGroups(statuses), newGroups(deployments)
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(b.created, a.created), strings.Compare(a.id, b.id))
	})
	s.byCreated = newSorted(newer, rows)
	return s
}

func newGroups(m map[string][]*row) map[string]group {
	groups := make(map[string]group, len(m))
	for name, rows := range m {
		g := group{sorted: newSorted(lessID, rows)}
		g.newest = g.findNewest()
		groups[name] = g
	}
	return groups
}

func (g group) findNewest() *row {
	var best *row
	for r := range g.all() {
		if best == nil || newer(r, best) {
			best = r
		}
	}
	return best
}

func (s *snapshot) row(id string) *row {
	for r := range s.byID.from(func(o *row) bool { return o.id < id }) {
		if r.id == id {
			return r
		}
		break
	}
	return nil
}

// with returns the snapshot in which rows took the place of those with their ids.
func (s *snapshot) with(rows map[string]*row) *snapshot {
	next := &snapshot{revision: s.revision + 1}
	byID, byCreated, unfinished := s.byID.edit(), s.byCreated.edit(), s.unfinished.edit()
	models, statuses, deployments := editGroups(s.models), editGroups(s.statuses), editGroups(s.deployments)
	for _, r := range rows {
		var was kind
		old := s.row(r.id)
		if old != nil {
			was = old.kind.Value()
			if old.created != r.created {
				byCreated.cut(old)
			}
		}
		byID.put(r)
		byCreated.put(r)
		if r.flags&done == 0 {
			unfinished.put(r)
		} else {
			unfinished.cut(r)
		}
		is := r.kind.Value()
		models.move(old, r, was.model, is.model)
		statuses.move(old, r, was.status, is.status)
		deployments.move(old, r, was.deployment, is.deployment)
	}
	next.byID, next.byCreated, next.unfinished = *byID, *byCreated, *unfinished
	next.models, next.statuses, next.deployments = models.groups(), statuses.groups(), deployments.groups()
	return next
}

// groupEdit collects changes to a map of groups and copies what they touch.
type groupEdit struct {
	old   map[string]group
	lists map[string]*sorted
	// best is the newest row of each touched group, nil if it has to be searched
	best map[string]*row
}

func editGroups(m map[string]group) *groupEdit {
	return &groupEdit{old: m, lists: map[string]*sorted{}, best: map[string]*row{}}
}

func (e *groupEdit) list(name string) *sorted {
	l, ok := e.lists[name]
	if !ok {
		g := e.old[name]
		g.sorted.less = lessID
		l = g.sorted.edit()
		e.lists[name], e.best[name] = l, g.newest
	}
	return l
}

// move takes old out of the group from and puts r into the group to.
func (e *groupEdit) move(old, r *row, from, to string) {
	if old != nil && from != "" {
		l := e.list(from)
		if from != to {
			l.cut(old)
		}
		if best := e.best[from]; best != nil && best.id == old.id && (from != to || newer(old, r)) {
			e.best[from] = nil
		}
	}
	if to == "" {
		return
	}
	l := e.list(to)
	searching := e.best[to] == nil && l.n > 0
	l.put(r)
	if best := e.best[to]; !searching && (best == nil || best.id == r.id || newer(r, best)) {
		e.best[to] = r
	}
}

func (e *groupEdit) groups() map[string]group {
	if len(e.lists) == 0 {
		return e.old
	}
	m := maps.Clone(e.old)
	if m == nil {
		m = map[string]group{}
	}
	for name, l := range e.lists {
		if l.n == 0 {
			delete(m, name)
			continue
		}
		g := group{sorted: *l, newest: e.best[name]}
		if g.newest == nil {
			g.newest = g.findNewest()
		}
		m[name] = g
	}
	return m
}

func predictions(rows iter.Seq[*row]) iter.Seq[Prediction] {
	return func(yield func(Prediction) bool) {
		for r := range rows {
			if !yield(r.prediction()) {
				return
			}
		}
	}
}

func summary(m map[string]group) []Group {
	groups := make([]Group, 0, len(m))
	for name, g := range m {
		groups = append(groups, Group{Name: name, Count: g.n, Newest: g.newest.prediction()})
	}
	slices.SortFunc(groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return groups
}
