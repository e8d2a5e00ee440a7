package sim

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Status is how far a prediction is.
type Status string

const (
	Starting   Status = "starting"
	Processing Status = "processing"
	Succeeded  Status = "succeeded"
	Failed     Status = "failed"
	Canceled   Status = "canceled"
	Aborted    Status = "aborted"
)

// Terminal tells whether nothing comes after it.
func (t Status) Terminal() bool {
	return t == Succeeded || t == Failed || t == Canceled || t == Aborted
}

// Prediction is a prediction or a training at one moment. Tests write these
// to script the world; see Sim.Add and Sim.Set. What is zero is shown as
// Replicate shows what is not there.
type Prediction struct {
	ID         string // default: the next one
	Model      string // "owner/name"
	Version    string // default: that of the model
	Deployment string
	Source     string // "api" (default) or "web"
	Status     Status // default Starting

	Input  json.RawMessage // as it was sent; default {}
	Output any             // any JSON value; a *File in it, at any depth, is shown as its URL
	Logs   string
	Error  any // nil or a string

	Metrics map[string]any // beside predict_time and total_time, which come by themselves

	CreatedAt   time.Time // default: now
	StartedAt   time.Time
	CompletedAt time.Time // default for a terminal status: now
	Deadline    time.Time

	DataRemoved bool // removed before its time
	Streams     bool // it has a stream while it is not terminal
	Training    bool

	Webhook       string
	WebhookEvents []string // the filter
}

// removed tells whether its data is gone: an hour after its end for one that
// was created through the API.
func (p *Prediction) removed(now time.Time) bool {
	return p.DataRemoved || p.Source == "api" && p.Status.Terminal() && !now.Before(p.CompletedAt.Add(retention))
}

// What Replicate promises about time.
const (
	retention  = time.Hour           // data of API predictions
	webSpan    = 14 * 24 * time.Hour // how far source=web looks back
	longestRun = 30 * time.Minute    // then a run is stopped
)

// prediction is one that is in memory: created since the start, added, or of
// the past and changed by Set.
type prediction struct {
	Prediction
	ref    ref
	script *script // what will still happen; nil if Set decides
	step   int     // of the script, the next to come
	files  uint32  // files given out so far
	stream string  // id of its stream
	dest   *model  // what a training trains
	events []event // of its stream so far
}

// script is all that will happen in a run.
type script struct {
	boot    time.Duration // how long it is starting
	steps   []step        // in order of time
	run     time.Duration // from the end of the boot to the end
	end     Status
	err     string
	metrics map[string]any
	version *version // that a training makes
}

// step is something that happens at a time after the boot.
type step struct {
	at   time.Duration
	logs string // added to the logs
	out  any    // the output from now on, or
	item any    // added to the list that the output is
}

// speed is the script at another pace.
func (c *script) speed(by float64) {
	scale := func(d *time.Duration) { *d = time.Duration(float64(*d) / by) }
	scale(&c.boot)
	scale(&c.run)
	for i := range c.steps {
		scale(&c.steps[i].at)
	}
}

// text is a script step by step: the tokens of a text or the files of a list,
// spread evenly over the run.
func (c *script) spread(items []any) {
	for i, v := range items {
		c.steps = append(c.steps, step{at: c.run * time.Duration(i+1) / time.Duration(len(items)+1), item: v})
	}
}

// settleLocked brings p up to now and registers what files came out of it.
func (s *Sim) settleLocked(p *prediction, now time.Time) {
	c := p.script
	if c == nil || p.Status.Terminal() {
		return
	}
	begin := p.CreatedAt.Add(c.boot)
	end := begin.Add(c.run)
	stop, how, why := end, c.end, any(nil)
	if c.err != "" {
		why = c.err
	}
	if t := begin.Add(longestRun); t.Before(stop) {
		stop, how, why = t, Failed, "The prediction was stopped: it ran longer than 30 minutes."
	}
	if d := p.Deadline; !d.IsZero() && d.Before(stop) {
		stop, how, why = d, Canceled, nil
		if d.Before(begin) {
			how = Aborted
		}
	}
	if how != Aborted && !now.Before(begin) && p.StartedAt.IsZero() {
		p.StartedAt = begin
		p.Status = Processing
	}
	for p.step < len(c.steps) {
		at := begin.Add(c.steps[p.step].at)
		if at.After(now) || at.After(stop) {
			break
		}
		s.happenLocked(p, c.steps[p.step], at)
		p.step++
	}
	if !now.Before(stop) {
		p.Metrics = maps.Clone(c.metrics)
		if how != c.end {
			p.Metrics = nil
		}
		p.Error = why
		s.finishLocked(p, how, stop)
	}
}

// happenLocked does one step.
func (s *Sim) happenLocked(p *prediction, t step, at time.Time) {
	if t.logs != "" {
		p.emit("logs", t.logs, at)
	}
	for _, v := range []any{t.out, t.item} {
		if v != nil {
			s.registerLocked(p, v, at)
			p.emit("output", v, at)
		}
	}
	p.apply(t)
}

// apply is what a step does to what is seen.
func (p *Prediction) apply(t step) {
	p.Logs += t.logs
	switch {
	case t.out != nil:
		p.Output = t.out
	case t.item != nil:
		list, _ := p.Output.([]any)
		p.Output = append(list, t.item)
	}
}

func (s *Sim) finishLocked(p *prediction, how Status, at time.Time) {
	p.Status = how
	p.CompletedAt = at
	if c := p.script; c != nil && how == Succeeded && p.dest != nil {
		v := *c.version
		v.created = at
		s.models.publish(p.dest, v)
	}
	p.script = nil
	if how == Failed {
		p.emit("error", p.Error, at)
	}
	p.emit("done", nil, at)
}

