package fs

import (
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
)

// document is a version's OpenAPI document with these schemas.
func document(schemas string) json.RawMessage {
	return json.RawMessage(`{"openapi": "3.0.2", "components": {"schemas": ` + schemas + `}}`)
}

// painterSchemas are as cog writes them.
const painterSchemas = `{
	"aspect_ratio": {"type": "string", "enum": ["1:1", "16:9", "3:2"], "title": "aspect_ratio", "description": "An enumeration."},
	"scale": {"type": "integer", "enum": [2, 4], "title": "scale"},
	"Input": {"type": "object", "title": "Input", "required": ["prompt"], "properties": {
		"prompt": {"type": "string", "title": "Prompt", "x-order": 0, "maxLength": 20},
		"aspect_ratio": {"allOf": [{"$ref": "#/components/schemas/aspect_ratio"}], "default": "1:1", "x-order": 1},
		"num_outputs": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
		"seed": {"type": "integer", "nullable": true, "maximum": 18446744073709551615},
		"strength": {"type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1},
		"guidance": {"type": "number", "exclusiveMaximum": 1.5},
		"image": {"type": "string", "format": "uri"},
		"images": {"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": 2},
		"scale": {"allOf": [{"$ref": "#/components/schemas/scale"}], "default": 2},
		"fast": {"type": "boolean"},
		"size": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
		"when": {"type": "string", "format": "date-time"},
		"word": {"type": "string", "pattern": "^[a-z]+$"}}}}`

func TestRules(t *testing.T) {
	r, err := newRules(document(painterSchemas))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ input, want string }{
		{`{"prompt": "a lion"}`, ""},
		{`{"prompt": "a lion", "seed": null, "strength": 0.5, "image": "data:image/png;base64,AA==", "images": ["https://x.test/a b"], "size": "big", "when": "later"}`, ""},
		{`{"prompt": "a lion", "seed": 18446744073709551615, "num_outputs": 2.0}`, ""},
		{`{}`, "prompt is missing: it is required."},
		{`{"prompt": "a lion", "num_outputs": 40}`, "num_outputs must be at most 4, not 40."},
		{`{"prompt": "a lion", "num_outputs": 0}`, "num_outputs must be at least 1, not 0."},
		{`{"prompt": "a lion", "num_outputs": "two"}`, "num_outputs must be a whole number, not two."},
		{`{"prompt": "a lion", "num_outputs": 1.5}`, "num_outputs must be a whole number, not 1.5."},
		{`{"prompt": "a lion", "num_outputs": 1e30000000}`, "num_outputs must be a whole number, not 1e30000000."},
		{`{"prompt": "a lion", "aspect_ratio": "5:5"}`, "aspect_ratio must be one of 1:1, 16:9, 3:2, not 5:5."},
		{`{"prompt": "a lion", "scale": 3}`, "scale must be one of 2, 4, not 3."},
		{`{"prompt": "a lion", "strength": 0}`, "strength must be more than 0, not 0."},
		{`{"prompt": "a lion", "guidance": 1.5}`, "guidance must be less than 1.5, not 1.5."},
		{`{"prompt": "a lion", "seed": "x"}`, "seed must be a whole number or null, not x."},
		{`{"prompt": "a lion", "seed": 18446744073709551616}`, "seed must be at most 18446744073709551615, not 18446744073709551616."},
		{`{"prompt": "a lion", "fast": 1}`, "fast must be true or false, not 1."},
		{`{"prompt": "a lion", "image": "photo.jpg"}`, "image must be a file: a URL or a data: URI, not photo.jpg."},
		{`{"prompt": "a lion", "images": ["data:,", "b.png"]}`, "images[1] must be a file: a URL or a data: URI, not b.png."},
		{`{"prompt": "a lion", "images": ["data:,", "data:,", "data:,"]}`, "images must have at most 2 entries, not 3."},
		{`{"prompt": "a lion", "images": "data:,"}`, "images must be a list, not data:,."},
		{`{"prompt": "a lion", "size": true}`, "size must be a whole number or text, not true."},
		{`{"prompt": "a lion", "word": "A\nB"}`, "word must match the pattern ^[a-z]+$, not A B."},
		{`{"prompt": "a lion that is far too long"}`, "prompt must have at most 20 characters, not 27."},
		{`{"prompt": 5, "num_outputs": 40}`, "num_outputs must be at most 4, not 40.\nprompt must be text, not 5."},
	}
	for _, test := range tests {
		got, unknown, err := r.refused(json.RawMessage(test.input))
		if err != nil || got != test.want || len(unknown) > 0 {
			t.Errorf("%s: %q, unknown %v, %v\nwant %q", test.input, got, unknown, err, test.want)
		}
	}
	if got, unknown, err := r.refused(json.RawMessage(`{"prompt": "a lion", "prmpt": 1}`)); got != "" || len(unknown) != 1 || unknown[0] != "prmpt" || err != nil {
		t.Errorf("a field that the schema does not know: %q, %v, %v, want it told and not refused", got, unknown, err)
	}
}

