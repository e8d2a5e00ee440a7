package fs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"replicatefs/api"
	"replicatefs/cache/catalog"
)

// A create whose answer was lost may have started a run. There is no key by
// which to ask, so the list is asked instead: exactly one prediction of that
// moment with that model and input, which no other save of ours claims, is
// the run that was lost. Anything else is for a person to decide.

// claims are the predictions that belong to a save of this mount, and the
// creates whose answers are still to come.
type claims struct {
	mu     sync.Mutex // guards what follows
	ids    map[string]bool
	flying map[string]*sends // by what is run; see runKey
}

// sends are equal creates under way.
type sends struct {
	n    int
	idle chan struct{} // closed when n is back at 0
}

func newClaims() *claims {
	return &claims{ids: map[string]bool{}, flying: map[string]*sends{}}
}

// take claims a prediction; false if somebody has it.
func (c *claims) take(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids[id] {
		return false
	}
	c.ids[id] = true
	return true
}

func (c *claims) has(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[id]
}

// sending says that a create is under way. Done says that its answer came and
// was claimed, or is lost.
func (c *claims) sending(key string) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.flying[key]
	if s == nil {
		s = &sends{idle: make(chan struct{})}
		c.flying[key] = s
	}
	s.n++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if s.n--; s.n == 0 {
			close(s.idle)
			delete(c.flying, key)
		}
	}
}

// settled waits until every equal create under way has its answer: before
// that, the prediction in the list may be theirs.
func (c *claims) settled(ctx context.Context, key string) {
	c.mu.Lock()
	s := c.flying[key]
	c.mu.Unlock()
	if s == nil {
		return
	}
	select {
	case <-s.idle:
	case <-ctx.Done():
	}
}

// busy tells whether an equal create is under way.
func (c *claims) busy(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flying[key] != nil
}

// runKey is the same for all runs that are equal.
func runKey(r catalog.Run) string {
	return strings.Join([]string{r.Model, r.Version, r.Deployment, canonical(r.Input)}, "\x00")
}

const (
	adoptSkew  = 2 * time.Minute  // a create may take so long, and clocks differ so much unnoticed
	adoptTries = 4                // the list may lag behind a create
	adoptPause = time.Second      // before the second look; doubled for each further one
	adoptLimit = 60 * time.Second // for all of it: somebody waits in close()
)

// adopt looks for the run of a create whose answer was lost. Cause is that
// loss, and the error if the run is not found beyond doubt.
func (f *FS) adopt(ctx context.Context, r catalog.Run, cause error) (*api.Prediction, error) {
	ctx, cancel := context.WithTimeout(ctx, adoptLimit)
	defer cancel()
	pause := adoptPause
	for try := 1; ; try++ {
		found, err := f.unclaimed(ctx, r)
		switch {
		case err == nil && len(found) == 1 && f.claims.take(found[0].ID):
			f.log.Warn("found the run whose answer was lost", "prediction", found[0].ID)
			return found[0], nil
		case err == nil && len(found) > 1:
			return nil, fmt.Errorf("%w\nOne of these may be it:%s", cause, list(found))
		case try == adoptTries && err != nil:
			return nil, fmt.Errorf("%w\nThe list of predictions could not be read either: %v", cause, err)
		case try == adoptTries:
			return nil, fmt.Errorf("%w\nNo such prediction is in the list, so it was probably not started", cause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, cause
		}
		pause *= 2
	}
}

// unclaimed are the candidates that belong to no other save. While one that is
// equal is being sent, what is in the list may be its run, so all of them are
// waited for, those too that began meanwhile.
func (f *FS) unclaimed(ctx context.Context, r catalog.Run) ([]*api.Prediction, error) {
	key := runKey(r)
	for {
		f.claims.settled(ctx, key)
		found, err := f.candidates(ctx, r)
		if err == nil && f.claims.busy(key) {
			continue
		}
		return slices.DeleteFunc(found, func(p *api.Prediction) bool { return f.claims.has(p.ID) }), err
	}
}

// candidates are the predictions that may be the run: equal, of that moment,
// and unknown before.
func (f *FS) candidates(ctx context.Context, r catalog.Run) ([]*api.Prediction, error) {
	var found []*api.Prediction
	// Started is by our clock, which may be wrong now, or may have been then.
	ahead := f.api.Ahead()
	from, to := r.Started.Add(min(ahead, 0)-adoptSkew), r.Started.Add(max(ahead, 0)+adoptSkew)
	for p, err := range f.api.Predictions(ctx, api.Filter{CreatedAfter: from, CreatedBefore: to}) {
		if err != nil {
			return nil, err
		}
		ours, _ := f.catalog.Prediction(p.ID)
		if equalRun(p, r) && !ours.Mine && !f.seenBefore(p.ID, r.Started) {
			found = append(found, p)
		}
	}
	return found, nil
}

// equalRun tells whether a prediction is of the model and input of a run.
func equalRun(p *api.Prediction, r catalog.Run) bool {
	switch {
	case r.Model != "" && p.Model != r.Model,
		r.Version != "" && p.Version != r.Version,
		r.Deployment != "" && p.Deployment != r.Deployment && !strings.HasSuffix(r.Deployment, "/"+p.Deployment):
		return false
	}
	return equalJSON(p.Input, r.Input)
}

// equalJSON compares values, not spelling: the API sends objects back with
// their keys in another order, and 3.0 perhaps as 3.
func equalJSON(a, b json.RawMessage) bool { return canonical(a) == canonical(b) }

// canonical is the one spelling of all that are equal. Numbers that float64
// cannot tell apart are equal too: to take one run more for a candidate is the
// safe mistake.
func canonical(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil { // a number may be too large
		return string(raw)
	}
	out, _ := encode(v) // of what was decoded it cannot fail
	return string(out)
}

func list(found []*api.Prediction) string {
	var b strings.Builder
	for _, p := range found {
		fmt.Fprintf(&b, "\npredictions/%s (created %s, %s)", p.ID, p.Created.Format(time.RFC3339), p.Status)
	}
	return b.String()
}
