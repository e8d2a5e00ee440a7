package sim

import (
	"encoding/json"
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
