package fs

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"

	"replicatefs/api"
)

// A kind says where the bytes of an item come from.
type kind int

const (
	rendered kind = iota // from the prediction, by render
	inline               // text itself
	remote               // the URL in text
	embedded             // the data: URI in text
	control              // nowhere: writing to it does something
	notice               // expired.txt of a prediction that was deleted before it was seen
)

// An item is one name in a prediction's folder and where its bytes are.
type item struct {
	name   string
	kind   kind
	text   string
	render func(*api.Prediction) []byte
}

// items are the names of one folder. A walk asks for each of them by name, and
// there may be a million.
type items struct {
	all   []item // in order of appearance
	index func() map[string]int
}

func newItems(all []item) *items {
	return &items{all, sync.OnceValue(func() map[string]int {
		index := make(map[string]int, len(all))
		for i, it := range all {
			index[it.name] = i
		}
		return index
	})}
}

func (s *items) item(name string) (item, bool) {
	i, ok := s.index()[name]
	if !ok {
		return item{}, false
	}
	return s.all[i], true
}

// texts are the small files of every prediction: what is always there, and
// what is there when there is something to say, which has tells without saying
// it: a walk over an account asks for names only. A new file is a row here.
var texts = []struct {
	name   string
	has    func(*api.Prediction) bool // nil: always
	render func(*api.Prediction) []byte
}{
	{"status", nil, func(p *api.Prediction) []byte { return line(p.Status) }},
	{"logs.txt", nil, func(p *api.Prediction) []byte { return []byte(p.Logs) }},
	{"prediction.json", nil, func(p *api.Prediction) []byte { return indent(p.Raw) }},
	{"prompt.txt", hasPrompt, prompt},
	{"input.json", func(p *api.Prediction) bool { return !isNull(p.Input) }, func(p *api.Prediction) []byte { return indent(p.Input) }},
	{"output.json", func(p *api.Prediction) bool { return !isNull(p.Output) }, func(p *api.Prediction) []byte { return indent(p.Output) }},
	{"metrics.json", hasMetrics, func(p *api.Prediction) []byte { return indent(p.Metrics) }},
	{"error.txt", func(p *api.Prediction) bool { return failure(p) != nil }, failure},
}

// plan is the layout of a prediction's folder: names and sources, as plain
// data, in order of appearance. It depends on the prediction alone, so the
// same prediction has the same names on every machine. Allowed tells which
// URLs are on an output host.
func plan(p *api.Prediction, allowed func(string) bool) []item {
	taken := names{}
	var items []item
	add := func(name string, it item) {
		it.name = taken.take(name)
		items = append(items, it)
	}
	for _, t := range texts {
		taken[t.name] = 1 // also when absent now: a name is never renamed later
		if t.has == nil || t.has(p) {
			items = append(items, item{name: t.name, kind: rendered, render: t.render})
		}
	}
	taken["expired.txt"], taken["cancel"] = 1, 1
	if !p.Done() {
		items = append(items, item{name: "cancel", kind: control})
	}

	if text, ok := textOutput(p.Output, allowed); ok {
		add("output.txt", item{kind: inline, text: text})
	} else {
		for _, m := range members(p.Output) {
			stem := strings.Join(append([]string{"output"}, m.path...), "-")
			if ext, kind, ok := file(m.text, allowed); ok {
				add(stem+ext, item{kind: kind, text: m.text})
			} else {
				add(stem+".txt", item{kind: inline, text: m.text})
			}
		}
	}
	for _, m := range members(p.Input) {
		if ext, kind, ok := file(m.text, allowed); ok {
			add(strings.Join(append([]string{"input"}, m.path...), "-")+ext, item{kind: kind, text: m.text})
		}
	}
	return items
}

// file tells whether the whole text is a file that may be read, and its
// extension. No request is made and no content looked at: a name must be
// known for nothing and stay the same.
func file(text string, allowed func(string) bool) (ext string, k kind, ok bool) {
	switch {
	case len(text) >= len("data:") && isData(text):
		return dataExtension(text), embedded, true
	case strings.Contains(text, "://") && allowed(text):
		u, err := url.Parse(text)
		if err != nil {
			return "", 0, false
		}
		if ext = extension(path.Base(u.Path)); ext == "" {
			ext = ".bin"
		}
		return ext, remote, true
	}
	return "", 0, false
}

// textOutput is the text of a string, or of a list of strings joined, none of
// which is a file.
func textOutput(raw json.RawMessage, allowed func(string) bool) (string, bool) {
	var parts []string
	var one string
	switch {
	case json.Unmarshal(raw, &one) == nil && !isNull(raw):
		parts = []string{one}
	case json.Unmarshal(raw, &parts) != nil || len(parts) == 0:
		return "", false
	}
	for _, part := range parts {
		if _, _, ok := file(part, allowed); ok {
			return "", false
		}
	}
	return strings.Join(parts, ""), true
}

func isNull(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// prompt is input.prompt with a final newline: saving takes one off, so that
// a copy of the file back into a model is the same prompt to the byte.
func prompt(p *api.Prediction) []byte {
	var input struct {
		Prompt *string `json:"prompt"`
	}
	if json.Unmarshal(p.Input, &input) != nil || input.Prompt == nil {
		return nil
	}
	return line(*input.Prompt)
}

// failure is why a prediction did not succeed. The text alone decides
// nothing: successful predictions carry an empty one too.
func failure(p *api.Prediction) []byte {
	switch {
	case !p.Done() || p.Status == api.Succeeded:
		return nil
	case p.Error != "":
		return line(p.Error)
	case p.Status == api.Failed:
		return line("The model failed and gave no reason; logs.txt may tell more.")
	}
	return nil
}

// hasPrompt decodes the input only where there is something to find.
func hasPrompt(p *api.Prediction) bool {
	return bytes.Contains(p.Input, []byte(`"prompt"`)) && prompt(p) != nil
}

// hasMetrics tells whether the run took anything; an empty object says nothing.
func hasMetrics(p *api.Prediction) bool {
	return !isNull(p.Metrics) && !emptyObject.Match(p.Metrics)
}

var emptyObject = regexp.MustCompile(`^\s*\{\s*\}\s*$`)

func line(s string) []byte { return append([]byte(s), '\n') }

// indent lays JSON out for reading; order and numbers stay as received.
func indent(raw json.RawMessage) []byte {
	if isNull(raw) {
		return nil
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return line(string(raw))
	}
	b.WriteByte('\n')
	return b.Bytes()
}
