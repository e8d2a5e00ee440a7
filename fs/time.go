package fs

import (
	"iter"
	"time"

	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// Times are the same after every mount and on every machine, so that a backup
// finds nothing changed: a prediction has the time of its end, a folder that
// of its newest child, a document that which it tells itself. The clock of
// this machine counts only for what changed under its eyes.

// written is when what this program itself says in a mount was written. It
// changes with the words.
var written = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// modTime is the second in which a prediction was completed, or created where
// that is not told. Fractions are left out: the API tells them differently
// from one answer to the next.
func modTime(p catalog.Prediction) time.Time {
	if p.Done && !p.Completed.IsZero() {
		return p.Completed.Truncate(time.Second)
	}
	return p.Created.Truncate(time.Second)
}

// A moment is the time of a folder at one revision of the catalog.
type moment struct {
	revision uint64
	at       time.Time
}

// newest is the time of the newest of some predictions, which is that of the
// folder dir that shows them. They are walked over when something changed.
func (f *FS) newest(dir string, some func() iter.Seq[catalog.Prediction]) time.Time {
	revision := f.catalog.Revision()
	if m, ok := f.times.Get(dir); ok && m.revision == revision {
		return m.at
	}
	var at time.Time
	for p := range some() {
		at = later(at, modTime(p))
	}
	if at.IsZero() {
		at = f.since
	}
	f.times.Add(dir, moment{revision, at})
	return at
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// folderInfo is what stat tells of a folder that may change at any time.
func folderInfo(mod time.Time) tree.Info {
	return tree.Info{Mode: tree.DirMode, ModTime: mod, Valid: time.Second}
}
