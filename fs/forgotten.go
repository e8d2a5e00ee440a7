package fs

import (
	"context"
	"encoding/json"
)

// forgottenKey is under which the catalog has the files of a prediction that
// somebody gave up, so that they are not kept again.
func forgottenKey(id string) string { return "forgotten/" + id }

func (f *FS) forgotten(ctx context.Context, id string) map[string]bool {
	var names map[string]bool
	if raw, _, err := f.catalog.Doc(ctx, forgottenKey(id)); err == nil {
		json.Unmarshal(raw, &names)
	}
	return names
}

// setForgotten notes that a file was given up, or is wanted again.
func (f *FS) setForgotten(ctx context.Context, o *output, gone bool) error {
	names := f.forgotten(ctx, o.id)
	if names[o.name] == gone {
		return nil
	}
	if names == nil {
		names = map[string]bool{}
	}
	if names[o.name] = gone; !gone {
		delete(names, o.name)
	}
	raw, _ := json.Marshal(names)
	_, err := f.catalog.PutDoc(ctx, forgottenKey(o.id), raw)
	return err
}
