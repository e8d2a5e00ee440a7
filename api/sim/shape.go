package sim

import (
	"bytes"
	"encoding/json"
	"time"
)

// links are the urls of a prediction.
type links struct {
	Cancel string `json:"cancel"`
	Get    string `json:"get"`
	Stream string `json:"stream,omitempty"`
	Web    string `json:"web"`
}

// liveShape is a prediction as the service that runs it shows it: what is not
// set is left out, keys are in no order, times have up to nanoseconds.
type liveShape struct {
	ID          string          `json:"id"`
	Model       string          `json:"model"`
	Version     string          `json:"version"`
	Input       json.RawMessage `json:"input"`
	Logs        string          `json:"logs"`
	Output      any             `json:"output"`
	DataRemoved bool            `json:"data_removed"`
	Error       any             `json:"error"`
	Source      string          `json:"source"`
	Status      Status          `json:"status"`
	CreatedAt   string          `json:"created_at"`
	StartedAt   string          `json:"started_at,omitempty"`
	Deadline    string          `json:"deadline,omitempty"`
	Deployment  string          `json:"deployment,omitempty"`
	Webhook     string          `json:"webhook,omitempty"`
	Events      []string        `json:"webhook_events_filter,omitempty"`
	URLs        links           `json:"urls"`
}

// rowShape is a prediction as the database shows it: every key, in
// alphabetical order, with explicit nulls, times in microseconds.
type rowShape struct {
	CompletedAt *string         `json:"completed_at"`
	CreatedAt   string          `json:"created_at"`
	DataRemoved bool            `json:"data_removed"`
	Deadline    string          `json:"deadline,omitempty"`
	Deployment  string          `json:"deployment,omitempty"`
	Error       any             `json:"error"`
	ID          string          `json:"id"`
	Input       json.RawMessage `json:"input"`
	Logs        *string         `json:"logs,omitempty"`
	Metrics     map[string]any  `json:"metrics"`
	Model       string          `json:"model"`
	Output      any             `json:"output"`
	Source      string          `json:"source"`
	StartedAt   *string         `json:"started_at"`
	Status      Status          `json:"status"`
	URLs        links           `json:"urls"`
	Version     string          `json:"version"`
	Webhook     *string         `json:"webhook"`
}

// shape is what the API answers for a prediction: the live shape until it has
// ended, the database's afterwards and in lists.
func (s *Sim) shape(p *Prediction, stream string, b bases, listed bool) any {
	u := links{
		Cancel: b.api + "/v1/predictions/" + p.ID + "/cancel",
		Get:    b.api + "/v1/predictions/" + p.ID,
		Web:    "https://replicate.com/p/" + p.ID,
	}
	now := s.now()
	if listed || p.Status.Terminal() {
		return s.row(p, u, b, now, listed)
	}
	if stream != "" {
		u.Stream = b.stream + s.streamPath(p, stream)
	}
	return &liveShape{
		ID: p.ID, Model: p.Model, Version: p.Version,
		Input: p.Input, Logs: p.Logs, Output: b.render(p.Output), Error: p.Error,
		Source: p.Source, Status: p.Status,
		CreatedAt: s.liveTime(p.CreatedAt, p.ID), StartedAt: s.liveTime(p.StartedAt, p.ID),
		Deadline: s.liveTime(p.Deadline, p.ID), Deployment: p.Deployment,
		Webhook: p.Webhook, Events: p.WebhookEvents, URLs: u,
	}
}

func (s *Sim) row(p *Prediction, u links, b bases, now time.Time, listed bool) *rowShape {
	r := &rowShape{
		CreatedAt: rowTime(p.CreatedAt), Deployment: p.Deployment, Error: p.Error, ID: p.ID,
		Input: sortKeys(p.Input), Model: p.Model, Output: b.render(p.Output), Source: p.Source,
		Status: p.Status, URLs: u, Version: p.Version,
	}
	if !listed || s.opt.ListLogs {
		r.Logs = &p.Logs
	}
	if !p.StartedAt.IsZero() {
		t := rowTime(p.StartedAt)
		r.StartedAt = &t
	}
	if !p.Deadline.IsZero() {
		r.Deadline = rowTime(p.Deadline)
	}
	if p.Webhook != "" {
		r.Webhook = &p.Webhook
	}
	if p.Status.Terminal() {
		t := rowTime(p.CompletedAt)
		r.CompletedAt = &t
		r.Metrics = metrics(p)
	}
	if p.removed(now) {
		// What becomes of input and logs is not documented: all variants.
		r.DataRemoved, r.Output = true, nil
		h := hash64(p.ID)
		r.Input = json.RawMessage("{}")
		if h&1 == 0 {
			r.Input = json.RawMessage("null")
		}
		if r.Logs != nil {
			r.Logs = new(string)
			if h&2 == 0 {
				r.Logs = nil
			}
		}
	}
	return r
}

// metrics are the times of a finished run, and whatever else it has.
func metrics(p *Prediction) map[string]any {
	m := map[string]any{"total_time": p.CompletedAt.Sub(p.CreatedAt).Seconds()}
	if !p.StartedAt.IsZero() {
		m["predict_time"] = p.CompletedAt.Sub(p.StartedAt).Seconds()
	}
	for k, v := range p.Metrics {
		m[k] = v
	}
	return m
}

// liveTime writes a time with as many digits as the service happened to use:
// they differ from prediction to prediction.
func (s *Sim) liveTime(t time.Time, id string) string {
	if t.IsZero() {
		return ""
	}
	cut := []time.Duration{time.Nanosecond, time.Microsecond, time.Millisecond, 10 * time.Millisecond}
	return t.UTC().Truncate(cut[hash64(id)%4]).Format(time.RFC3339Nano)
}

// rowTime keeps trailing zeros for some times, as recorded.
func rowTime(t time.Time) string {
	t = listTime(t)
	if t.Unix()%2 == 0 {
		return t.Format("2006-01-02T15:04:05.000000Z07:00")
	}
	return t.Format(time.RFC3339Nano)
}

// sortKeys is the JSON value with the keys of its objects in order.
func sortKeys(b json.RawMessage) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // big integers stay what they are
	var v any
	if d.Decode(&v) != nil {
		return b
	}
	out, err := json.Marshal(v)
	if err != nil {
		return b
	}
	return out
}

// render is an output with its files as URLs.
func (b bases) render(v any) any {
	switch v := v.(type) {
	case *File:
		return b.url(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = b.render(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = b.render(v[k])
		}
		return out
	}
	return v
}
