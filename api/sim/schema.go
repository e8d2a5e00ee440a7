package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// field is an input of a model. From a list of them come the schema that the
// API shows and the checks of what it is sent.
type field struct {
	name     string
	kind     string // string, integer, number, boolean, uri, array (of strings), uris
	text     string
	required bool
	def      any
	min, max *float64
	enum     []any
	maxLen   int
}

func lim(f float64) *float64 { return &f }

// output is the Output of a schema.
type output int

const (
	anyOut     output = iota
	uriOut            // one file
	urisOut           // a list of files
	uriStream         // a list of files that grows
	textOut           // a string
	textStream        // a list of tokens
	numbersOut
	objectOut // files and texts by name
)

// document is the openapi_schema that cog makes for a model.
func document(fields []field, out output, train []field) map[string]any {
	schemas := map[string]any{
		"Input":  inputSchema(fields, "Input"),
		"Output": outputSchema(out),
		"Status": map[string]any{"type": "string", "title": "Status", "description": "An enumeration.",
			"enum": []string{"starting", "processing", "succeeded", "canceled", "failed"}},
		"WebhookEvent": map[string]any{"type": "string", "title": "WebhookEvent", "description": "An enumeration.",
			"enum": []string{"start", "output", "logs", "completed"}},
		"PredictionRequest": object("PredictionRequest", map[string]any{
			"id": titled("string", "Id"), "input": refTo("Input"), "webhook": titled("string", "Webhook"),
			"webhook_events_filter": map[string]any{"type": "array", "title": "Webhook Events Filter", "items": refTo("WebhookEvent")},
		}),
		"PredictionResponse": object("PredictionResponse", map[string]any{
			"id": titled("string", "Id"), "input": refTo("Input"), "output": refTo("Output"), "logs": titled("string", "Logs"),
			"error": titled("string", "Error"), "status": refTo("Status"), "metrics": titled("object", "Metrics"),
		}),
		"ValidationError": object("ValidationError", map[string]any{"msg": titled("string", "Message"), "type": titled("string", "Error Type")}),
		"HTTPValidationError": object("HTTPValidationError", map[string]any{
			"detail": map[string]any{"type": "array", "title": "Detail", "items": refTo("ValidationError")},
		}),
	}
	choices(schemas, fields)
	if train != nil {
		schemas["TrainingInput"] = inputSchema(train, "TrainingInput")
		schemas["TrainingOutput"] = object("TrainingOutput", map[string]any{"weights": map[string]any{"type": "string", "format": "uri", "title": "Weights"}})
		choices(schemas, train)
	}
	post := func(request, answer string) map[string]any {
		content := func(name string) map[string]any {
			return map[string]any{"application/json": map[string]any{"schema": refTo(name)}}
		}
		return map[string]any{"post": map[string]any{
			"summary":     "Predict",
			"description": "Run a single prediction on the model",
			"requestBody": map[string]any{"content": content(request)},
			"responses":   map[string]any{"200": map[string]any{"description": "Successful Response", "content": content(answer)}},
		}}
	}
	return map[string]any{
		"openapi":    "3.0.2",
		"info":       map[string]any{"title": "Cog", "version": "0.1.0"},
		"paths":      map[string]any{"/predictions": post("PredictionRequest", "PredictionResponse")},
		"components": map[string]any{"schemas": schemas},
	}
}

func titled(kind, title string) map[string]any { return map[string]any{"type": kind, "title": title} }

func refTo(name string) map[string]any { return map[string]any{"$ref": "#/components/schemas/" + name} }

func object(title string, props map[string]any) map[string]any {
	return map[string]any{"type": "object", "title": title, "properties": props}
}

// choices adds the schemas that enums refer to, each under the field's name.
func choices(schemas map[string]any, fields []field) {
	for _, f := range fields {
		if f.enum != nil {
			schemas[f.name] = map[string]any{"type": f.kind, "enum": f.enum, "title": f.name, "description": "An enumeration."}
		}
	}
}

func inputSchema(fields []field, title string) map[string]any {
	props := make(map[string]any)
	var required []string
	for i, f := range fields {
		p := map[string]any{"x-order": i, "description": f.text}
		name := strings.ReplaceAll(f.name, "_", " ")
		switch {
		case f.enum != nil:
			p["allOf"] = []any{refTo(f.name)}
		case f.kind == "uri":
			p["type"], p["format"] = "string", "uri"
		case f.kind == "uris":
			p["type"], p["items"] = "array", map[string]any{"type": "string", "format": "uri"}
		case f.kind == "array":
			p["type"], p["items"] = "array", map[string]any{"type": "string"}
		default:
			p["type"] = f.kind
		}
		if f.enum == nil {
			p["title"] = strings.ToUpper(name[:1]) + name[1:]
		}
		if f.def != nil {
			p["default"] = f.def
		}
		if f.min != nil {
			p["minimum"] = *f.min
		}
		if f.max != nil {
			p["maximum"] = *f.max
		}
		if f.maxLen > 0 {
			p["maxLength"] = f.maxLen
		}
		if f.required {
			required = append(required, f.name)
		}
		props[f.name] = p
	}
	o := object(title, props)
	if required != nil {
		o["required"] = required
	}
	return o
}

