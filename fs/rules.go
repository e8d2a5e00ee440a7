package fs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// rules are what a model's schema says of its input, so that what it would
// refuse is refused here, at once and in words.
type rules struct {
	fields map[string]map[string]any // the schema of each field, without references
	schema *jsonschema.Schema
}

// newRules makes rules of a version's OpenAPI document. None at all is no
// error: then nothing is known, and everything goes.
func newRules(document json.RawMessage) (_ *rules, err error) {
	defer func() {
		if v := recover(); v != nil { // the schema is a stranger's
			err = fmt.Errorf("the schema cannot be read: %v", v)
		}
	}()
	all := components(document)
	if all["Input"] == nil {
		return nil, nil
	}
	r := newResolver(all)
	resolved, err := r.resolve(all["Input"])
	if err = errors.Join(err, r.broken); err != nil {
		return nil, err
	}
	input, _ := plain(resolved).(map[string]any)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.RegisterFormat(&jsonschema.Format{Name: "uri", Validate: checkURI})
	c.AssertFormat()
	const name = "input.json"
	if err := c.AddResource(name, input); err != nil {
		return nil, err
	}
	schema, err := c.Compile(name)
	if err != nil {
		return nil, err
	}
	fields := map[string]map[string]any{}
	properties, _ := input["properties"].(map[string]any)
	for name, field := range properties {
		if field, ok := field.(map[string]any); ok {
			fields[name] = field
		}
	}
	return &rules{fields: fields, schema: schema}, nil
}

// keyword returns what plain leaves of a member of a schema. Words that it does
// not know say nothing of what is allowed, or more than anybody should follow.
func keyword(word string, v any) (clean any, known bool) {
	switch word {
	case "properties":
		members, ok := v.(map[string]any)
		if !ok {
			return v, true
		}
		out := make(map[string]any, len(members))
		for name, member := range members {
			out[name] = plain(member)
		}
		return out, true
	case "allOf", "anyOf", "oneOf":
		list, ok := v.([]any)
		if !ok {
			return v, true
		}
		out := make([]any, len(list))
		for i := range list {
			out[i] = plain(list[i])
		}
		return out, true
	case "items", "not":
		return plain(v), true
	case "type", "enum", "const", "required", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
		"multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems":
		return v, countable(v)
	}
	return nil, false
}

// countable tells whether every number in v is one to reckon with: 1e999999 is
// eight letters, and half a megabyte to whoever compares it.
func countable(v any) bool {
	const most = 400 // digits; those of other programs end at 308
	switch v := v.(type) {
	case json.Number:
		_, exponent, has := strings.Cut(strings.ToLower(string(v)), "e")
		n, err := strconv.Atoi(exponent)
		return len(v) <= most && (!has || err == nil && -most <= n && n <= most)
	case []any:
		return !slices.ContainsFunc(v, func(v any) bool { return !countable(v) })
	case map[string]any:
		for _, v := range v {
			if !countable(v) {
				return false
			}
		}
	}
	return true
}

// plain makes JSON Schema of a schema of OpenAPI 3.0, which says "nullable"
// and "exclusiveMinimum: true", and of its later versions, which do not. Of
// formats only that of files is held to: the API knows better about others. A
// schema within itself allows anything.
func plain(v any) any {
	schema, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for word, member := range schema {
		if clean, known := keyword(word, member); known {
			out[word] = clean
		}
	}
	if schema["format"] == "uri" {
		out["format"] = "uri"
	}
	for exclusive, limit := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		if is, ok := out[exclusive].(bool); ok {
			delete(out, exclusive)
			if is && out[limit] != nil {
				out[exclusive] = out[limit]
				delete(out, limit)
			}
		}
	}
	if schema["nullable"] == true {
		if kind, ok := out["type"].(string); ok {
			out["type"] = []any{kind, "null"}
		}
		if choices, ok := out["enum"].([]any); ok && !slices.Contains(choices, nil) {
			out["enum"] = append(slices.Clone(choices), nil)
		}
	}
	return out
}

// checkURI is what Replicate takes for a URI: anything with a scheme.
func checkURI(v any) error {
	text, ok := v.(string)
	if !ok || isData(text) {
		return nil
	}
	if u, err := url.Parse(text); err != nil || u.Scheme == "" {
		return errors.New("no URI")
	}
	return nil
}

// refused says in sentences, one for each, what the rules forbid of an input;
// "" if nothing. Unknown are the fields that they do not know, which the API
// may take all the same.
func (r *rules) refused(input json.RawMessage) (sentences string, unknown []string, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the input cannot be checked: %v", v)
		}
	}()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(input))
	if err != nil {
		return "", nil, err
	}
	object, _ := value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if r.fields[name] == nil {
			unknown = append(unknown, name)
		}
	}
	err = r.schema.Validate(value)
	var wrong *jsonschema.ValidationError
	if errors.As(err, &wrong) {
		found := complaints(wrong, value)
		slices.Sort(found)
		return strings.Join(slices.Compact(found), "\n"), unknown, nil
	}
	return "", unknown, err
}
