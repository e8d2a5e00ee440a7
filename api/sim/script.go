package sim

import (
	"maps"
	"time"
)

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

// spread adds items one by one: the tokens of a text or the files of a list,
// evenly over the run.
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
