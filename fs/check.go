package fs

import (
	"context"
	"encoding/json"
	"errors"
	iofs "io/fs"

	"replicatefs/api"
)

// check returns what an input is to be sent to, if the model's schema has
// nothing against it. A schema that has is asked for again first: the model
// may take today what it did not yesterday. One that cannot be used, or cannot
// be asked for again, refuses nothing, and leaves it to the API.
func (f *FS) check(ctx context.Context, d *desk, in json.RawMessage) (api.Target, error) {
	o, err := d.order(ctx, false)
	if err != nil || f.against(o, d.where, in) == "" {
		return o.target, err
	}
	fresh, err := d.order(ctx, true)
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return fresh.target, err
	case err != nil:
		f.log.Warn("input is sent although the schema known here refuses it: it could not be asked for again", "where", d.where, "err", err)
		return o.target, nil
	}
	if sentences := f.against(fresh, d.where, in); sentences != "" {
		return fresh.target, refuse(sentences)
	}
	return fresh.target, nil
}

// against is what the rules of an order say against an input; "" is nothing.
func (f *FS) against(o order, where string, in json.RawMessage) string {
	r, err := o.rules()
	if err != nil {
		f.log.Warn("input goes unchecked: the model's schema cannot be used", "where", where, "err", err)
		return ""
	}
	if r == nil {
		return ""
	}
	sentences, unknown, err := r.refused(in)
	switch {
	case err != nil:
		f.log.Warn("input goes unchecked", "where", where, "err", err)
	case sentences == "" && len(unknown) > 0:
		f.log.Warn("input has fields that the model's schema does not know", "where", where, "fields", unknown)
	}
	return sentences
}
