package sim

import (
	"encoding/json"
	"time"
)

// examplePrediction is the run that a model shows on its page. It belongs to
// the model's owner: its files can be read, the account cannot ask for it.
// Call with the catalog locked.
func (s *Sim) examplePrediction(m *model) Prediction {
	at := m.made.Add(time.Hour)
	r := ref{kind: kindExample, n: m.index}
	p := Prediction{
		ID: s.predictionID(r), Model: m.fullName(), Version: m.latest(), Source: "web",
		CreatedAt: at,
	}
	p.Input, _ = json.Marshal(defaults(m.fields, m.example))
	c := s.script(m, p.ID, p.Input, s.inputs(m.fields, p.Input), at)
	begin := at.Add(c.boot)
	p.StartedAt, p.CompletedAt, p.Status, p.Metrics = begin, begin.Add(c.run), c.end, c.metrics
	if c.err != "" {
		p.Error = c.err
	}
	for _, t := range c.steps {
		p.apply(t)
	}
	each(p.Output, func(f *File) {
		s.place(f, p.ID, r, p.CompletedAt)
		r.file++
	})
	return p
}

func (s *Sim) example(m *model, b bases) any {
	p := s.examplePrediction(m)
	return s.shape(&p, "", b, false)
}

// coverOf is the picture on the page of a model, nil for private ones.
func (s *Sim) coverOf(m *model) *File {
	if m.private {
		return nil
	}
	prompt := m.about
	if t, ok := m.example["prompt"].(string); ok {
		prompt = t
	}
	f := &File{Name: m.name + ".webp", render: paint(prompt, int64(m.index), 512, 384, "webp")}
	s.place(f, "cover "+m.fullName(), ref{kind: kindCover, n: m.index}, m.made)
	return f
}
