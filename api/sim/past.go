package sim

import (
	"encoding/json"
	"math/rand/v2"
	"sort"
	"time"
)

// The past is rows, 0 the newest. All about a row follows from the seed and
// its number, so that a page of the list costs a hundred rows, whatever the
// length of the past.

// pastAge is how long before the start row i was made, but for some chance. A
// short past is dense near its end, as a person's is; a long one is even.
func (s *Sim) pastAge(i int) time.Duration {
	const few, span, pace = 1000, 6 * 24 * time.Hour, 3 * time.Minute
	if n := s.opt.Past; n <= few {
		x := (float64(i) + 0.5) / float64(n)
		return 90*time.Second + time.Duration(x*x*float64(span))
	}
	return time.Duration(i+1) * pace
}

// pastTime is when row i was created, to the microsecond. It falls as i grows.
func (s *Sim) pastTime(i int) time.Time {
	a, b := s.pastAge(i), s.pastAge(i+1)
	x := float64(s.chance("time", i)>>11) / (1 << 53)
	return s.start.Add(-a - time.Duration(x*0.8*float64(b-a))).Truncate(time.Microsecond)
}

// pastSource is cheap, since a list by source asks it of many rows.
func (s *Sim) pastSource(i int) string {
	if s.chance("source", i)%10 < 6 {
		return "web"
	}
	return "api"
}

// chance is what the dice say of row i.
func (s *Sim) chance(what string, i int) uint64 {
	n := mix(uint64(s.opt.Seed))
	for _, b := range []byte(what) {
		n = mix(n ^ uint64(b))
	}
	return mix(n + uint64(i))
}

// pastRow is row n.
func (s *Sim) pastRow(n uint64) (Prediction, bool) {
	if n >= uint64(s.opt.Past) {
		return Prediction{}, false
	}
	i := int(n)
	r := random(s.number("row", i))
	m := s.pastModel(r)
	p := Prediction{
		ID:    s.predictionID(ref{kind: kindPast, n: n}),
		Model: m.fullName(), Version: s.models.versionOf(m.fullName()),
		Source: s.pastSource(i), CreatedAt: s.pastTime(i),
	}
	if all := s.models.versions(m); len(all) > 1 && r.IntN(4) == 0 && !m.official {
		p.Version = all[r.IntN(len(all))].id
	}
	in := m.sample(r)
	if p.Source == "web" {
		in = defaults(m.fields, in) // the form on the website sends every field
	}
	p.Input, _ = json.Marshal(in)
	c := s.script(m, p.ID, p.Input, s.inputs(m.fields, p.Input), p.CreatedAt)
	c.shorten(30 * time.Second)
	s.pastEnd(&p, c, r)
	k := uint32(0)
	each(p.Output, func(f *File) {
		s.place(f, p.ID, ref{kindPast, n, k}, p.CompletedAt)
		k++
	})
	return p, true
}

func (s *Sim) pastModel(r *rand.Rand) *model {
	if m := s.models.named(s.opt.PastModel); m != nil {
		return m
	}
	pick := r.IntN(pastWeight)
	for _, w := range pastMix {
		if pick -= w.weight; pick < 0 {
			return s.models.named(w.model)
		}
	}
	return s.models.named(pastMix[0].model)
}

// pastMix is which models were run how often.
var pastMix = []struct {
	model  string
	weight int
}{
	{"black-forest-labs/flux-schnell", 46},
	{"meta/meta-llama-3-8b-instruct", 14},
	{"black-forest-labs/flux-1.1-pro", 8},
	{"stability-ai/sdxl", 8},
	{"acme/upscaler", 6},
	{"acme/gallery", 4},
	{"acme/object", 4},
	{"acme/captioner", 3},
	{"acme/video", 3},
	{"acme/slow", 2},
	{"acme/embeddings", 1},
	{"acme/broken", 1},
}

