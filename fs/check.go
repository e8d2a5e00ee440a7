package fs

import (
	"context"
	"errors"
	iofs "io/fs"

	"replicatefs/api"
)

// check returns what a sheet is to be sent to, if the model's schema has
// nothing against it. A schema that has is asked for again first: the model
// may take today what it did not yesterday. One that cannot be used, or cannot
// be asked for again, refuses nothing that can be sent, and leaves it to the
// API.
func (f *FS) check(ctx context.Context, d *desk, what sheet) (api.Target, error) {
	o, err := d.order(ctx, false)
	if err != nil {
		return o.target, err
	}
	against, err := f.against(o, d.where, what)
	if err == nil && against == "" {
		return o.target, nil
	}
	fresh, unasked := d.order(ctx, true)
	switch {
	case errors.Is(unasked, iofs.ErrNotExist):
		return fresh.target, unasked
	case unasked != nil && err == nil:
		f.log.Warn("input is sent although the schema known here refuses it: it could not be asked for again", "where", d.where, "err", unasked)
		return o.target, nil
	case unasked != nil:
		return o.target, err
	}
	against, err = f.against(fresh, d.where, what)
	if err == nil && against != "" {
		err = refuse(against)
	}
	return fresh.target, err
}

// against is what the rules of an order say against a sheet; "" is nothing. The
// error is that of a sheet from which no input can be made.
func (f *FS) against(o order, where string, what sheet) (string, error) {
	r, unusable := o.rules()
	in, err := what.input(r)
	switch {
	case err != nil:
		return "", err
	case unusable != nil:
		f.log.Warn("input goes unchecked: the model's schema cannot be used", "where", where, "err", unusable)
		return "", nil
	case r == nil:
		return "", nil
	}
	sentences, unknown, err := r.refused(in)
	switch {
	case err != nil:
		f.log.Warn("input goes unchecked", "where", where, "err", err)
	case sentences == "" && len(unknown) > 0:
		f.log.Warn("input has fields that the model's schema does not know", "where", where, "fields", unknown)
	}
	return sentences, nil
}
