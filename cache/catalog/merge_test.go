package catalog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A stored is what a file would hold of one prediction, kept by the rules of
// disposal alone.
type stored struct {
	row         *row
	body, aside string
}

func (s *stored) put(rec Record) {
	m := merge(s.row, rec)
	switch m.raw {
	case takeRaw:
		s.body = string(rec.Raw)
	case putAside:
		s.aside = string(rec.Raw)
	case moveAside:
		s.body, s.aside = string(rec.Raw), s.body
	}
	if m.row.flags&aside == 0 {
		s.aside = ""
	}
	s.row = &m.row
}

// The copies of one prediction, as the API and the mount bring them.
var (
	mergeCreated   = time.Date(2026, 3, 4, 5, 6, 7, 890_000_000, time.UTC)
	mergeCompleted = mergeCreated.Add(2511 * time.Millisecond)

	queued  = Record{Prediction{ID: "p", Model: "acme/painter", Status: "starting", Source: "api", Created: mergeCreated.Add(93)}, []byte("queued")}
	live    = Record{Prediction{ID: "p", Model: "acme/painter", Status: "processing", Source: "api", Created: mergeCreated.Add(93)}, []byte("live")}
	later   = Record{Prediction{ID: "p", Model: "acme/painter", Status: "processing", Source: "api", Created: mergeCreated}, []byte("later")}
	partial = Record{Prediction{ID: "p", Model: "acme/painter", Version: "hidden", Status: "succeeded", Source: "api",
		Created: mergeCreated, Completed: mergeCompleted, Done: true}, []byte("partial")}
	full = Record{Prediction{ID: "p", Model: "acme/painter", Version: "hidden", Status: "succeeded", Source: "api",
		Created: mergeCreated, Completed: mergeCompleted, Done: true, Full: true}, []byte("full")}
	again = Record{Prediction{ID: "p", Model: "acme/painter", Version: "hidden", Status: "succeeded", Source: "api",
		Created: mergeCreated.Add(-time.Second), Completed: mergeCompleted.Add(time.Second), Done: true, Full: true}, []byte("again")}
	expired = Record{Prediction{ID: "p", Model: "acme/painter", Version: "hidden", Status: "succeeded", Source: "api",
		Created: mergeCreated, Completed: mergeCompleted, Done: true, Removed: true}, []byte("expired")}
	failed = Record{Prediction{ID: "p", Model: "acme/painter", Status: "failed", Created: mergeCreated, Completed: mergeCompleted,
		Done: true, Full: true, Removed: true}, []byte("failed")} // says Full, but cannot be
	claim = Record{Prediction: Prediction{ID: "p", Mine: true}}
	ended = Record{Prediction: expired.Prediction} // told without an object
)

func TestMerge(t *testing.T) {
	done := full.Prediction
	done.Full = false
	with := func(p Prediction, change func(*Prediction)) Prediction { change(&p); return p }
	removed := func(p *Prediction) { p.Removed = true }
	mine := func(p *Prediction) { p.Mine = true }
	for _, test := range []struct {
		name        string
		copies      []Record
		want        Prediction
		body, aside string
	}{
		{"the first copy", []Record{live}, live.Prediction, "live", ""},
		{"a later live copy", []Record{live, later}, later.Prediction, "later", ""},
		{"no return to starting", []Record{live, queued}, live.Prediction, "live", ""},
		{"the model begins", []Record{queued, live}, live.Prediction, "live", ""},
		{"the end", []Record{live, full}, full.Prediction, "full", ""},
		{"a live copy after the end", []Record{full, live}, full.Prediction, "full", ""},
		{"a second complete copy", []Record{full, again}, full.Prediction, "full", ""},
		{"an incomplete end", []Record{live, partial}, done, "partial", ""},
		{"then the complete one", []Record{live, partial, full}, full.Prediction, "full", ""},
		{"an incomplete one after the complete", []Record{full, partial}, full.Prediction, "full", ""},
		{"a second incomplete one", []Record{partial, with2(partial, "other")}, done, "partial", ""},
		{"times of a final row stay", []Record{partial, again}, full.Prediction, "again", ""},
		{"removed after the end", []Record{full, expired}, with(full.Prediction, removed), "full", ""},
		{"removed after an incomplete end", []Record{partial, expired}, with(done, removed), "partial", ""},
		{"the end not seen", []Record{live, expired}, with(done, removed), "live", "expired"},
		{"the end not seen, twice", []Record{live, expired, with2(expired, "other")}, with(done, removed), "live", "expired"},
		{"the end not seen, overtaken", []Record{expired, live}, with(done, removed), "live", "expired"},
		{"a live copy when all is over", []Record{live, expired, later}, with(done, removed), "live", "expired"},
		{"a fuller live copy when all is over", []Record{queued, expired, later}, with(done, removed), "later", "expired"},
		{"complete after all", []Record{live, expired, full}, with(full.Prediction, removed), "full", ""},
		{"complete after expired", []Record{expired, full}, with(full.Prediction, removed), "full", ""},
		{"only expired", []Record{expired}, expired.Prediction, "expired", ""},
		{"twice expired", []Record{expired, with2(expired, "other")}, expired.Prediction, "expired", ""},
		{"expired is never full", []Record{failed}, with(failed.Prediction, func(p *Prediction) { p.Full = false }), "failed", ""},
		{"the end told first", []Record{live, ended, expired}, with(done, removed), "live", "expired"},
		{"claimed before", []Record{claim, full}, with(full.Prediction, mine), "full", ""},
		{"claimed while it runs", []Record{live, claim}, with(live.Prediction, mine), "live", ""},
		{"claimed after", []Record{full, expired, claim}, with(full.Prediction, func(p *Prediction) { p.Mine, p.Removed = true, true }), "full", ""},
		{"full only with an object", []Record{{Prediction: full.Prediction}}, done, "", ""},
		{"full only at the end", []Record{{with(live.Prediction, func(p *Prediction) { p.Full, p.Completed = true, mergeCompleted }), []byte("x")}}, live.Prediction, "x", ""},
	} {
		var s stored
		for _, rec := range test.copies {
			s.put(rec)
		}
		if got := s.row.prediction(); got != test.want {
			t.Errorf("%s:\n got %+v\nwant %+v", test.name, got, test.want)
		}
		if s.body != test.body || s.aside != test.aside {
			t.Errorf("%s: stored %q and %q, want %q and %q", test.name, s.body, s.aside, test.body, test.aside)
		}
	}
}