func outputSchema(out output) map[string]any {
	uri := map[string]any{"type": "string", "format": "uri"}
	list := func(items map[string]any) map[string]any {
		return map[string]any{"type": "array", "items": items, "title": "Output"}
	}
	switch out {
	case uriOut:
		return map[string]any{"type": "string", "format": "uri", "title": "Output"}
	case urisOut:
		return list(uri)
	case uriStream:
		o := list(uri)
		o["x-cog-array-type"] = "iterator"
		return o
	case textOut:
		return titled("string", "Output")
	case textStream:
		o := list(map[string]any{"type": "string"})
		o["x-cog-array-type"] = "iterator"
		o["x-cog-array-display"] = "concatenate"
		return o
	case numbersOut:
		return list(map[string]any{"type": "array", "items": map[string]any{"type": "number"}})
	case objectOut:
		return object("ModelOutput", map[string]any{
			"image":   map[string]any{"type": "string", "format": "uri", "title": "Image"},
			"depth":   map[string]any{"type": "string", "format": "uri", "title": "Depth"},
			"parts":   map[string]any{"type": "array", "title": "Parts", "items": object("Part", map[string]any{"label": titled("string", "Label"), "mask": uri})},
			"caption": titled("string", "Caption"),
			"score":   titled("number", "Score"),
		})
	}
	return map[string]any{"title": "Output"}
}

// check holds an input against the fields, in their order, with the words of
// the library that Replicate uses (gojsonschema). Fields that no model knows
// pass.
func check(fields []field, in map[string]json.RawMessage) []issue {
	var bad []issue
	for _, f := range fields {
		raw, ok := in[f.name]
		if !ok {
			if f.required {
				bad = append(bad, issue{"required", "input", f.name + " is required"})
			}
			continue
		}
		if kind, text := f.check(raw); kind != "" {
			bad = append(bad, issue{kind, "input." + f.name, text})
		}
	}
	return bad
}

func (f *field) check(raw json.RawMessage) (kind, text string) {
	v := decode(raw)
	given := jsonType(v)
	want := map[string]string{"uri": "string", "uris": "array"}[f.kind]
	if want == "" {
		want = f.kind
	}
	if given != want && (want != "number" || given != "integer") {
		return "invalid_type", fmt.Sprintf("Invalid type. Expected: %s, given: %s", want, given)
	}
	if f.enum != nil && !slices.ContainsFunc(f.enum, func(e any) bool { return fmt.Sprint(e) == fmt.Sprint(v) }) {
		all := make([]string, len(f.enum))
		for i, e := range f.enum {
			b, _ := json.Marshal(e)
			all[i] = string(b)
		}
		return "enum", fmt.Sprintf("%s must be one of the following: %s", "input."+f.name, strings.Join(all, ", "))
	}
	switch v := v.(type) {
	case json.Number:
		n, _ := v.Float64()
		switch {
		case f.min != nil && n < *f.min:
			return "number_gte", fmt.Sprintf("Must be greater than or equal to %v", *f.min)
		case f.max != nil && n > *f.max:
			return "number_lte", fmt.Sprintf("Must be less than or equal to %v", *f.max)
		}
	case string:
		switch {
		case f.maxLen > 0 && utf8.RuneCountInString(v) > f.maxLen:
			return "string_lte", fmt.Sprintf("String length must be less than or equal to %d", f.maxLen)
		case f.kind == "uri" && !isURI(v):
			return "format", "Does not match format 'uri'"
		}
	case []any:
		for i, x := range v {
			t, ok := x.(string)
			switch {
			case !ok:
				return "invalid_type", fmt.Sprintf("%d: Invalid type. Expected: string, given: %s", i, jsonType(x))
			case f.kind == "uris" && !isURI(t):
				return "format", fmt.Sprintf("%d: Does not match format 'uri'", i)
			}
		}
	}
	return "", ""
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != ""
}

// decode is the value of raw with numbers as they were written; nil if it is
// no JSON.
func decode(raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

func jsonType(v any) string {
	switch v := v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case json.Number:
		if f, err := v.Float64(); err == nil && f == float64(int64(f)) {
			return "integer"
		}
		return "number"
	}
	return "null"
}