// A schema that is broken or meant to harm is an error, or checks what it can,
// but never takes long and never refuses a good input.
func TestRulesOfStrangeSchemas(t *testing.T) {
	doubling := `{"Input": {"allOf": [{"$ref": "#/components/schemas/s0"}, {"$ref": "#/components/schemas/s0"}]}`
	for i := range 40 {
		doubling += fmt.Sprintf(`, "s%d": {"allOf": [{"$ref": "#/components/schemas/s%d"}, {"$ref": "#/components/schemas/s%[2]d"}]}`, i, i+1)
	}
	doubling += `, "s40": {}}`
	nested := strings.Repeat(`{"items": `, 5000) + `{}` + strings.Repeat(`}`, 5000)
	costly := `{"Input": {"properties": {"a": {}`
	for i := range 2000 {
		costly += fmt.Sprintf(`, "n%d": {"minimum": 1e999999, "multipleOf": 1e-999999}`, i)
	}
	costly += `}}}`
	tests := []struct {
		name, schemas string
		usable        bool
	}{
		{"limits that take long to count", costly, true},
		{"doubles with each line", doubling, false},
		{"nested deeply", `{"Input": {"properties": {"a": ` + nested + `}}}`, false},
		{"wide", `{"Input": {"enum": [` + strings.Repeat("1,", 200_000) + `1]}}`, false},
		{"reference to nothing", `{"Input": {"properties": {"a": {"$ref": "#/components/schemas/b"}}}}`, false},
		{"reference elsewhere", `{"Input": {"$ref": "https://example.com/schema.json"}}`, false},
		{"reference to a file", `{"Input": {"$ref": "file:///etc/passwd"}}`, false},
		{"type that is none", `{"Input": {"type": "animal"}}`, false},
		{"pattern that is none", `{"Input": {"properties": {"a": {"type": "string", "pattern": "(?=x)["}}}}`, false},
		{"limit that is none", `{"Input": {"properties": {"a": {"minimum": "low"}}}}`, false},
		{"limit that is huge", `{"Input": {"properties": {"a": {"maximum": 1e99999999}}}}`, true},
		{"within itself", `{"Input": {"properties": {"a": {"$ref": "#/components/schemas/Input"}}}}`, true},
		{"itself", `{"Input": {"$ref": "#/components/schemas/Input"}}`, true},
		{"in a circle", `{"Input": {"allOf": [{"$ref": "#/components/schemas/b"}]}, "b": {"anyOf": [{"$ref": "#/components/schemas/Input"}]}}`, true},
		{"another dialect", `{"Input": {"$schema": "https://example.com/mine", "$id": "https://example.com/", "properties": {"a": {"type": "string", "$dynamicRef": "#x"}}}}`, true},
		{"a list", `{"Input": ["a"]}`, true},
		{"a word", `{"Input": "a"}`, true},
		{"properties that are none", `{"Input": {"properties": 5}}`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			begin := time.Now()
			r, err := newRules(document(test.schemas))
			if usable := err == nil; usable != test.usable {
				t.Errorf("usable: %v (%v), want %v", usable, err, test.usable)
			}
			if err == nil && r != nil {
				if got, _, err := r.refused(json.RawMessage(`{"a": "text"}`)); got != "" || err != nil {
					t.Errorf("a good input is refused: %s, %v", got, err)
				}
			}
			schemas(document(test.schemas))                    // what schema.json shows
			if took := time.Since(begin); took > time.Minute { // a busy machine needs seconds, a harmful schema hours
				t.Errorf("it took %v", took)
			}
		})
	}
	for _, none := range []string{``, `{`, `[]`, `{"components": 5}`, `{"components": {"schemas": {}}}`} {
		if r, err := newRules(json.RawMessage(none)); r != nil || err != nil {
			t.Errorf("%s has rules: %v, %v", none, r, err)
		}
	}
}