var pastWeight = func() (n int) {
	for _, w := range pastMix {
		n += w.weight
	}
	return n
}()

// shorten makes the script at most d long.
func (c *script) shorten(d time.Duration) {
	if all := c.boot + c.run; all > d {
		c.speed(float64(all) / float64(d))
	}
}

// pastEnd plays the script to its end, or to where somebody stopped it.
func (s *Sim) pastEnd(p *Prediction, c *script, r *rand.Rand) {
	begin := p.CreatedAt.Add(c.boot)
	stop := begin.Add(c.run)
	p.Status, p.StartedAt = c.end, begin
	switch x := r.IntN(100); {
	case x < 4:
		p.Status = Canceled
		stop = begin.Add(time.Duration(r.Float64() * float64(c.run)))
	case x < 6:
		p.Status = Aborted
		p.StartedAt = time.Time{}
		p.Deadline = p.CreatedAt.Add(5 * time.Second)
		p.CompletedAt = p.Deadline
		return
	case x < 9 && c.end == Succeeded:
		p.Status = Failed
		p.Error = []string{"CUDA out of memory. (E1001)", "NSFW content detected. Try running it again, or try a different prompt.",
			"Director: unexpected error handling prediction (E9243)"}[r.IntN(3)]
		stop = begin.Add(time.Duration(r.Float64() * float64(c.run)))
	case c.err != "":
		p.Error = c.err
	case x < 20:
		p.Error = "" // seen on runs that did not fail
	}
	for _, t := range c.steps {
		if begin.Add(t.at).After(stop) {
			break
		}
		p.apply(t)
	}
	p.CompletedAt = stop
	if p.Status == c.end {
		p.Metrics = c.metrics
	}
}

// computedFile is a file that is in no table: of the past, of an example, or a
// cover.
func (s *Sim) computedFile(id, name string, now time.Time) *File {
	r, ok := s.fileRef(id)
	if !ok {
		return nil
	}
	var found *File
	pick := func(f *File) {
		if f.id == id && f.Name == name {
			found = f
		}
	}
	switch r.kind {
	case kindPast:
		if p, ok := s.pastRow(r.n); ok && !p.removed(now) {
			each(p.Output, pick)
		}
	case kindExample:
		if m := s.models.at(r.n); m != nil && m.example != nil {
			s.models.mu.Lock()
			p := s.examplePrediction(m)
			s.models.mu.Unlock()
			each(p.Output, pick)
		}
	case kindCover:
		if m := s.models.at(r.n); m != nil {
			pick(s.coverOf(m))
		}
	}
	return found
}

// rows walks the past from a cursor on.
type rows struct {
	s       *Sim
	i, last int // last is the first that is out of reach
	back    bool
}

func (s *Sim) rows(f filter, cur cursor) *rows {
	// Rows [from, to) match: the newest is 0.
	from, to := 0, s.opt.Past
	before := f.before
	if !cur.position.IsZero() && !cur.reverse && (before.IsZero() || cur.position.Before(before)) {
		before = cur.position
	}
	if !before.IsZero() {
		from = sort.Search(to, func(i int) bool { return s.pastTime(i).Before(before) })
	}
	if !f.after.IsZero() {
		to = sort.Search(to, func(i int) bool { return s.pastTime(i).Before(f.after) })
	}
	if !cur.position.IsZero() && cur.reverse {
		to = min(to, sort.Search(to, func(i int) bool { return !s.pastTime(i).After(cur.position) }))
	}
	if f.trainings {
		to = from
	}
	if cur.reverse {
		return &rows{s, to - 1, from - 1, true}
	}
	return &rows{s, from, to, false}
}

func (w *rows) ok() bool {
	if w.back {
		return w.i > w.last
	}
	return w.i < w.last
}

func (w *rows) at() time.Time { return w.s.pastTime(w.i) }

func (w *rows) step() {
	if w.back {
		w.i--
	} else {
		w.i++
	}
}
