package fs

import (
	"bytes"
	"encoding/json"
	"strings"
)

// schemas takes the schemas of input and output out of a version's OpenAPI
// document and puts in place what they refer to, so that a person sees the
// choices of a field beside it.
func schemas(document json.RawMessage) json.RawMessage {
	var doc struct {
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber() // limits such as 18446744073709551615 stay as they are
	if dec.Decode(&doc) != nil {
		return json.RawMessage("{}")
	}
	all := doc.Components.Schemas
	out, err := encode(map[string]any{
		"input":  resolve(all, all["Input"], 0),
		"output": resolve(all, all["Output"], 0),
	})
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}

// maxRefs bounds references to references: a schema may refer to itself.
const maxRefs = 16

// resolve replaces {"$ref": "#/components/schemas/x"} by x, and cog's
// {"allOf": [one]} by the one beside the other members.
func resolve(all map[string]any, v any, depth int) any {
	if depth > maxRefs {
		return v
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = resolve(all, v[i], depth+1)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if target, ok := all[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any); ok {
				return resolve(all, clone(target), depth+1)
			}
			return v
		}
		out := clone(v)
		for name, member := range out {
			out[name] = resolve(all, member, depth+1)
		}
		if one, ok := out["allOf"].([]any); ok && len(one) == 1 {
			if members, ok := one[0].(map[string]any); ok {
				delete(out, "allOf")
				for name, member := range members {
					if _, taken := out[name]; !taken {
						out[name] = member
					}
				}
			}
		}
		return out
	}
	return v
}

func clone(m map[string]any) map[string]any {
	c := make(map[string]any, len(m))
	for name, member := range m {
		c[name] = member
	}
	return c
}
