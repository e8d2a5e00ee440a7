package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Statuses of a prediction or training. Others may come one day: whatever is not
// one of the four last has not ended.
const (
	Starting   = "starting"
	Processing = "processing"
	Succeeded  = "succeeded"
	Failed     = "failed"
	Canceled   = "canceled"
	Aborted    = "aborted" // ended by its deadline before it began
)

// MaxObject bounds one JSON answer other than a page, after decompression. Inputs
// and outputs may carry files as data: URIs, so tens of megabytes are legitimate.
const MaxObject = 64 << 20

// URLs are the addresses that come with a prediction; each may be empty.
type URLs struct{ Get, Cancel, Stream, Web string }

// Prediction is one run of a model, or one training: they have the same fields.
// The JSON members are as received, digits of big numbers included, and nil where
// the API told null or nothing. A Prediction is not changed once it is made.
type Prediction struct {
	ID         string
	Model      string // owner/name
	Version    string // 64 hex digits, "hidden" for official models, or ""
	Status     string
	Source     string // "api" or "web"
	Deployment string

	Input, Output, Metrics json.RawMessage

	Logs    string
	HasLogs bool // entries of a list may leave the logs out

	Error    string // "" can be told of a success too: Status decides
	HasError bool   // a value other than null was told

	Created, Started, Completed, Deadline time.Time // UTC; zero when not told

	DataRemoved bool // Replicate has deleted input, output and logs
	URLs        URLs

	Raw json.RawMessage // the whole object, exactly as received
}

// Done reports whether the prediction has ended, one way or the other. A reply
// that is still "processing" may carry output, but is not done.
func (p *Prediction) Done() bool {
	switch p.Status {
	case Succeeded, Failed, Canceled, Aborted:
		return true
	}
	return false
}

// ParsePrediction decodes one prediction or training object. Every field but the
// id is optional, and an unimportant one of the wrong type is skipped. It keeps
// no reference to raw. Longer than MaxObject is an error.
func ParsePrediction(raw []byte) (*Prediction, error) {
	if len(raw) > MaxObject {
		return nil, fmt.Errorf("parse prediction: %d bytes are more than the limit of %d", len(raw), MaxObject)
	}
	if !object(raw) {
		return nil, errors.New("parse prediction: not a JSON object")
	}
	var w struct {
		ID          maybe[string]   `json:"id"`
		Model       maybe[string]   `json:"model"`
		Version     maybe[string]   `json:"version"`
		Status      maybe[string]   `json:"status"`
		Source      maybe[string]   `json:"source"`
		Deployment  maybe[string]   `json:"deployment"`
		Input       json.RawMessage `json:"input"`
		Output      json.RawMessage `json:"output"`
		Metrics     json.RawMessage `json:"metrics"`
		Logs        maybe[string]   `json:"logs"`
		Error       json.RawMessage `json:"error"`
		Created     when            `json:"created_at"`
		Started     when            `json:"started_at"`
		Completed   when            `json:"completed_at"`
		Deadline    when            `json:"deadline"`
		DataRemoved maybe[bool]     `json:"data_removed"`
		URLs        maybe[struct {
			Get    maybe[string] `json:"get"`
			Cancel maybe[string] `json:"cancel"`
			Stream maybe[string] `json:"stream"`
			Web    maybe[string] `json:"web"`
		}] `json:"urls"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("parse prediction: %w", err)
	}
	if !validID(w.ID.v) {
		return nil, fmt.Errorf("parse prediction: no usable id (%q)", clip(w.ID.v, 40))
	}
	return &Prediction{
		ID:          w.ID.v,
		Model:       w.Model.v,
		Version:     w.Version.v,
		Status:      w.Status.v,
		Source:      w.Source.v,
		Deployment:  w.Deployment.v,
		Input:       orNil(w.Input),
		Output:      orNil(w.Output),
		Metrics:     orNil(w.Metrics),
		Logs:        w.Logs.v,
		HasLogs:     w.Logs.ok,
		Error:       text(w.Error),
		HasError:    orNil(w.Error) != nil,
		Created:     w.Created.t,
		Started:     w.Started.t,
		Completed:   w.Completed.t,
		Deadline:    w.Deadline.t,
		DataRemoved: w.DataRemoved.v,
		URLs:        URLs{w.URLs.v.Get.v, w.URLs.v.Cancel.v, w.URLs.v.Stream.v, w.URLs.v.Web.v},
		Raw:         keep(raw),
	}, nil
}

// Prediction reads one prediction. Unknown ones, those of other accounts and ids
// that cannot be one are iofs.ErrNotExist, the last without a request.
func (c *Client) Prediction(ctx context.Context, id string) (*Prediction, error) {
	return c.one(ctx, call{op: "read prediction", path: "/predictions/" + id}, id)
}

// Cancel asks for a prediction to end and returns it as it was then; it may still
// run for a moment. A prediction that has ended stays as it is.
func (c *Client) Cancel(ctx context.Context, id string) (*Prediction, error) {
	return c.one(ctx, call{op: "cancel prediction", method: http.MethodPost, path: "/predictions/" + id + "/cancel"}, id)
}

// one does a call about a single prediction or training.
func (c *Client) one(ctx context.Context, k call, id string) (*Prediction, error) {
	if !validID(id) {
		return nil, notExist(k.op, id)
	}
	return fetch(ctx, c, k, parseOf(id))
}

// parseOf is ParsePrediction for an answer that must be about id.
func parseOf(id string) func(raw []byte) (*Prediction, error) {
	return func(raw []byte) (*Prediction, error) {
		p, err := ParsePrediction(raw)
		if err == nil && p.ID != id {
			return nil, fmt.Errorf("asked for %s, the API answered with %s", id, p.ID)
		}
		return p, err
	}
}

// validID accepts what ids have been and a little more, and nothing that could
// change the meaning of a path.
func validID(id string) bool {
	return len(id) > 0 && len(id) <= 128 && strings.Trim(id, ".") != "" && !strings.ContainsFunc(id, func(r rune) bool {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
			return false
		}
		return true
	})
}
