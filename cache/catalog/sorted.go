package catalog

import (
	"iter"
	"slices"
	"sort"
)

// leafRows is the length at which a leaf is split. Longer leaves make an
// insertion copy more, shorter ones make the directory of leaves longer, which
// each batch copies once: at a million rows both stay below 64 KB.
const leafRows = 512

// A sorted is an immutable sorted list of rows in two levels. Whoever holds one
// may read it for ever; an edit copies the directory once and then only the
// leaves that it touches, so that a page of 100 predictions arriving in a
// million costs microseconds and disturbs no reader.
//
// No leaf is empty.
type sorted struct {
	less   func(a, b *row) bool // a total order: no two rows of a list are equal in it
	leaves [][]*row
	n      int
}

// newSorted takes rows that are already in order. They are copied.
func newSorted(less func(a, b *row) bool, rows []*row) sorted {
	l := sorted{less: less, n: len(rows)}
	for part := range slices.Chunk(rows, leafRows*3/4) {
		l.leaves = append(l.leaves, slices.Clone(part))
	}
	return l
}

func (l sorted) all() iter.Seq[*row] {
	return func(yield func(*row) bool) {
		for _, leaf := range l.leaves {
			for _, r := range leaf {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// from walks the list beginning at the first row for which before is false;
// before must be true for a beginning of the list and false for the rest.
func (l sorted) from(before func(*row) bool) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		i := l.leafAfter(before)
		for first := true; i < len(l.leaves); i, first = i+1, false {
			leaf := l.leaves[i]
			if first {
				leaf = leaf[sort.Search(len(leaf), func(j int) bool { return !before(leaf[j]) }):]
			}
			for _, r := range leaf {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (l sorted) first() *row {
	if l.n == 0 {
		return nil
	}
	return l.leaves[0][0]
}

// leafAfter is the index of the leaf in which before turns false, or the
// number of leaves.
func (l sorted) leafAfter(before func(*row) bool) int {
	return sort.Search(len(l.leaves), func(i int) bool {
		leaf := l.leaves[i]
		return !before(leaf[len(leaf)-1])
	})
}

// find is where r is, or would be inserted.
func (l sorted) find(r *row) (leaf, at int, ok bool) {
	before := func(o *row) bool { return l.less(o, r) }
	leaf = l.leafAfter(before)
	if leaf == len(l.leaves) {
		if leaf == 0 {
			return 0, 0, false
		}
		return leaf - 1, len(l.leaves[leaf-1]), false
	}
	rows := l.leaves[leaf]
	at = sort.Search(len(rows), func(i int) bool { return !before(rows[i]) })
	return leaf, at, at < len(rows) && !l.less(r, rows[at])
}

// edit returns a list with its own directory, to be changed by put and cut.
// The original stays as it was.
func (l sorted) edit() *sorted {
	l.leaves = slices.Clone(l.leaves)
	return &l
}

// put inserts r, or takes the place of the row that is equal in the order.
func (l *sorted) put(r *row) {
	if len(l.leaves) == 0 {
		l.leaves, l.n = [][]*row{{r}}, 1
		return
	}
	i, at, found := l.find(r)
	old := l.leaves[i]
	if found {
		leaf := slices.Clone(old)
		leaf[at] = r
		l.leaves[i] = leaf
		return
	}
	leaf := make([]*row, len(old)+1)
	copy(leaf, old[:at])
	leaf[at] = r
	copy(leaf[at+1:], old[at:])
	l.n++
	if len(leaf) < leafRows {
		l.leaves[i] = leaf
		return
	}
	half := len(leaf) / 2
	l.leaves[i] = slices.Clone(leaf[:half])
	l.leaves = slices.Insert(l.leaves, i+1, slices.Clone(leaf[half:]))
}

// cut removes the row that is equal to r in the order, if there is one.
func (l *sorted) cut(r *row) {
	i, at, found := l.find(r)
	if !found {
		return
	}
	l.n--
	old := l.leaves[i]
	if len(old) == 1 {
		l.leaves = slices.Delete(l.leaves, i, i+1)
		return
	}
	leaf := make([]*row, len(old)-1)
	copy(leaf, old[:at])
	copy(leaf[at:], old[at+1:])
	l.leaves[i] = leaf
}
