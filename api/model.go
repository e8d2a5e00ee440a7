package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Model is a model as the API tells it.
type Model struct {
	Owner, Name string
	Description string
	Visibility  string // "public" or "private"
	Official    bool   // runs by name, without a version
	Runs        int64
	Created     time.Time // zero when not told, which is usual

	URL, GitHubURL, PaperURL, LicenseURL, CoverImageURL string

	DefaultExample *Prediction // nil if there is none
	LatestVersion  *Version    // nil if there is none; official models may have none

	Raw json.RawMessage // exactly as received
}

// Version is one version of a model.
type Version struct {
	ID         string // 64 hex digits
	Created    time.Time
	CogVersion string
	Schema     json.RawMessage // cog's OpenAPI document; nil when not told
	Raw        json.RawMessage // exactly as received
}

// ParseModel decodes a model object that was kept from an earlier answer. Like
// all parsers here it takes every field but owner and name as optional.
func ParseModel(raw []byte) (*Model, error) { return parseModel(raw) }

func parseModel(raw []byte) (*Model, error) {
	w, err := decode[struct {
		Owner       maybe[string]   `json:"owner"`
		Name        maybe[string]   `json:"name"`
		Description maybe[string]   `json:"description"`
		Visibility  maybe[string]   `json:"visibility"`
		Official    maybe[bool]     `json:"is_official"`
		Runs        maybe[float64]  `json:"run_count"`
		Created     when            `json:"created_at"`
		URL         maybe[string]   `json:"url"`
		GitHub      maybe[string]   `json:"github_url"`
		Paper       maybe[string]   `json:"paper_url"`
		License     maybe[string]   `json:"license_url"`
		Cover       maybe[string]   `json:"cover_image_url"`
		Example     json.RawMessage `json:"default_example"`
		Latest      json.RawMessage `json:"latest_version"`
	}](raw)
	if err == nil && (!validName(w.Owner.v) || !validName(w.Name.v)) {
		err = errors.New("no usable owner and name")
	}
	if err != nil {
		return nil, err
	}
	m := &Model{
		Owner:         w.Owner.v,
		Name:          w.Name.v,
		Description:   w.Description.v,
		Visibility:    w.Visibility.v,
		Official:      w.Official.v,
		Runs:          whole(w.Runs.v),
		Created:       w.Created.t,
		URL:           w.URL.v,
		GitHubURL:     w.GitHub.v,
		PaperURL:      w.Paper.v,
		LicenseURL:    w.License.v,
		CoverImageURL: w.Cover.v,
		Raw:           keep(raw),
	}
	// Either may be null, {} or worse; the model is of use without them.
	m.DefaultExample, _ = ParsePrediction(w.Example)
	m.LatestVersion, _ = parseVersion(w.Latest)
	return m, nil
}

func parseVersion(raw []byte) (*Version, error) {
	w, err := decode[struct {
		ID      maybe[string]   `json:"id"`
		Created when            `json:"created_at"`
		Cog     maybe[string]   `json:"cog_version"`
		Schema  json.RawMessage `json:"openapi_schema"`
	}](raw)
	if err == nil && !validID(w.ID.v) {
		err = errors.New("no usable id")
	}
	if err != nil {
		return nil, err
	}
	return &Version{w.ID.v, w.Created.t, w.Cog.v, orNil(w.Schema), keep(raw)}, nil
}

// modelCall is a call below a model, or iofs.ErrNotExist for a name that cannot be one.
func modelCall(op, owner, name, below string) (call, error) {
	if !validName(owner) || !validName(name) {
		return call{}, notExist(op, owner+"/"+name)
	}
	return call{op: op, path: "/models/" + owner + "/" + name + below}, nil
}

// Model reads one model. Names that cannot be one are iofs.ErrNotExist without a
// request, here and in the calls below.
func (c *Client) Model(ctx context.Context, owner, name string) (*Model, error) {
	k, err := modelCall("read model", owner, name, "")
	if err != nil {
		return nil, err
	}
	return fetch(ctx, c, k, parseModel)
}

// Readme reads the model's own page, as Markdown. A model without one is iofs.ErrNotExist.
func (c *Client) Readme(ctx context.Context, owner, name string) (string, error) {
	k, err := modelCall("read model's readme", owner, name, "/readme")
	if err != nil {
		return "", err
	}
	k.plain, k.limit = true, 8<<20
	return fetch(ctx, c, k, func(body []byte) (string, error) { return string(body), nil })
}

// Versions iterates over the versions of a model, newest first. Official models
// may have none, or answer iofs.ErrNotExist.
func (c *Client) Versions(ctx context.Context, owner, name string) iter.Seq2[*Version, error] {
	k, err := modelCall("list versions", owner, name, "/versions")
	if err != nil {
		return failed[*Version](err)
	}
	return all(ctx, c, listing[*Version]{k.op, k.path, nil, parseVersion})
}

// Version reads one version of a model.
func (c *Client) Version(ctx context.Context, owner, name, id string) (*Version, error) {
	if !validID(id) {
		return nil, notExist("read version", id)
	}
	k, err := modelCall("read version", owner, name, "/versions/"+id)
	if err != nil {
		return nil, err
	}
	return fetch(ctx, c, k, parseVersion)
}

// Models iterates over the public models, those with the newest versions first.
func (c *Client) Models(ctx context.Context) iter.Seq2[*Model, error] {
	return all(ctx, c, listing[*Model]{"list models", "/models", nil, parseModel})
}

// Search returns the public models that fit a text, best first; at most 50.
func (c *Client) Search(ctx context.Context, query string) ([]*Model, error) {
	if strings.TrimSpace(query) == "" {
		return nil, fmt.Errorf("search models: nothing to search for: %w", iofs.ErrInvalid)
	}
	k := call{op: "search models", path: "/search", query: url.Values{"query": {query}, "limit": {"50"}}}
	found, err := fetch(ctx, c, k, parseSearch)
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusNotFound && e.Status != http.StatusMethodNotAllowed {
		return found, err
	}
	// The newer call is a beta; the older one, with a method of its own, is kept by
	// the API for compatibility.
	k = call{
		op: k.op, method: "QUERY", path: "/models", limit: MaxPage,
		header: http.Header{"Content-Type": {"text/plain"}},
		body:   func() (io.Reader, error) { return strings.NewReader(query), nil },
		length: int64(len(query)),
	}
	return fetch(ctx, c, k, parseSearch)
}

// parseSearch reads both answers: a page of models, and the newer list of models
// with metadata beside them.
func parseSearch(raw []byte) ([]*Model, error) {
	w, err := decode[struct {
		Models  maybe[[]json.RawMessage] `json:"models"`
		Results maybe[[]json.RawMessage] `json:"results"`
	}](raw)
	if err == nil && !w.Models.ok && !w.Results.ok {
		err = missing("models")
	}
	if err != nil {
		return nil, err
	}
	var found []*Model
	for _, entry := range w.Results.v {
		if m, err := parseModel(entry); err == nil {
			found = append(found, m)
		}
	}
	for _, entry := range w.Models.v {
		var hit struct {
			Model json.RawMessage `json:"model"`
		}
		if json.Unmarshal(entry, &hit) != nil {
			continue
		}
		if m, err := parseModel(hit.Model); err == nil {
			found = append(found, m)
		}
	}
	return found, nil
}

// failed is the listing of something that cannot be.
func failed[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}