// changesLocked is when p will change next by the clock alone.
func (p *prediction) changesLocked() (time.Time, bool) {
	c := p.script
	if c == nil || p.Status.Terminal() {
		return time.Time{}, false
	}
	begin := p.CreatedAt.Add(c.boot)
	next := begin.Add(min(c.run, longestRun))
	if p.StartedAt.IsZero() {
		next = begin
	} else if p.step < len(c.steps) {
		next = begin.Add(min(c.steps[p.step].at, c.run))
	}
	if d := p.Deadline; !d.IsZero() && d.Before(next) {
		next = d
	}
	return next, true
}

// outputDoneLocked tells whether p is a run for files that has all of them: a
// held create is answered then, a moment before the run itself ends.
func (p *prediction) outputDoneLocked() bool {
	if p.Status.Terminal() {
		return true
	}
	if p.script == nil || p.files == 0 {
		return false
	}
	for _, t := range p.script.steps[p.step:] {
		if t.out != nil || t.item != nil {
			return false
		}
	}
	return true
}

// Prediction is the prediction or training as it is now; its data is there
// even if it would be removed from answers. Callers must not change what its
// fields point to.
func (s *Sim) Prediction(id string) (Prediction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.findLocked(id); p != nil {
		return p.Prediction, true
	}
	if r, ok := s.predictionRef(id); ok && r.kind == kindPast {
		return s.pastRow(r.n)
	}
	return Prediction{}, false
}

// findLocked is a prediction that is in memory, settled.
func (s *Sim) findLocked(id string) *prediction {
	p := s.byID[id]
	if p != nil {
		s.settleLocked(p, s.now())
	}
	return p
}

// Set changes a prediction. From then on nothing happens to it by itself:
// the caller scripts it. Whoever waits for it looks again. f is called with
// the world locked and must not call back. Set is false if there is no such
// prediction.
func (s *Sim) Set(id string, f func(*Prediction)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.findLocked(id)
	if p == nil {
		r, ok := s.predictionRef(id)
		if !ok || r.kind != kindPast {
			return false
		}
		row, ok := s.pastRow(r.n)
		if !ok {
			return false
		}
		p = &prediction{Prediction: row, ref: r}
		each(row.Output, func(*File) { p.files++ })
		s.taken[int(r.n)] = true
		s.keepLocked(p)
	}
	p.script = nil
	before := p.Prediction
	f(&p.Prediction)
	p.ID = before.ID
	s.registerLocked(p, p.Output, s.now())
	s.defaultsLocked(p)
	p.emitChange(before, s.now())
	if !p.CreatedAt.Equal(before.CreatedAt) {
		s.sortLocked()
	}
	s.wakeLocked()
	return true
}

// Add puts a prediction into the account, at the place in the list that its
// CreatedAt gives it, and returns its id. Nothing happens to it by itself.
func (s *Sim) Add(in Prediction) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	p := &prediction{Prediction: in, ref: ref{kind: kindLive, n: s.seq}}
	if p.Training {
		p.ref.kind = kindTraining
	}
	if p.ID == "" {
		p.ID = s.predictionID(p.ref)
	}
	if p.CreatedAt.IsZero() {
		p.CreatedAt = s.now()
	}
	s.defaultsLocked(p)
	s.registerLocked(p, p.Output, either(p.CompletedAt, s.now()))
	s.keepLocked(p)
	p.emitChange(Prediction{}, s.now())
	s.wakeLocked()
	return p.ID
}

// defaultsLocked fills what a caller of Add or Set left out.
func (s *Sim) defaultsLocked(p *prediction) {
	if p.Source == "" {
		p.Source = "api"
	}
	if p.Status == "" {
		p.Status = Starting
	}
	if len(p.Input) == 0 {
		p.Input = json.RawMessage("{}")
	}
	if p.Version == "" {
		p.Version = s.models.versionOf(p.Model)
	}
	now := s.now()
	if p.StartedAt.IsZero() && p.Status != Starting && p.Status != Aborted {
		p.StartedAt = now
		if p.Status.Terminal() && !p.CompletedAt.IsZero() {
			p.StartedAt = p.CreatedAt
		}
	}
	if p.CompletedAt.IsZero() && p.Status.Terminal() {
		p.CompletedAt = now
	}
}

// keepLocked enters p into the list and all tables.
func (s *Sim) keepLocked(p *prediction) {
	if p.Streams && p.stream == "" {
		p.stream = s.streamID(p.ID)
		s.streams[p.stream] = p
	}
	s.byID[p.ID] = p
	i, _ := slices.BinarySearchFunc(s.live, p, newestFirst)
	s.live = slices.Insert(s.live, i, p)
}

func (s *Sim) sortLocked() { slices.SortFunc(s.live, newestFirst) }

// newestFirst orders as the database does, to the microsecond; of two of the
// same, the later one is first.
func newestFirst(a, b *prediction) int {
	if c := listTime(b.CreatedAt).Compare(listTime(a.CreatedAt)); c != 0 {
		return c
	}
	switch {
	case a.ref.n > b.ref.n:
		return -1
	case a.ref.n < b.ref.n:
		return 1
	}
	return 0
}

// listTime is a time as the database holds it.
func listTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// either is t, or u if there is no t.
func either(t, u time.Time) time.Time {
	if t.IsZero() {
		return u
	}
	return t
}
