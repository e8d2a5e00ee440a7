package fs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"replicatefs/api"
)

func allowed(url string) bool { return strings.HasPrefix(url, "https://replicate.delivery/") }

// layout prints a plan: a name and its source to a line, texts that are there
// for every prediction left out.
func layout(p *api.Prediction) string {
	var b strings.Builder
	for _, it := range plan(p, allowed) {
		switch it.kind {
		case rendered:
			continue
		case inline:
			fmt.Fprintf(&b, "%s = %q\n", it.name, it.text)
		case remote:
			fmt.Fprintf(&b, "%s <- %s\n", it.name, strings.TrimPrefix(it.text, "https://replicate.delivery/"))
		case embedded:
			data, err := decodeData(it.text)
			fmt.Fprintf(&b, "%s = data %q %v\n", it.name, data, err)
		case control:
			fmt.Fprintf(&b, "%s !\n", it.name)
		}
	}
	return b.String()
}

func TestPlan(t *testing.T) {
	const host = `https://replicate.delivery/`
	tests := []struct{ name, output, input, want string }{
		{"nothing yet", `null`, ``, ""},
		{"one file", `"` + host + `x/a/out.png"`, ``, "output.png <- x/a/out.png\n"},
		{"list", `["` + host + `x/a/out.png","` + host + `x/b/out.png"]`, ``, "output-0.png <- x/a/out.png\noutput-1.png <- x/b/out.png\n"},
		{"list of one", `["` + host + `x/a/o.webp"]`, ``, "output-0.webp <- x/a/o.webp\n"},
		{"object in order", `{"zoom":"` + host + `x/z.mp4","audio":"` + host + `x/a.wav","words":"hi"}`, ``,
			"output-zoom.mp4 <- x/z.mp4\noutput-audio.wav <- x/a.wav\noutput-words.txt = \"hi\"\n"},
		{"nested", `{"a":{"b":["` + host + `x/1.png",{"c":"t"}]}}`, ``, "output-a-b-0.png <- x/1.png\noutput-a-b-1-c.txt = \"t\"\n"},
		{"list of objects", `[{"file":"` + host + `x/1.png","text":null}]`, ``, "output-0-file.png <- x/1.png\n"},
		{"text", `"Once upon"`, ``, "output.txt = \"Once upon\"\n"},
		{"empty text", `""`, ``, "output.txt = \"\"\n"},
		{"tokens", `["Once"," upon","\n"]`, ``, "output.txt = \"Once upon\\n\"\n"},
		{"files and texts", `["` + host + `x/1.png","a cat"]`, ``, "output-0.png <- x/1.png\noutput-1.txt = \"a cat\"\n"},
		{"number", `12345678901234567890`, ``, ""},
		{"embedding", `[0.1, -2e3]`, ``, ""},
		{"empty list", `[]`, ``, ""},
		{"data", `"data:image/png;base64,aGVsbG8="`, ``, "output.png = data \"hello\" <nil>\n"},
		{"data in a list", `["data:text/plain,a%20b"]`, ``, "output-0.txt = data \"a b\" <nil>\n"},
		{"data of no type", `"data:;base64,AA=="`, ``, "output.bin = data \"\\x00\" <nil>\n"},
		{"foreign URL stays text", `"https://evil.example/x.png"`, ``, "output.txt = \"https://evil.example/x.png\"\n"},
		{"URL inside a text", `"see ` + host + `x/1.png"`, ``, "output.txt = \"see " + host + "x/1.png\"\n"},
		{"no extension", `"` + host + `x/file"`, ``, "output.bin <- x/file\n"},
		{"strange extension", `"` + host + `x/file.a%2Fb"`, ``, "output.bin <- x/file.a%2Fb\n"},
		{"query", `"` + host + `x/a.tar?sig=1.2"`, ``, "output.tar <- x/a.tar?sig=1.2\n"},
		{"an output that is called output.json", `"` + host + `x/o.json"`, ``, "output-2.json <- x/o.json\n"},
		{"same names", `{"a":{"b":"1"},"a-b":"2"}`, ``, "output-a-b.txt = \"1\"\noutput-a-b-2.txt = \"2\"\n"},
		{"hostile keys", `{"../../etc":"1","a/b":"2","":"3","\u0000":"4"}`, ``,
			"output-.._.._etc.txt = \"1\"\noutput-a_b.txt = \"2\"\noutput-.txt = \"3\"\noutput-_.txt = \"4\"\n"},
		{"inputs", `null`, `{"prompt":"p","image":"` + host + `i/in.jpg","mask":"data:image/png;base64,AA==","other":"https://evil.example/x.png"}`,
			"input-image.jpg <- i/in.jpg\ninput-mask.png = data \"\\x00\" <nil>\n"},
		{"broken JSON", `["a",`, ``, "output-0.txt = \"a\"\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := &api.Prediction{ID: "x", Status: api.Succeeded, Output: json.RawMessage(test.output), Input: json.RawMessage(test.input)}
			if got := layout(p); got != test.want {
				t.Errorf("got:\n%swant:\n%s", got, test.want)
			}
		})
	}
}

