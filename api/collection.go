package api

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
)

// Collection is a curated set of models.
type Collection struct {
	Slug, Name, Description string
	FullDescription         string          // Markdown; only from Collection
	Models                  []*Model        // only from Collection
	Raw                     json.RawMessage // exactly as received
}

// Collections iterates over the collections, without their models.
func (c *Client) Collections(ctx context.Context) iter.Seq2[*Collection, error] {
	return all(ctx, c, listing[*Collection]{"list collections", "/collections", nil, parseCollection})
}

// Collection reads one collection with its models.
func (c *Client) Collection(ctx context.Context, slug string) (*Collection, error) {
	if !validName(slug) {
		return nil, notExist("read collection", slug)
	}
	// As large as a page: some hundred models, each with schema and example.
	return fetch(ctx, c, call{op: "read collection", path: "/collections/" + slug, limit: MaxPage, slow: pageTimeout}, parseCollection)
}

func parseCollection(raw []byte) (*Collection, error) {
	w, err := decode[struct {
		Slug        maybe[string]            `json:"slug"`
		Name        maybe[string]            `json:"name"`
		Description maybe[string]            `json:"description"`
		Full        maybe[string]            `json:"full_description"`
		Models      maybe[[]json.RawMessage] `json:"models"`
	}](raw)
	if err == nil && !validName(w.Slug.v) {
		err = errors.New("no usable slug")
	}
	if err != nil {
		return nil, err
	}
	col := &Collection{Slug: w.Slug.v, Name: w.Name.v, Description: w.Description.v, FullDescription: w.Full.v, Raw: keep(raw)}
	for _, entry := range w.Models.v {
		if m, err := parseModel(entry); err == nil {
			col.Models = append(col.Models, m)
		}
	}
	return col, nil
}
