package api

import (
	"context"
	"encoding/json"
	"fmt"
	iofs "io/fs"
	"iter"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// MaxPage bounds one page of a listing, after decompression: a hundred
// predictions whose inputs carry a megabyte of data: URIs each fit.
const MaxPage = 192 << 20

// pageTimeout is longer than that of other calls: such a page takes its time.
const pageTimeout = 2 * time.Minute

// Filter narrows a listing of predictions. The API knows no other filters.
type Filter struct {
	CreatedAfter  time.Time // inclusive; zero means no limit
	CreatedBefore time.Time // exclusive; zero means no limit
	Source        string    // "" or "web"; with "web" the API looks back 14 days only
}

func (f Filter) query() url.Values {
	q := url.Values{}
	if !f.CreatedAfter.IsZero() {
		q.Set("created_after", f.CreatedAfter.UTC().Format(time.RFC3339Nano))
	}
	if !f.CreatedBefore.IsZero() {
		q.Set("created_before", f.CreatedBefore.UTC().Format(time.RFC3339Nano))
	}
	if f.Source != "" {
		q.Set("source", f.Source)
	}
	return q
}

// Page is one page of predictions, newest first.
type Page struct {
	Predictions []*Prediction
	Bad         []json.RawMessage // entries that could not be decoded
	Next        string            // for the next call; "" on the last page
}

// PredictionPage reads one page: the first for next "", else the one that an
// earlier Page led to. Only the query of next is used, against our own base and
// path; a next that leads elsewhere than to predictions is iofs.ErrInvalid.
func (c *Client) PredictionPage(ctx context.Context, f Filter, next string) (*Page, error) {
	p, err := page(ctx, c, predictions(f), next)
	if err != nil {
		return nil, err
	}
	return &Page{p.items, p.bad, p.next}, nil
}

// Predictions iterates over all predictions, newest first, reading pages as it
// goes. Entries that cannot be decoded are left out and logged. After an error,
// which comes with a nil prediction, it ends.
func (c *Client) Predictions(ctx context.Context, f Filter) iter.Seq2[*Prediction, error] {
	return all(ctx, c, predictions(f))
}

func predictions(f Filter) listing[*Prediction] {
	return listing[*Prediction]{"list predictions", "/predictions", f.query(), ParsePrediction}
}

// listing is a paged call.
type listing[T any] struct {
	op    string
	path  string
	query url.Values
	parse func(raw []byte) (T, error)
}

type onePage[T any] struct {
	items []T
	bad   []json.RawMessage
	next  string
}

// page reads one page of l.
func page[T any](ctx context.Context, c *Client, l listing[T], next string) (*onePage[T], error) {
	query, err := c.follow(l.path, l.query, next)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.op, err)
	}
	return fetch(ctx, c, call{op: l.op, path: l.path, query: query, limit: MaxPage, slow: pageTimeout}, l.page)
}

// page reads one page as it came. Entries that cannot be decoded are bad.
func (l listing[T]) page(raw []byte) (*onePage[T], error) {
	w, err := decode[struct {
		Next    maybe[string]            `json:"next"`
		Results maybe[[]json.RawMessage] `json:"results"`
	}](raw)
	if err == nil && !w.Results.ok {
		err = missing("results")
	}
	if err != nil {
		return nil, err
	}
	p := &onePage[T]{next: w.Next.v, items: make([]T, 0, len(w.Results.v))}
	for _, entry := range w.Results.v {
		item, err := l.parse(entry)
		if err != nil {
			p.bad = append(p.bad, entry)
			continue
		}
		p.items = append(p.items, item)
	}
	return p, nil
}

// follow returns the query of the page that next leads to. The API tells
// absolute URLs, in its own description once even with http, and behind a proxy
// with a host that is not ours; what matters is the query, so the rest is only
// checked to mean this listing. Whether next repeats the filters is not known,
// so they are added where it does not.
func (c *Client) follow(path string, query url.Values, next string) (url.Values, error) {
	if next == "" {
		return query, nil
	}
	u, err := url.Parse(next)
	if err != nil || !strings.HasSuffix(strings.TrimRight(u.Path, "/"), path) || len(next) > 8<<10 {
		return nil, fmt.Errorf("the next page %q is no page of %s: %w", clip(next, 100), path, iofs.ErrInvalid)
	}
	q := u.Query()
	for name, v := range query {
		if !q.Has(name) {
			q[name] = v
		}
	}
	return q, nil
}

// all iterates over the entries of all pages. Servers have been seen to lead in
// circles, so a page that was read already ends it with ErrCursor.
func all[T any](ctx context.Context, c *Client, l listing[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		seen := map[string]bool{"": true}
		for next := ""; ; {
			p, err := page(ctx, c, l, next)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if len(p.bad) > 0 {
				c.log.LogAttrs(ctx, slog.LevelWarn, "entries of a listing cannot be read", slog.String("op", l.op), slog.Int("entries", len(p.bad)))
			}
			for _, item := range p.items {
				if !yield(item, nil) {
					return
				}
			}
			if next = p.next; next == "" {
				return
			}
			if seen[next] {
				var none T
				yield(none, fmt.Errorf("%s: %w", l.op, ErrCursor))
				return
			}
			seen[next] = true
		}
	}
}
