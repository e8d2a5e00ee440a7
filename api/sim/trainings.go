package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// A training is a prediction whose output is a new version of a model of the
// account and its weights.

func createTraining(c *call) (*reply, *problem) {
	m, p := c.model()
	if p != nil {
		return nil, p
	}
	version := c.r.PathValue("id")
	if m.train == nil || !c.s.models.has(m, version) {
		return nil, errVersion
	}
	body, p := c.object()
	if p != nil {
		return nil, p
	}
	o, in, p := c.order(body, "destination")
	if p != nil {
		return nil, p
	}
	dest := ""
	json.Unmarshal(body["destination"], &dest) // "" is a destination that does not exist
	to := c.s.models.named(dest)
	if to == nil || to.owner != c.s.opt.Account {
		return nil, errNoDest
	}
	if p := invalid(check(m.train, in)); p != nil {
		return nil, p
	}
	o.model, o.version, o.dest = m, version, to
	t, first, p := c.s.begin(o)
	if p != nil {
		return nil, p
	}
	if o.webhook != "" {
		c.s.startWebhook(t, c.bases)
	}
	// The URLs of a new training are those of a prediction, as recorded.
	return &reply{status: http.StatusCreated, v: c.s.shape(&first, "", c.bases, false)}, nil
}

// trainingScript takes a minute or two and ends in a version of dest.
func trainingScript(j *job, dest *model) *script {
	steps := max(1, min(j.int("steps"), 1000))
	c := &script{boot: j.seconds(3, 6), run: j.seconds(60, 90), end: Succeeded}
	c.steps = append(c.steps, step{logs: "Extracting training images...\n"})
	const lines = 20
	for k := range lines {
		c.steps = append(c.steps, step{
			at:   c.run * time.Duration(k+1) / (lines + 2),
			logs: fmt.Sprintf("step %d/%d loss %.4f\n", steps*(k+1)/lines, steps, 0.02+0.5/float64(k+2)),
		})
	}
	id := hexID(dest.fullName() + j.id)
	c.steps = append(c.steps, step{at: c.run * 99 / 100, logs: "Pushed version " + id + "\n", out: map[string]any{
		"version": dest.fullName() + ":" + id,
		"weights": NewBlob("trained_model.tar", 3<<20),
	}})
	c.version = &version{id: id, cog: "0.14.3"}
	return c
}

// publish makes the result of a training a version of its destination.
func (c *catalog) publish(dest *model, v version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dest.versions = append([]version{v}, dest.versions...)
	c.byID[v.id] = dest
}

func listTrainings(c *call) (*reply, *problem) { return c.listPage(true) }

// training finds the training that the path names.
func (c *call) training() (*prediction, *problem) {
	p := c.s.findLocked(c.r.PathValue("id"))
	if p == nil || !p.Training {
		return nil, errNotFound
	}
	return p, nil
}

func oneTraining(c *call) (*reply, *problem) {
	s := c.s
	s.mu.Lock()
	p, bad := c.training()
	if bad != nil {
		s.mu.Unlock()
		return nil, bad
	}
	is := p.Prediction
	s.mu.Unlock()
	return success(s.trainingShape(&is, c.bases, false))
}

func cancelTraining(c *call) (*reply, *problem) {
	s := c.s
	s.mu.Lock()
	_, bad := c.training()
	s.mu.Unlock()
	if bad != nil {
		return nil, bad
	}
	if _, bad := cancelPrediction(c); bad != nil {
		return nil, bad
	}
	return oneTraining(c)
}

// trainingShape is a training as GET shows it: its URLs are among trainings.
func (s *Sim) trainingShape(p *Prediction, b bases, listed bool) any {
	root := b.api + "/v1/trainings/" + p.ID
	u := links{Cancel: root + "/cancel", Get: root, Web: "https://replicate.com/p/" + p.ID}
	switch v := s.shape(p, "", b, listed).(type) {
	case *rowShape:
		v.URLs = u
		return v
	case *liveShape:
		v.URLs = u
		return v
	}
	return nil
}

// settleTrainings publishes what has been trained by now.
func (s *Sim) settleTrainings() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.live {
		if p.Training {
			s.settleLocked(p, s.now())
		}
	}
}

// addTraining puts a finished training into the account, with its result.
func (s *Sim) addTraining(m, dest *model, input string, at time.Time) {
	o := &order{model: m, version: m.versions[0].id, dest: dest, input: json.RawMessage(input)}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.enterLocked(o, at)
	p.Source = "web"
}
