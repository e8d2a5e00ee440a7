package fs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"replicatefs/fs/tree"
)

// prepared is the sheet of a draft: its files, each the input field of its
// stem, and over them input.json. What a file is, text, a number or a file, the
// schema says.
type prepared struct {
	fs      *FS
	dir     *os.Root
	without string         // the name of a file that is no input now
	values  map[string]any // the input as last made; a *bigFile is still to be uploaded
}

// A part is one file of a draft and the field that it is, or the place in the
// list that is the field.
type part struct {
	name  string
	place int // -1: the whole field
	info  os.FileInfo
}

func (p *prepared) input(r *rules) (json.RawMessage, error) {
	parts, err := p.parts(r)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for field, of := range parts {
		if values[field], err = p.field(r.field(field), of); err != nil {
			return nil, err
		}
	}
	content, err := p.text("input.json")
	if err != nil && !isMissing(err) {
		return nil, err
	}
	over, err := jsonInput(content)
	if err != nil {
		return nil, err
	}
	if over != nil {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(over, &members); err != nil {
			return nil, refuse(badJSON(over, err))
		}
		for name, member := range members {
			values[name] = member
		}
	}
	p.values = values
	return encode(values)
}

// sent uploads what is to be uploaded.
func (p *prepared) sent(ctx context.Context) (json.RawMessage, error) {
	for field, v := range p.values {
		var err error
		if list, ok := v.([]any); ok {
			for i := range list {
				if list[i], err = p.upload(ctx, list[i]); err != nil {
					return nil, err
				}
			}
			continue
		}
		if p.values[field], err = p.upload(ctx, v); err != nil {
			return nil, err
		}
	}
	return encode(p.values)
}

// parts finds the files that are inputs, by field.
func (p *prepared) parts(r *rules) (map[string][]part, error) {
	dir, err := p.dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	parts := map[string][]part{}
	for _, e := range entries {
		name := e.Name()
		field, place := r.place(name)
		switch {
		case !e.Type().IsRegular(), name == p.without, name == runName, name == latestName, name == errorName, aside(name),
			temporary(name) && r.field(field) == nil:
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if ready, busy := p.fs.drafts.ready(inode(info)); busy {
			return nil, stillWritten(name)
		} else if !ready {
			return nil, refuse(fmt.Sprintf("%s was not written to its end: its writer was killed, or could not write all of it. Write it again, or remove it.", name))
		}
		if name == "input.json" {
			continue
		}
		for _, other := range parts[field] {
			if other.place == place || other.place < 0 || place < 0 {
				return nil, refuse(fmt.Sprintf("%s and %s are both the input %s: remove one of them.", other.name, name, field))
			}
		}
		parts[field] = append(parts[field], part{name, place, info})
	}
	return parts, nil
}

func stillWritten(name string) error {
	return &refusal{kind: tree.ErrBusy, sentence: fmt.Sprintf("%s is still being written: nothing was run. Write to run when it is done.", name)}
}

// aside tells whether a file is never an input, whatever it is called before
// that: hidden, a backup, or one that is still being downloaded.
func aside(name string) bool {
	switch path.Ext(name) {
	case ".bak", ".crdownload", ".orig", ".part", ".swp", ".tmp":
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#")
}

// numbered is the stem of a file that is one entry of a list: images-0.png.
var numbered = regexp.MustCompile(`^(.+)-([0-9]{1,4})$`)

// place is the field that a file is, by its name, and its place in it.
func (r *rules) place(name string) (field string, place int) {
	stem := strings.TrimSuffix(name, path.Ext(name))
	if first, _, ok := strings.Cut(name, "."); r.field(stem) == nil && ok && r.field(first) != nil {
		stem = first // reference.tar.gz
	}
	if m := numbered.FindStringSubmatch(stem); m != nil && r.field(stem) == nil && slices.Contains(types(r.field(m[1])), "array") {
		n, _ := strconv.Atoi(m[2])
		return m[1], n
	}
	return stem, -1
}

// field is what is known of a field, nil if nothing.
func (r *rules) field(name string) map[string]any {
	if r == nil {
		return nil
	}
	return r.fields[name]
}

// types are those that a field's schema allows, in its order.
func types(schema map[string]any) []string {
	var all []string
	switch t := schema["type"].(type) {
	case string:
		all = append(all, t)
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok {
				all = append(all, name)
			}
		}
	}
	for _, form := range forms(schema) {
		all = append(all, types(form)...)
	}
	return all
}

// forms are the alternatives of a schema.
func forms(schema map[string]any) (all []map[string]any) {
	for _, word := range []string{"anyOf", "oneOf", "allOf"} {
		list, _ := schema[word].([]any)
		for _, form := range list {
			if form, ok := form.(map[string]any); ok {
				all = append(all, form)
			}
		}
	}
	return all
}

// takesFile tells whether a field is a file.
func takesFile(schema map[string]any) bool {
	return schema["format"] == "uri" || slices.ContainsFunc(forms(schema), takesFile)
}

// field makes the value of a field of its files.
func (p *prepared) field(schema map[string]any, of []part) (any, error) {
	items, _ := schema["items"].(map[string]any)
	if of[0].place < 0 {
		return p.value(schema, items, of[0])
	}
	slices.SortFunc(of, func(a, b part) int { return a.place - b.place })
	var list []any
	for _, one := range of {
		v, err := p.value(items, nil, one)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// value makes a value of one file, as the schema says; items is that of the
// entries, where it may be a list.
func (p *prepared) value(schema, items map[string]any, of part) (any, error) {
	kinds := types(schema)
	if takesFile(schema) {
		if address := p.address(of); address != "" {
			return address, nil
		}
		return p.file(of)
	}
	if slices.Contains(kinds, "array") && takesFile(items) && path.Ext(of.name) != ".json" && path.Ext(of.name) != ".txt" {
		v, err := p.file(of)
		return []any{v}, err
	}
	content, err := p.text(of.name)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		if isText(of.name) {
			return nil, refuse(fmt.Sprintf("%s is not text: it has bytes that are not UTF-8.", of.name))
		}
		return p.file(of) // as the API's own clients do
	}
	text := string(plainText(content))
	if slices.Contains(kinds, "array") {
		return entries(items, of.name, text)
	}
	return scalar(schema, of.name, text)
}

// address is that of a file elsewhere, if this one is a text of nothing else.
func (p *prepared) address(of part) string {
	if path.Ext(of.name) != ".txt" || of.info.Size() > maxInline {
		return ""
	}
	content, _ := p.text(of.name)
	text := string(plainText(content))
	if strings.ContainsAny(text, " \r\n") || !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") && !isData(text) {
		return ""
	}
	return text
}

// entries makes a list of the text of a file: a JSON list, or an entry a line.
func entries(items map[string]any, name, text string) (any, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		if !json.Valid([]byte(text)) {
			return nil, refuse(fmt.Sprintf("%s is no valid JSON list. A list may also have an entry on each line.", name))
		}
		return json.RawMessage(text), nil
	}
	all := []any{}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			continue
		}
		v, err := scalar(items, name, line)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// scalar makes a value of a text. Where the schema says nothing, a number and
