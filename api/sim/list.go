package sim

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// page is a page of anything.
type page struct {
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []any   `json:"results"`
}

// pageSize is how many predictions a page has. It cannot be changed.
const pageSize = 100

// filter is what a list of predictions is narrowed to. The times are compared
// with those of the database, which knows microseconds: a live prediction
// that showed nanoseconds is older than it said.
type filter struct {
	after, before time.Time // included, excluded; zero is none
	web           bool
	trainings     bool
}

func (f *filter) match(p *Prediction) bool {
	t := listTime(p.CreatedAt)
	return (f.after.IsZero() || !t.Before(f.after)) && (f.before.IsZero() || t.Before(f.before)) &&
		(!f.web || p.Source == "web") && f.trainings == p.Training
}

// entry is a place in the list: a prediction in memory or a row of the past.
type entry struct {
	at  time.Time
	is  Prediction
	row int // -1 for one in memory
}

// cursor is where a page begins, in the form of Django REST framework: after
// position, or at the very end of the list, and then offset entries further.
type cursor struct {
	offset   int
	reverse  bool
	position time.Time
}

func listPredictions(c *call) (*reply, *problem) {
	return c.listPage(false)
}

func (c *call) listPage(trainings bool) (*reply, *problem) {
	q := c.r.URL.Query()
	f := filter{trainings: trainings}
	var p *problem
	if f.after, p = timeQuery(q, "created_after"); p != nil {
		return nil, p
	}
	if f.before, p = timeQuery(q, "created_before"); p != nil {
		return nil, p
	}
	switch q.Get("source") {
	case "":
	case "web":
		f.web = true
		if t := c.s.now().Add(-webSpan); f.after.Before(t) {
			f.after = t
		}
	default:
		return nil, refused(`source must be "web"`)
	}
	cur, good := parseCursor(q.Get("cursor"))
	if !good {
		return nil, &problem{Detail: "Invalid cursor", Status: http.StatusNotFound}
	}
	entries, next, prev := c.s.page(f, cur)
	out := page{Results: make([]any, len(entries))}
	for i := range entries {
		is := &entries[i].is
		if trainings {
			out.Results[i] = c.s.trainingShape(is, c.bases, true)
		} else {
			out.Results[i] = c.s.shape(is, "", c.bases, true)
		}
	}
	out.Next, out.Previous = c.pageURL(next), c.pageURL(prev)
	return success(out)
}

// pageURL is the URL of this list at another place: absolute, and with the
// filters, as Django REST framework does it.
func (c *call) pageURL(cur *cursor) *string {
	if cur == nil {
		return nil
	}
	q := c.r.URL.Query()
	q.Set("cursor", cur.String())
	u := c.api + c.r.URL.Path + "?" + q.Encode()
	return &u
}

func timeQuery(q url.Values, key string) (time.Time, *problem) {
	v := q.Get(key)
	if v == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(form, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, refused(key + " must be an ISO 8601 date-time")
}

func parseCursor(v string) (cursor, bool) {
	if v == "" {
		return cursor{}, true
	}
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return cursor{}, false
	}
	q, err := url.ParseQuery(string(b))
	if err != nil {
		return cursor{}, false
	}
	c := cursor{reverse: q.Get("r") == "1"}
	if o := q.Get("o"); o != "" {
		if c.offset, err = strconv.Atoi(o); err != nil || c.offset < 0 {
			return cursor{}, false
		}
	}
	if p := q.Get("p"); p != "" {
		if c.position, err = time.Parse(positionForm, p); err != nil {
			return cursor{}, false
		}
	}
	return c, c.offset > 0 || !c.position.IsZero()
}

// positionForm is how Python writes a time.
const positionForm = "2006-01-02 15:04:05.999999-07:00"