func with2(rec Record, raw string) Record {
	rec.Raw = []byte(raw)
	return rec
}

// TestMergeOrder and FuzzMerge bring copies in any order: content that was seen
// stays, what was said of the end stays, and whatever the order, the outcome is
// worth the same.
func TestMergeOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 0))
	for i := range 5000 {
		order := make([]byte, 1+rnd.IntN(8))
		for i := range order {
			order[i] = byte(rnd.IntN(256))
		}
		if checkMergeOrder(t, order, rnd.Uint64()); t.Failed() {
			t.Fatalf("sequence %d: %v", i, order)
		}
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5}, uint64(1))
	f.Add([]byte{6, 1, 4}, uint64(2))
	f.Add([]byte{1, 6, 1, 8, 3, 4, 5, 0}, uint64(3))
	f.Fuzz(func(t *testing.T, order []byte, seed uint64) {
		if len(order) <= 64 {
			checkMergeOrder(t, order, seed)
		}
	})
}

func checkMergeOrder(t *testing.T, order []byte, seed uint64) {
	t.Helper()
	palette := []Record{queued, live, later, partial, full, again, expired, failed, claim, ended}
	copies := make([]Record, len(order))
	for i, b := range order {
		copies[i] = palette[int(b)%len(palette)]
		if len(copies[i].Raw) > 0 { // each is told apart
			copies[i].Raw = fmt.Appendf(nil, "%s %d", copies[i].Raw, i)
		}
	}
	s := mergeAll(t, copies)
	shuffled := slices.Clone(copies)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	o := mergeAll(t, shuffled)
	if s.row != nil && (s.row.rank != o.row.rank || s.row.flags != o.row.flags) {
		t.Errorf("rank %d, flags %b; in another order %d, %b", s.row.rank, s.row.flags, o.row.rank, o.row.flags)
	}
}

// mergeAll merges copies one by one and checks each step.
func mergeAll(t *testing.T, copies []Record) stored {
	t.Helper()
	var s stored
	var best rank
	var finals []string // expired copies of the end
	for i, rec := range copies {
		before := s
		var was Prediction
		if s.row != nil {
			was = s.row.prediction()
		}
		s.put(rec)
		is := s.row.prediction()

		best = max(best, rankOf(rec))
		if rankOf(rec) == rankExpired {
			finals = append(finals, string(rec.Raw))
		}
		switch {
		case s.row.rank != best:
			t.Errorf("step %d: rank %d, best seen %d", i, s.row.rank, best)
		case was.Full && s.body != before.body:
			t.Errorf("step %d: complete object %q replaced by %q", i, before.body, s.body)
		case before.row != nil && before.row.rank == s.row.rank && was.Done && s.body != before.body:
			t.Errorf("step %d: final object %q replaced by %q of the same rank", i, before.body, s.body)
		case len(finals) > 0 && best < rankPartial && s.aside != finals[0] && s.body != finals[0]:
			t.Errorf("step %d: expired copy %q lost; stored %q and %q", i, finals[0], s.body, s.aside)
		case s.row.flags&aside != 0 != (s.aside != ""):
			t.Errorf("step %d: flag aside is %b, but %q is stored", i, s.row.flags, s.aside)
		case was.Done && !is.Done, was.Removed && !is.Removed, was.Mine && !is.Mine:
			t.Errorf("step %d: a flag went off: %+v, then %+v", i, was, is)
		case was.Done && was.Status != "" && !is.Full && was.Status != is.Status && before.row.rank == s.row.rank:
			t.Errorf("step %d: final status %s became %s", i, was.Status, is.Status)
		case was.Done && !was.Completed.IsZero() && (was.Completed != is.Completed || was.Created != is.Created):
			t.Errorf("step %d: times of a final row changed: %+v, then %+v", i, was, is)
		case was.Model != "" && is.Model == "", was.Version != "" && is.Version == "", was.Status != "" && is.Status == "":
			t.Errorf("step %d: forgotten: %+v, then %+v", i, was, is)
		}
		// a repeated copy brings nothing, unless it is the state of a running one
		if m := merge(s.row, rec); m.row != *s.row {
			t.Errorf("step %d: the same again changes the row: %+v, then %+v", i, *s.row, m.row)
		}
	}
	return s
}
