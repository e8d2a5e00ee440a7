package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Target says what to run: exactly one of its fields.
type Target struct {
	Model      string // owner/name of an official model, which runs by name
	Version    string // id of a version: how community models run
	Deployment string // owner/name
}

// CreateOptions are the optional parts of a create.
type CreateOptions struct {
	// PreferWait holds the request until the run has ended, at most this long. Whole
	// seconds, rounded up, 1 s to 60 s; 0 answers at once.
	PreferWait time.Duration
	// CancelAfter lets Replicate end the run so long after its creation. Whole
	// seconds, 5 s to 24 h; 0 means Replicate's own limit.
	CancelAfter time.Duration
}

// Create starts a run with the given input, a JSON object, which is sent as it
// is. The prediction returned may have ended already or not; see Done and Wait.
//
// It is sent again only where it certainly had no effect: when no connection
// came about, and after a 429, waiting as told. Every other failure without a
// clear refusal satisfies errors.Is(err, ErrAmbiguous): the run may exist, and
// has to be looked for in the list.
//
// The end of ctx ends the waiting between attempts. A request that is under way
// is not cut: its answer is due in a moment, and without it nobody knows what
// became of the run. One with PreferWait, which may take a minute, is cut.
func (c *Client) Create(ctx context.Context, t Target, input json.RawMessage, o CreateOptions) (*Prediction, error) {
	const op = "create prediction"
	invalid := func(why string) error { return fmt.Errorf("%s: %s: %w", op, why, iofs.ErrInvalid) }
	if !object(input) || !json.Valid(input) {
		return nil, invalid("the input is not a JSON object")
	}
	path, version, err := t.route()
	if err != nil {
		return nil, invalid(err.Error())
	}
	var body bytes.Buffer
	body.WriteByte('{')
	if version != "" {
		fmt.Fprintf(&body, `"version":%q,`, version) // letters, digits, "-_." only: see route
	}
	body.WriteString(`"input":`)
	body.Write(bytes.TrimSpace(input))
	body.WriteByte('}')

	k := call{
		op:     op,
		method: http.MethodPost,
		path:   path,
		header: http.Header{"Content-Type": {"application/json"}},
		body:   func() (io.Reader, error) { return bytes.NewReader(body.Bytes()), nil },
		length: int64(body.Len()),
		once:   true,
		whole:  o.PreferWait == 0,
		slow:   attemptTimeout,
	}
	if w := o.PreferWait; w != 0 {
		s := int64((w + time.Second - 1) / time.Second)
		if s < 1 || s > 60 {
			return nil, invalid("the time to wait must be 1 s to 60 s")
		}
		k.header.Set("Prefer", "wait="+strconv.FormatInt(s, 10))
		k.slow += time.Duration(s) * time.Second
	}
	if d := o.CancelAfter; d != 0 {
		if d < 5*time.Second || d > 24*time.Hour {
			return nil, invalid("the time to cancel after must be 5 s to 24 h")
		}
		k.header.Set("Cancel-After", strconv.FormatInt(int64(d/time.Second), 10)+"s")
	}
	return fetch(ctx, c, k, ParsePrediction)
}

// route returns the path to post to, and the version for the body if it goes there.
func (t Target) route() (path, version string, err error) {
	n := 0
	for _, s := range []string{t.Model, t.Version, t.Deployment} {
		if s != "" {
			n++
		}
	}
	if n != 1 {
		return "", "", errors.New("want exactly one of model, version and deployment")
	}
	if t.Version != "" {
		if !validID(t.Version) {
			return "", "", fmt.Errorf("%q is no version", clip(t.Version, 80))
		}
		return "/predictions", t.Version, nil
	}
	kind, name := "/models/", t.Model
	if t.Deployment != "" {
		kind, name = "/deployments/", t.Deployment
	}
	owner, rest, ok := strings.Cut(name, "/")
	if !ok || !validName(owner) || !validName(rest) {
		return "", "", fmt.Errorf("%q is not owner/name", clip(name, 80))
	}
	return kind + name + "/predictions", "", nil
}