// What an old schema refuses is asked for again before it is refused, and a
// good save asks nobody.
func TestOldSchema(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		raw, err := w.api.Model(t.Context(), "black-forest-labs", "flux-schnell")
		if err != nil {
			t.Fatal(err)
		}
		old := strings.Replace(string(raw.Raw), `"maximum":4`, `"maximum":2`, -1)
		if old == string(raw.Raw) {
			t.Fatal("the model's schema has no maximum of 4")
		}
		if _, err := w.catalog.PutDoc(t.Context(), "model/"+official, []byte(old)); err != nil {
			t.Fatal(err)
		}
		w.docs.old("model/" + official) // it was asked for a moment ago
		model := "/v1/models/" + official
		asked := w.sim.Count("GET", model)
		save := func(input string, want error, wantAsked int) {
			t.Helper()
			if err := w.save(painter+"/input.json", input); !errors.Is(err, want) {
				t.Errorf("%s: close() gives %v, want %v", input, err, want)
			}
			if got := w.sim.Count("GET", model) - asked; got != wantAsked {
				t.Errorf("%s: the model was asked for %d times, want %d", input, got, wantAsked)
			}
		}
		save(`{"prompt": "a lion"}`, nil, 0)
		save(`{"prompt": "a lion", "num_outputs": 3}`, nil, 1)
		save(`{"prompt": "a lion", "num_outputs": 4}`, nil, 1)
		save(`{"prompt": "a lion", "num_outputs": 5}`, iofs.ErrInvalid, 2)
		if got, want := w.read(painter+"/error.txt"), "num_outputs must be at most 4, not 5.\n"; got != want {
			t.Errorf("error.txt says %q, want %q", got, want)
		}
		if got := w.sim.Count("POST", "/v1/models/"+official+"/predictions"); got != 3 {
			t.Errorf("%d creates were sent, want 3", got)
		}

		// Where it cannot be asked for again, the API decides.
		w.sim.Inject(sim.Fault{Method: "GET", Path: model, Status: 500, Times: -1})
		if err := w.save(painter+"/input.json", `{"prompt": "a lion", "num_outputs": 6}`); !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("close() gives %v, want what the API says", err)
		}
		if got := w.sim.Count("POST", "/v1/models/"+official+"/predictions"); got != 4 {
			t.Errorf("%d creates were sent, want 4", got)
		}
		w.creates(3)
	})
}

// A broken schema, or none, keeps nobody from running the model.
func TestSaveWithoutSchema(t *testing.T) {
	for name, schema := range map[string]string{"none": `null`, "broken": `{"components":{"schemas":{"Input":{"type":5}}}}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
				doc := `{"owner":"black-forest-labs","name":"flux-schnell","is_official":true,"latest_version":{"id":"abc","openapi_schema":` + schema + `}}`
				if _, err := w.catalog.PutDoc(t.Context(), "model/"+official, []byte(doc)); err != nil {
					t.Fatal(err)
				}
				if err := w.save(painter+"/prompt.txt", "a lion"); err != nil {
					t.Errorf("close() gives %v", err)
				}
				w.creates(1)
			})
		})
	}
}

func BenchmarkRules(b *testing.B) {
	r, err := newRules(document(painterSchemas))
	if err != nil {
		b.Fatal(err)
	}
	in := json.RawMessage(`{"prompt": "a lion", "num_outputs": 4, "aspect_ratio": "16:9"}`)
	for b.Loop() {
		if got, _, _ := r.refused(in); got != "" {
			b.Fatal(got)
		}
	}
}
