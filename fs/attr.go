package fs

import (
	"context"
	iofs "io/fs"
	"path"
	"slices"
	"time"

	"replicatefs/fs/tree"
)

// What is known of a prediction and of its files, for programs that ask for
// extended attributes. Of a prediction that has ended they stay the same, but
// for kept: backups keep them too.

const attrPrefix = "replicate."

// attrNames are all that a node may have. Programs ask for many others, and
// those shall cost nothing.
var attrNames = []string{"content-type", "etag", "expires", "id", "kept", "model", "status", "url", "version"}

// attributes gives a node those that tell returns, by their short names.
type attributes func(ctx context.Context) (map[string]string, error)

func (tell attributes) Attrs(ctx context.Context) ([]string, error) {
	values, err := tell(ctx)
	var found []string
	for _, name := range attrNames {
		if values[name] != "" {
			found = append(found, attrPrefix+name)
		}
	}
	return found, err
}

func (tell attributes) Attr(ctx context.Context, name string) (string, error) {
	if !slices.ContainsFunc(attrNames, func(one string) bool { return attrPrefix+one == name }) {
		return "", iofs.ErrNotExist
	}
	values, err := tell(ctx)
	if err != nil {
		return "", err
	}
	value := values[name[len(attrPrefix):]]
	if value == "" {
		return "", iofs.ErrNotExist
	}
	return value, nil
}

// attrs are those of a prediction.
func (f *FS) attrs(id string) (map[string]string, error) {
	p, ok := f.about(id)
	if !ok {
		return nil, iofs.ErrNotExist
	}
	values := map[string]string{
		"id": path.Base(id), "model": p.Model, "version": p.Version, "status": p.Status,
		"url": "https://replicate.com/p/" + path.Base(id),
	}
	if p.Done && p.Source == "api" && !p.Completed.IsZero() {
		values["expires"] = p.Completed.Truncate(time.Second).Add(retention - time.Minute).Format(time.RFC3339)
	}
	return values, nil
}

func (d *predictionDir) attributes() attributes {
	return func(context.Context) (map[string]string, error) { return d.fs.attrs(d.id) }
}

func (t *text) attributes() attributes {
	return func(context.Context) (map[string]string, error) {
		values, err := t.fs.attrs(t.id)
		delete(values, "url") // that of the prediction is not the file's
		return values, err
	}
}

// attributes of an output include those that its host tells, for which it is
// asked as for its size.
func (o *output) attributes() attributes {
	return func(ctx context.Context) (map[string]string, error) {
		values, err := o.fs.attrs(o.id)
		if err != nil {
			return nil, err
		}
		fact, err := o.fs.fact(ctx, o.id, o.name)
		if err != nil {
			return nil, err
		}
		known, err := o.fs.folder(ctx, o.id)
		if err != nil {
			return nil, err
		}
		it, _ := known.item(o.name)
		values["url"], values["content-type"], values["etag"] = it.text, fact.Type, fact.ETag
		if o.fs.cache.Kept(key(o.id, o.name, fact)) {
			values["kept"] = "yes"
		}
		return values, nil
	}
}

func (n *uploaded) attributes() attributes {
	return func(context.Context) (map[string]string, error) {
		values := map[string]string{"id": n.ID, "url": n.URL, "content-type": n.Type, "etag": n.ETag}
		if !n.Expires.IsZero() {
			values["expires"] = n.Expires.Truncate(time.Second).Format(time.RFC3339)
		}
		return values, nil
	}
}

func (d *predictionDir) Attrs(ctx context.Context) ([]string, error) {
	return d.attributes().Attrs(ctx)
}
func (t *text) Attrs(ctx context.Context) ([]string, error)     { return t.attributes().Attrs(ctx) }
func (o *output) Attrs(ctx context.Context) ([]string, error)   { return o.attributes().Attrs(ctx) }
func (n *uploaded) Attrs(ctx context.Context) ([]string, error) { return n.attributes().Attrs(ctx) }

func (d *predictionDir) Attr(ctx context.Context, name string) (string, error) {
	return d.attributes().Attr(ctx, name)
}

func (t *text) Attr(ctx context.Context, name string) (string, error) {
	return t.attributes().Attr(ctx, name)
}

func (o *output) Attr(ctx context.Context, name string) (string, error) {
	return o.attributes().Attr(ctx, name)
}

func (n *uploaded) Attr(ctx context.Context, name string) (string, error) {
	return n.attributes().Attr(ctx, name)
}

var (
	_ tree.Attributed = (*predictionDir)(nil)
	_ tree.Attributed = (*text)(nil)
	_ tree.Attributed = (*output)(nil)
	_ tree.Attributed = (*uploaded)(nil)
)
