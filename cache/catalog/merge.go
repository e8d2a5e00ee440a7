package catalog

import (
	"cmp"
	"unique"
)

// A rank says what a stored object has of the content of its prediction: its
// input, output and logs. Content only ever gives way to content of the same
// or a higher rank, so the order in which copies arrive does not matter: two
// polls that overtake each other, a second mount, an API that forgets after an
// hour.
//
// The values are stored: do not renumber.
type rank uint8

const (
	rankNone    rank = iota // no object, only what the index says
	rankExpired             // after the data was removed: no content left
	rankQueued              // live, before the model began: the input only
	rankLive                // live: input, perhaps some output and logs
	rankPartial             // final, but with something left out, as list items may
	rankFull                // final and complete
)

// live reports whether the object was made while the prediction ran.
func (k rank) live() bool { return k == rankQueued || k == rankLive }

// starting is the one status that the catalog knows: a prediction never returns
// to it, so a copy that says so is older than one that says something else.
const starting = "starting"

func rankOf(rec Record) rank {
	switch {
	case len(rec.Raw) == 0:
		return rankNone
	case rec.Removed:
		return rankExpired
	case rec.Done && rec.Full:
		return rankFull
	case rec.Done:
		return rankPartial
	case rec.Status == starting:
		return rankQueued
	default:
		return rankLive
	}
}

// A merged is the outcome of a merge: the row as it should be, and what becomes
// of the objects. The key of the stored object is the caller's to fill in.
type merged struct {
	row row
	raw disposal
}

// A disposal says what becomes of the stored object and of the one that
// arrived. One object is stored per prediction, and beside it the expired copy
// while the first is from before the end: it alone tells how the run ended.
type disposal uint8

const (
	keepRaw   disposal = iota // what is stored stays
	takeRaw                   // what arrived takes its place
	putAside                  // what is stored stays, what arrived is put beside it
	moveAside                 // what arrived is stored, what was stored is moved beside it
)

// merge brings what arrived together with what is known, nil for nothing. It
// is the whole policy of the catalog about which copy of a prediction counts:
//
//   - A complete object is never replaced.
//   - Removed and Mine turn on and never off; a final status is final.
//   - While a prediction runs, the copy that arrived last counts, except that
//     nothing returns to starting.
//   - An expired copy adds what it says about the end and takes nothing away.
//   - The times of a final row stay as they are once set; the API's fraction of
//     a second varies from reply to reply.
//   - Nothing that was told is forgotten because a later copy leaves it out.
func merge(old *row, rec Record) merged {
	is := arrived(rec)
	if old == nil {
		if is.rank == rankNone {
			return merged{is, keepRaw}
		}
		return merged{is, takeRaw}
	}
	wasDone, isDone := old.flags&done != 0, is.flags&done != 0

	m := merged{row: *old, raw: keepRaw}
	m.row.flags |= is.flags
	switch {
	case is.rank.live() && old.rank == rankExpired && wasDone:
		m.raw = moveAside
	case is.rank > old.rank, is.rank == old.rank && is.rank.live() && !wasDone:
		m.raw = takeRaw
	case is.rank == rankExpired && isDone && old.rank.live() && old.flags&aside == 0:
		m.raw = putAside
	}
	if m.raw == takeRaw || m.raw == moveAside {
		m.row.rank, m.row.layout = is.rank, is.layout
	}
	switch {
	case m.raw == putAside, m.raw == moveAside:
		m.row.flags |= aside
	case !m.row.rank.live():
		m.row.flags &^= aside
	}

	known, told := old.kind.Value(), is.kind.Value()
	var prevails bool // of two statements, the one that arrived
	switch {
	case wasDone:
		prevails = isDone && m.raw == takeRaw
	case isDone:
		prevails = true
	case told.status == starting && known.status != "" && known.status != starting:
		prevails = false
	default:
		prevails = is.rank == rankNone || is.rank >= old.rank
	}
	if !prevails {
		m.row.kind = unique.Make(known.or(told))
	} else {
		m.row.kind = unique.Make(told.or(known))
	}
	if !prevails || wasDone {
		m.row.created, m.row.completed = cmp.Or(old.created, is.created), cmp.Or(old.completed, is.completed)
	} else {
		m.row.created, m.row.completed = cmp.Or(is.created, old.created), cmp.Or(is.completed, old.completed)
	}
	return m
}

// arrived is the row that a record makes by itself. A completion time counts
// only with a final status: a row has one or the other for good.
func arrived(rec Record) row {
	r := row{
		id:      rec.ID,
		created: toNanos(rec.Created),
		kind: unique.Make(kind{model: rec.Model, version: rec.Version, status: rec.Status,
			source: rec.Source, deployment: rec.Deployment}),
		rank: rankOf(rec),
	}
	if r.rank != rankNone {
		r.layout = makeLayout(rec.Layout)
	}
	if rec.Done {
		r.flags |= done
		r.completed = toNanos(rec.Completed)
	}
	if rec.Removed {
		r.flags |= removed
	}
	if rec.Mine {
		r.flags |= mine
	}
	return r
}

// or fills what k leaves open from other.
func (k kind) or(other kind) kind {
	return kind{
		model:      cmp.Or(k.model, other.model),
		version:    cmp.Or(k.version, other.version),
		status:     cmp.Or(k.status, other.status),
		source:     cmp.Or(k.source, other.source),
		deployment: cmp.Or(k.deployment, other.deployment),
	}
}