// true and false are that, but the prompt is always text.
func scalar(schema map[string]any, name, text string) (any, error) {
	kinds := types(schema)
	word := strings.TrimSpace(text)
	has := func(kind string) bool { return slices.Contains(kinds, kind) }
	isNumber := word != "" && strings.ContainsAny(word[:1], "-0123456789") && json.Valid([]byte(word))
	switch {
	case has("string"):
		return text, nil
	case (has("integer") || has("number")) && isNumber, len(kinds) == 0 && isNumber && name != "prompt.txt":
		return json.Number(word), nil
	case (has("boolean") || len(kinds) == 0 && name != "prompt.txt") && (word == "true" || word == "false"):
		return word == "true", nil
	case has("object") && strings.HasPrefix(word, "{") && json.Valid([]byte(word)), has("null") && word == "null":
		return json.RawMessage(word), nil
	case len(kinds) == 0:
		return text, nil
	}
	return nil, refuse(fmt.Sprintf("%s must be %s, not %s.", name, kindsInWords(kinds), show(text)))
}

// isText tells whether a file is text by its name.
func isText(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case "", ".txt", ".md", ".json", ".csv", ".yaml", ".yml", ".xml", ".html":
		return true
	}
	return false
}

// maxText is how much text one field may have.
const maxText = 16 << 20

// text reads a small file.
func (p *prepared) text(name string) ([]byte, error) {
	f, err := p.dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(content) > maxText {
		err = &refusal{kind: tree.ErrTooLarge, sentence: fmt.Sprintf("%s is too large for a text: at most %d MB.", name, maxText>>20)}
	}
	return content, err
}

func isMissing(err error) bool { return local(err) == iofs.ErrNotExist }
