package fs

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// schemas takes the schemas of input and output out of a version's OpenAPI
// document and puts in place what they refer to, so that a person sees the
// choices of a field beside it.
func schemas(document json.RawMessage) json.RawMessage {
	all := components(document)
	if all == nil {
		return json.RawMessage("{}")
	}
	shown := map[string]any{}
	for name, schema := range map[string]string{"input": "Input", "output": "Output"} {
		resolved, err := newResolver(all).resolve(all[schema])
		if err != nil {
			resolved = all[schema] // as it came, rather than nothing
		}
		shown[name] = resolved
	}
	out, err := encode(shown)
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}

// components are the schemas of an OpenAPI document by name.
func components(document json.RawMessage) map[string]any {
	var doc struct {
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber() // limits such as 18446744073709551615 stay as they are
	if dec.Decode(&doc) != nil {
		return nil
	}
	return doc.Components.Schemas
}

// Limits of what references may blow a schema up to. Those of real models have
// some hundred nodes; nothing keeps a hostile one from doubling with each line.
const (
	maxSchemaNodes = 50_000
	maxSchemaDepth = 100
)

// Errors of schemas with which nothing can be checked.
var (
	errSchemaSize = errors.New("the schema is too large")
	errSchemaRef  = errors.New("the schema refers to something that is not there")
)

const refPrefix = "#/components/schemas/"

// A resolver puts in place what a schema refers to.
type resolver struct {
	all    map[string]any
	left   int      // nodes it may still make
	inside []string // the references being followed
	broken error    // a reference that leads nowhere
}

func newResolver(all map[string]any) *resolver {
	return &resolver{all: all, left: maxSchemaNodes}
}

// resolve replaces {"$ref": "#/components/schemas/x"} by x, and cog's
// {"allOf": [one]} by the one beside the other members. A schema that refers
// to itself keeps that reference, and so does one that refers to nothing. V
// stays as it is.
func (r *resolver) resolve(v any) (any, error) { return r.node(v, 0) }

func (r *resolver) node(v any, depth int) (any, error) {
	if r.left--; r.left < 0 || depth > maxSchemaDepth {
		return nil, errSchemaSize
	}
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = r.node(v[i], depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			return r.reference(v, strings.TrimPrefix(ref, refPrefix), depth)
		}
		out := make(map[string]any, len(v))
		for name, member := range v {
			var err error
			if out[name], err = r.node(member, depth+1); err != nil {
				return nil, err
			}
		}
		lift(out)
		return out, nil
	}
	return v, nil
}

func (r *resolver) reference(v map[string]any, name string, depth int) (any, error) {
	target, ok := r.all[name].(map[string]any)
	switch {
	case !ok:
		r.broken = errSchemaRef
		return v, nil
	case slices.Contains(r.inside, name):
		return v, nil
	}
	r.inside = append(r.inside, name)
	defer func() { r.inside = r.inside[:len(r.inside)-1] }()
	return r.node(target, depth+1)
}

// lift takes the only member of an allOf up beside the others, which hold
// where both say something.
func lift(schema map[string]any) {
	one, ok := schema["allOf"].([]any)
	if !ok || len(one) != 1 {
		return
	}
	members, ok := one[0].(map[string]any)
	if !ok {
		return
	}
	delete(schema, "allOf")
	outer := maps.Clone(schema)
	maps.Copy(schema, members)
	maps.Copy(schema, outer)
}