func (c *cursor) String() string {
	var parts []string
	if c.offset > 0 {
		parts = append(parts, "o="+strconv.Itoa(c.offset))
	}
	if c.reverse {
		parts = append(parts, "r=1")
	}
	if !c.position.IsZero() {
		parts = append(parts, "p="+url.QueryEscape(c.position.UTC().Format("2006-01-02 15:04:05.000000-07:00")))
	}
	return base64.StdEncoding.EncodeToString([]byte(strings.Join(parts, "&")))
}

// page is the entries of a page, newest first, with the cursors beside it.
func (s *Sim) page(f filter, cur cursor) (entries []entry, next, prev *cursor) {
	got := s.entries(f, cur, cur.offset+pageSize+1)
	got = got[min(cur.offset, len(got)):]
	more := len(got) > pageSize
	var beyond time.Time // of the first entry after the page
	if more {
		beyond = got[pageSize].at
		got = got[:pageSize]
	}
	back := !cur.position.IsZero() || cur.offset > 0 // there are entries on the side we came from
	if len(got) == 0 {
		return nil, nil, nil
	}
	ahead := ahead(got, more, beyond, cur)
	behind := behind(got, back, cur)
	if cur.reverse {
		slices.Reverse(got)
		return got, behind, ahead
	}
	return got, ahead, behind
}

// ahead is the cursor for what comes after the entries: the time of the last
// one that differs from its follower's, and how many follow that one.
func ahead(got []entry, more bool, beyond time.Time, cur cursor) *cursor {
	if !more {
		return nil
	}
	for n := range got {
		if e := got[len(got)-1-n]; !e.at.Equal(beyond) {
			return &cursor{offset: n, reverse: cur.reverse, position: e.at}
		}
	}
	return &cursor{offset: cur.offset + len(got), reverse: cur.reverse, position: cur.position}
}

// behind is the cursor for what comes before the entries, the other way round.
func behind(got []entry, back bool, cur cursor) *cursor {
	if !back {
		return nil
	}
	for n, e := range got {
		if !e.at.Equal(cur.position) {
			return &cursor{offset: n, reverse: !cur.reverse, position: e.at}
		}
	}
	return &cursor{reverse: !cur.reverse, position: cur.position}
}

// entries are the first n matches from the cursor's position on, not counting
// its offset: older than the position, or newer ones in reverse, oldest first.
func (s *Sim) entries(f filter, cur cursor, n int) []entry {
	var out []entry
	live, taken := s.liveEntries(f, cur, n)
	rows := s.rows(f, cur)
	first := func(a, b time.Time) bool { return a.After(b) != cur.reverse }
	for len(out) < n {
		for rows.ok() && taken[rows.i] {
			rows.step()
		}
		switch {
		case len(live) > 0 && (!rows.ok() || !first(rows.at(), live[0].at)):
			out = append(out, live[0])
			live = live[1:]
		case rows.ok():
			if i := rows.i; !f.web || s.pastSource(i) == "web" {
				out = append(out, entry{at: rows.at(), row: i})
			}
			rows.step()
		default:
			n = 0
		}
	}
	for i := range out {
		if out[i].row >= 0 {
			out[i].is, _ = s.pastRow(uint64(out[i].row))
		}
	}
	return out
}

// liveEntries are the first n matches in memory beyond the cursor's position,
// and the rows of the past that they replace.
func (s *Sim) liveEntries(f filter, cur cursor, n int) ([]entry, map[int]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var out []entry
	look := func(p *prediction) bool {
		t := listTime(p.CreatedAt)
		if !cur.position.IsZero() && (t.Equal(cur.position) || t.After(cur.position) != cur.reverse) {
			return true
		}
		s.settleLocked(p, now)
		if f.match(&p.Prediction) {
			out = append(out, entry{at: t, is: p.Prediction, row: -1})
		}
		return len(out) < n
	}
	if cur.reverse {
		for _, p := range slices.Backward(s.live) {
			if !look(p) {
				break
			}
		}
	} else {
		for _, p := range s.live {
			if !look(p) {
				break
			}
		}
	}
	return out, maps.Clone(s.taken)
}
