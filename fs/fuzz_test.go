package fs

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"replicatefs/api/sim"
)

// FuzzNames: whatever names come together in a folder, each becomes a file
// name of its own, and stays the same when further ones come.
func FuzzNames(f *testing.F) {
	f.Add("a\na\na-2\na")
	f.Add("../..\n.\n..\n\xff\xfe\n" + strings.Repeat("n", 300) + ".png\n" + strings.Repeat("n", 300) + ".png")
	f.Add("x.png\nx-2.png\nx.png\nx-2.png")
	f.Fuzz(func(t *testing.T, text string) {
		taken, seen := names{}, map[string]bool{}
		for _, from := range strings.Split(text, "\n") {
			name := taken.take(from)
			switch {
			case seen[name]:
				t.Errorf("%q is there twice", name)
			case name == "" || name == "." || name == ".." || len(name) > maxName || strings.Contains(name, "/") || !utf8.ValidString(name),
				strings.ContainsFunc(name, unicode.IsControl):
				t.Errorf("%q, from %q, is no file name", name, from)
			case safe(name) != name:
				t.Errorf("%q is not safe: %q", name, safe(name))
			}
			seen[name] = true
		}
	})
}

// A thousand equal names cost no more than a thousand others.
func TestEqualNames(t *testing.T) {
	taken := names{}
	long := strings.Repeat("n", 300) + ".png"
	for n := range 50_000 {
		want := cut(long, maxName)
		if n > 0 {
			mark := "-" + strconv.Itoa(n+1)
			want = strings.Repeat("n", maxName-len(mark)-len(".png")) + mark + ".png"
		}
		if got := taken.take(long); got != want {
			t.Fatalf("number %d is %q, want %q", n, got, want)
		}
	}
}

// FuzzData: a data: URI never gives more bytes than it has, and its name
// costs no look at them.
func FuzzData(f *testing.F) {
	for _, s := range []string{"data:,", "data:;base64,AA==", "data:image/png;base64,aGVsbG8", "DATA:text/plain;charset=utf-8,%41", "data:a/b;c=\"d,e\",%zz", "data:,%", "data:image/png;base64,a%3D%3D"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !isData(text) {
			return
		}
		if ext := dataExtension(text); ext == "" || ext[0] != '.' || safe(ext) != ext {
			t.Errorf("%q has the extension %q", text, ext)
		}
		b, err := decodeData(text)
		if again, err2 := decodeData(text); !bytes.Equal(b, again) || (err == nil) != (err2 == nil) {
			t.Errorf("%q is %q once and %q then", text, b, again)
		}
		if len(b) > len(text) {
			t.Errorf("%d bytes came out of %d", len(b), len(text))
		}
	})
}

// FuzzLayout: what the catalog has of a layout may be damaged or of another
// program; it never makes a file name that is none.
func FuzzLayout(f *testing.F) {
	w := newWorld(f, sim.Options{}, Options{})
	f.Add("1\n+https://replicate.delivery/\n2output.png\n0status")
	f.Add("1\n-https://evil.example/\n1output.txt")
	f.Add("2\n0status")
	f.Add("1\n\n")
	f.Add("1\n9a/b")
	f.Fuzz(func(t *testing.T, text string) {
		items := w.parseLayout(text)
		for i, it := range items {
			if safe(it.name) != it.name || it.name == "" {
				t.Errorf("a layout has the name %q", it.name)
			}
			if it.kind < rendered || it.kind > notice {
				t.Errorf("a layout has the kind %d", it.kind)
			}
			if i > 0 && items[i-1].name == it.name {
				t.Errorf("a layout has %q twice", it.name)
			}
		}
	})
}

// FuzzPath: a path that a command was given leads to outputs or to an error,
// never out of the tree.
func FuzzPath(f *testing.F) {
	w := newWorld(f, sim.Options{}, Options{})
	w.sim.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Output: sim.NewBlob("a.bin", 10)})
	for _, s := range []string{"", ".", "/", "../..", "predictions", "models/a/b", "by-date/2026/../..", "\x00", strings.Repeat("a/", 500)} {
		f.Add(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // nothing is asked for
	f.Fuzz(func(t *testing.T, path string) {
		w.outputsAt(ctx, path)
	})
}

// FuzzRules: neither a schema nor an input, of whatever kind, does more than
// refuse in words, and never without one.
func FuzzRules(f *testing.F) {
	f.Add([]byte(painterSchemas), []byte(`{"prompt": "a lion", "seed": 1e400, "images": ["data:,", 7]}`))
	f.Add([]byte(`{"Input": {"$ref": "#/components/schemas/Input"}}`), []byte(`{}`))
	f.Add([]byte(`{"Input": {"properties": {"a": {"allOf": [{"$ref": "#/components/schemas/b"}]}}}, "b": {"allOf": [{"$ref": "#/components/schemas/Input"}]}}`), []byte(`{"a": {"a": {}}}`))
	f.Add([]byte(`{"Input": {"required": "a", "properties": {"n": {"type": "integer", "minimum": 1e1000000, "multipleOf": 0}, "p": {"pattern": "(a*)*("}}}}`), []byte(`{"n": 1, "p": "aaaa"}`))
	f.Fuzz(func(t *testing.T, schemas, input []byte) {
		r, err := newRules(document(string(schemas)))
		if err != nil || r == nil {
			return
		}
		if _, err := jsonInput(input); err != nil {
			return
		}
		said, _, err := r.refused(json.RawMessage(input))
		if err == nil && strings.TrimSpace(said) != said {
			t.Errorf("it is refused by %q", said)
		}
	})
}

// FuzzInput: what is saved as an input is an object or is refused in one
// sentence, which tells no more than where it is wrong.
func FuzzInput(f *testing.F) {
	for _, s := range []string{`{"prompt": "a"}`, ` `, `{`, `[1]`, "{\n\"a\": \x00}", `{"a":1}{`, `nul`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		in, err := jsonInput(content)
		if err == nil && in != nil && (!json.Valid(in) || bytes.TrimSpace(in)[0] != '{' && string(in) != "null") {
			t.Errorf("%q is the input %q", content, in)
		}
		if err != nil && (len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\n\x00")) {
			t.Errorf("%q is refused by %q", content, err)
		}
		if in, err := promptInput(content); err == nil && in != nil {
			var back struct{ Prompt string }
			if json.Unmarshal(in, &back) != nil || back.Prompt != strings.TrimSuffix(string(content), "\n") {
				t.Errorf("%q is the prompt %q", content, back.Prompt)
			}
		}
	})
}