// Texts come and go with what there is to say; what is there while a run goes
// on is not renamed at its end.
func TestTexts(t *testing.T) {
	names := func(p *api.Prediction) string {
		var names []string
		for _, it := range plan(p, allowed) {
			names = append(names, it.name)
		}
		return strings.Join(names, " ")
	}
	for _, test := range []struct {
		name string
		p    api.Prediction
		want string
	}{
		{"running", api.Prediction{Status: api.Processing}, "status logs.txt prediction.json cancel"},
		{"input", api.Prediction{Status: api.Succeeded, Input: json.RawMessage(`{"prompt":"x"}`)}, "status logs.txt prediction.json prompt.txt input.json"},
		{"prompt that is no text", api.Prediction{Status: api.Succeeded, Input: json.RawMessage(`{"prompt":7}`)}, "status logs.txt prediction.json input.json"},
		{"failed", api.Prediction{Status: api.Failed, Error: "out of memory"}, "status logs.txt prediction.json error.txt"},
		{"failed for no reason", api.Prediction{Status: api.Failed}, "status logs.txt prediction.json error.txt"},
		{"succeeded with an error text", api.Prediction{Status: api.Succeeded, Error: "x"}, "status logs.txt prediction.json"},
		{"metrics", api.Prediction{Status: api.Succeeded, Metrics: json.RawMessage(`{"predict_time":1}`)}, "status logs.txt prediction.json metrics.json"},
		{"no metrics", api.Prediction{Status: api.Succeeded, Metrics: json.RawMessage(`{}`)}, "status logs.txt prediction.json"},
	} {
		if got := names(&test.p); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// Numbers and the order of members are those received.
func TestIndent(t *testing.T) {
	got := string(indent(json.RawMessage(`{"z":12345678901234567890,"a":1.0,"h":"<&>"}`)))
	want := "{\n  \"z\": 12345678901234567890,\n  \"a\": 1.0,\n  \"h\": \"<&>\"\n}\n"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add(`["https://replicate.delivery/x/a.png"]`, `{"image":"data:,x"}`)
	f.Add(`{"a":{"b":[1,"c",null]},"\ud800":"x"}`, `{}`)
	f.Fuzz(func(t *testing.T, output, input string) {
		p := &api.Prediction{ID: "x", Output: json.RawMessage(output), Input: json.RawMessage(input)}
		seen := map[string]bool{}
		for _, it := range plan(p, allowed) {
			switch {
			case seen[it.name]:
				t.Errorf("%q is there twice", it.name)
			case it.name == "" || it.name == "." || it.name == ".." || len(it.name) > maxName || strings.ContainsAny(it.name, "/\x00") || !utf8.ValidString(it.name):
				t.Errorf("%q is no file name", it.name)
			case it.kind == remote && !allowed(it.text):
				t.Errorf("%q leads to %q", it.name, it.text)
			}
			seen[it.name] = true
		}
	})
}

func TestSafe(t *testing.T) {
	long := strings.Repeat("ä", 200)
	for name, want := range map[string]string{
		"plain.png":    "plain.png",
		"":             "_",
		".":            "_",
		"..":           "__",
		"a/b":          "a_b",
		"a\x00\n\x7fb": "a___b",
		"\xff\xfe":     "_",
		"a\u202egnp.x": "a_gnp.x",
		long + ".png":  strings.Repeat("ä", 125) + ".png",
	} {
		if got := safe(name); got != want {
			t.Errorf("safe(%q) = %q, want %q", name, got, want)
		}
	}
}
