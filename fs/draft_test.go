package fs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// A draftTree is what a person can do in the folder of a model or draft.
type draftTree interface {
	tree.Dir
	tree.Creator
	tree.Maker
	tree.Remover
	tree.Renamer
}

func (w *world) place(where string) draftTree {
	w.t.Helper()
	node, err := w.at(where)
	if err != nil {
		w.t.Fatalf("%s: %v", where, err)
	}
	return node.(draftTree)
}

func (w *world) mkdir(where string) {
	w.t.Helper()
	if _, err := w.place(path.Dir(where)).Mkdir(w.t.Context(), path.Base(where)); err != nil {
		w.t.Fatalf("mkdir %s: %v", where, err)
	}
}

// fill makes a file, or writes it anew, and returns the result of close().
func (w *world) fill(where, content string) error {
	w.t.Helper()
	dir := w.place(path.Dir(where))
	if _, err := dir.Create(w.t.Context(), path.Base(where)); err != nil && !errors.Is(err, iofs.ErrExist) {
		w.t.Fatalf("create %s: %v", where, err)
	}
	node, err := w.at(where)
	if err != nil {
		w.t.Fatal(err)
	}
	if cut, ok := node.(tree.Truncater); ok {
		if err := cut.Truncate(w.t.Context(), 0); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.save(where, content)
}

// sent is the input of the newest run of a folder as it was sent.
func (w *world) sent(where string) map[string]any {
	w.t.Helper()
	p, ok := w.sim.Prediction(w.latest(where))
	if !ok {
		w.t.Fatalf("%s has no run", where)
	}
	var in map[string]any
	dec := json.NewDecoder(bytes.NewReader(p.Input))
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		w.t.Fatal(err)
	}
	return in
}

var onePoint = mustDecode(tinyPNG)

func mustDecode(uri string) string {
	b, err := base64.StdEncoding.DecodeString(uri[strings.IndexByte(uri, ',')+1:])
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestDraft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		const portrait = upscaler + "/portrait"
		w.mkdir(portrait)
		if got := w.names(portrait); got != "" {
			t.Errorf("a new draft has %q", got)
		}
		if got := w.names("models"); got != "acme" {
			t.Errorf("models with drafts are of %q, want acme", got)
		}
		if got := w.names(upscaler); !strings.Contains(got, " portrait ") {
			t.Errorf("the model has %q", got)
		}
		w.fill(portrait+"/image.png", onePoint)
		w.fill(portrait+"/scale.txt", "4\n")
		w.fill(portrait+"/.image.png.swp", "what an editor leaves")
		w.fill(portrait+"/image.png~", "what an editor leaves")
		w.creates(0)
		if err := w.fill(portrait+"/run", "go\n"); err != nil {
			t.Fatalf("run: %v: %s", err, w.read(portrait+"/error.txt"))
		}
		w.creates(1)
		in := w.sent(portrait)
		if in["image"] != tinyPNG || in["scale"] != json.Number("4") || len(in) != 2 {
			t.Errorf("the input sent is %v", in)
		}
		if got, want := w.names(portrait), ".image.png.swp image.png image.png~ latest run scale.txt"; got != want {
			t.Errorf("the draft has %q, want %q", got, want)
		}
		if got := w.read(portrait + "/image.png"); got != onePoint {
			t.Error("the input did not stay")
		}
		if got := w.read(portrait + "/run"); got != "" {
			t.Errorf("run reads as %q, want it empty", got)
		}
		if !strings.Contains(w.names(portrait+"/latest"), "output.") {
			t.Error("latest has no output")
		}

		// Refused: the next cp must fail.
		w.fill(portrait+"/scale.txt", "3\n")
		if err := w.fill(portrait+"/run", "go\n"); !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("close() gives %v, want invalid", err)
		}
		w.creates(1)
		if got, want := w.read(portrait+"/error.txt"), "scale must be one of 2, 4, not 3.\n"; got != want {
			t.Errorf("error.txt says %q, want %q", got, want)
		}
		if got, want := w.names(portrait+"/latest"), "error.txt status"; got != want {
			t.Errorf("latest has %q, want %q", got, want)
		}

		// The next mount knows it all, but no picture of before.
		w.Close()
		again := mountWorld(t, w.sim, w.dir, Options{Wait: time.Minute})
		if got, want := again.names(portrait), ".image.png.swp error.txt image.png image.png~ run scale.txt"; got != want {
			t.Errorf("after a remount the draft has %q, want %q", got, want)
		}
		again.fill(portrait+"/scale.txt", "2")
		if err := again.fill(portrait+"/run", "x"); err != nil {
			t.Errorf("run: %v", err)
		}
		again.creates(2)
		id := again.latest(portrait)
		again.Close()
		third := mountWorld(t, w.sim, w.dir, Options{Wait: time.Minute})
		if got := third.latest(portrait); got != id {
			t.Errorf("after a remount latest leads to %s, want %s", got, id)
		}
		third.creates(2)
	})
}

// What each kind of file becomes, by the schema.
func TestDraftInputs(t *testing.T) {
	const model = `{"Input": {"type": "object", "properties": {
		"prompt": {"type": "string"}, "seed": {"type": "integer", "nullable": true}, "strength": {"type": "number"},
		"fast": {"type": "boolean"}, "image": {"type": "string", "format": "uri"}, "words": {"type": "array", "items": {"type": "string"}},
		"sizes": {"type": "array", "items": {"type": "integer"}}, "images": {"type": "array", "items": {"type": "string", "format": "uri"}},
		"options": {"type": "object"}, "tmpl": {"type": "string"}, "size": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
		"mask": {"anyOf": [{"type": "string", "format": "uri"}, {"type": "null"}]}}}}`
	text := "data:text/plain;base64," + base64.StdEncoding.EncodeToString([]byte("a lion\n"))
	tests := []struct {
		name  string
		files map[string]string
		want  string // the input, or what is said
	}{
		{"text", map[string]string{"prompt.txt": "a lion\nand a lamb\n"}, `{"prompt":"a lion\nand a lamb"}`},
		{"text without an extension", map[string]string{"prompt": "a lion"}, `{"prompt":"a lion"}`},
		{"empty text", map[string]string{"prompt.txt": ""}, `{"prompt":""}`},
		{"a number as text", map[string]string{"prompt.txt": "42\n"}, `{"prompt":"42"}`},
		{"whole number", map[string]string{"seed.txt": " 18446744073709551615\n"}, `{"seed":18446744073709551615}`},
		{"null", map[string]string{"seed.txt": "null\n"}, `{"seed":null}`},
		{"no number", map[string]string{"seed.txt": "many\n"}, "seed.txt must be a whole number or null, not many."},
		{"empty number", map[string]string{"seed.txt": ""}, "seed.txt must be a whole number or null, not an empty text."},
		{"a fraction", map[string]string{"seed.txt": "1.5"}, "seed must be a whole number or null, not 1.5."},
		{"number", map[string]string{"strength.txt": "0.25\n"}, `{"strength":0.25}`},
		{"boolean", map[string]string{"fast.txt": "true\n"}, `{"fast":true}`},
		{"no boolean", map[string]string{"fast.txt": "yes\n"}, "fast.txt must be true or false, not yes."},
		{"list of texts", map[string]string{"words.txt": "a b\r\n\r\nc\n"}, `{"words":["a b","c"]}`},
		{"list of numbers", map[string]string{"sizes.txt": "1\n2\n"}, `{"sizes":[1,2]}`},
		{"list as JSON", map[string]string{"sizes.json": "[1, 2]\n"}, `{"sizes":[1,2]}`},
		{"no list", map[string]string{"sizes.txt": "1\nx\n"}, "sizes.txt must be a whole number, not x."},
		{"object", map[string]string{"options.json": `{"a": 1}`}, `{"options":{"a":1}}`},
		{"file", map[string]string{"image.png": onePoint}, `{"image":"` + tinyPNG + `"}`},
		{"a text that is a file", map[string]string{"image.txt": "a lion\n"}, `{"image":"` + text + `"}`},
		{"address of a file", map[string]string{"image.txt": "https://example.com/cat.png\n"}, `{"image":"https://example.com/cat.png"}`},
		{"a file in words", map[string]string{"image.txt": tinyPNG + "\n"}, `{"image":"` + tinyPNG + `"}`},
		{"a text that begins with an address", map[string]string{"image.txt": "https://example.com/ is a lion\n"},
			`{"image":"data:text/plain;base64,` + base64.StdEncoding.EncodeToString([]byte("https://example.com/ is a lion\n")) + `"}`},
		{"marked as UTF-8", map[string]string{"prompt.txt": "\ufeffa lion\r\n", "seed.txt": "\ufeff4\r\n", "input.json": "\ufeff{\"fast\": true}\r\n"}, `{"fast":true,"prompt":"a lion","seed":4}`},
		{"file that may be null", map[string]string{"mask.png": onePoint}, `{"mask":"` + tinyPNG + `"}`},
		{"empty file", map[string]string{"image.png": ""}, "image.png is empty."},
		{"list of one file", map[string]string{"images.png": onePoint}, `{"images":["` + tinyPNG + `"]}`},
		{"list of files", map[string]string{"images-10.txt": "a lion\n", "images-2.png": onePoint}, `{"images":["` + tinyPNG + `","` + text + `"]}`},
		{"file for a text", map[string]string{"prompt.png": onePoint}, `{"prompt":"` + tinyPNG + `"}`},
		{"no text", map[string]string{"prompt.txt": onePoint}, "prompt.txt is not text: it has bytes that are not UTF-8."},
		{"either", map[string]string{"size.txt": "big"}, `{"size":"big"}`},
		{"like a temporary name", map[string]string{"tmpl.txt": "x", "tmpx.txt": "x"}, `{"tmpl":"x"}`},
		{"unknown fields", map[string]string{"other.txt": "1", "more.txt": "x", "file.png": onePoint}, `{"file":"` + tinyPNG + `","more":"x","other":1}`},
		{"input.json over files", map[string]string{"prompt.txt": "a lion", "seed.txt": "1", "input.json": `{"seed": 2, "fast": true}`}, `{"fast":true,"prompt":"a lion","seed":2}`},
		{"broken input.json", map[string]string{"input.json": `{"seed": `}, "input.json is not valid JSON: line 1, column 8: unexpected end of JSON input."},
		{"two of a name", map[string]string{"image.jpg": "x", "image.png": onePoint}, "image.jpg and image.png are both the input image: remove one of them."},
		{"nothing", nil, `{}`},
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		r, err := newRules(document(model))
		if err != nil {
			t.Fatal(err)
		}
		for i, test := range tests {
			where := fmt.Sprintf("%s/d%d", upscaler, i)
			w.mkdir(where)
			for name, content := range test.files {
				if err := w.fill(where+"/"+name, content); err != nil {
					t.Fatal(err)
				}
			}
			dir, err := w.drafts.root.OpenRoot(where)
			if err != nil {
				t.Fatal(err)
			}
			what := &prepared{fs: w.FS, dir: dir}
			in, err := what.input(r)
			got := string(in)
			if err == nil {
				if got, _, err = r.refused(in); got == "" {
					in, err = what.sent(t.Context())
					got = string(in)
				}
			}
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%s: got  %s\nwant %s", test.name, got, test.want)
			}
			dir.Close()
		}
	})
}

// A large file is uploaded, once for as long as Replicate has it.
func TestDraftUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		const where = "models/acme/captioner/large"
		w.mkdir(where)
		picture := onePoint + strings.Repeat("\x00", maxInline)
		run := func(uploads int) {
			t.Helper()
			if err := w.fill(where+"/run", "go"); err != nil {
				t.Fatalf("run: %v", err)
			}
			if got := w.sim.Count("POST", "/v1/files"); got != uploads {
				t.Errorf("%d uploads, want %d", got, uploads)
			}
		}
		w.fill(where+"/image.png", picture)
		run(1)
		if url, _ := w.sent(where)["image"].(string); !strings.HasPrefix(url, "https://") {
			t.Errorf("the input is %.60s, want a URL", url)
		}
		run(1)
		w.fill(where+"/image.png", picture) // the same again
		run(1)
		w.fill(where+"/image.png", picture+"\x00")
		run(2)
		for f, err := range w.api.Files(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if err := w.api.DeleteFile(t.Context(), f.ID); err != nil {
				t.Fatal(err)
			}
		}
		run(3)
		time.Sleep(48 * time.Hour)
		run(4)
		w.creates(6)

		// What is too large for Replicate is refused while it is written.
		node, err := w.at(where + "/image.png")
		if err != nil {
			t.Fatal(err)
		}
		d, err := node.(tree.Saver).Save(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.WriteAt(t.Context(), []byte("x"), maxSave); !errors.Is(err, tree.ErrTooLarge) {
			t.Errorf("writing beyond 100 MB gives %v, want too large", err)
		}
		if got := w.read(where + "/error.txt"); !strings.Contains(got, "image.png") || !strings.Contains(got, "100 MB") {
			t.Errorf("error.txt says %q", got)
		}
	})
}

// A file of which only a part was written is nobody's input, whoever died.
func TestDraftHalfWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		const where = "models/acme/captioner/half"
		w.mkdir(where)
		w.fill(where+"/image.png", onePoint)
		write := func() tree.Draft {
			node, err := w.at(where + "/image.png")
			if err != nil {
				t.Fatal(err)
			}
			d, err := node.(tree.Saver).Save(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.WriteAt(t.Context(), []byte("half"), 0); err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := write()
		if err := w.fill(where+"/run", "go"); !errors.Is(err, tree.ErrBusy) {
			t.Errorf("run while it is written gives %v, want busy", err)
		}
		if got := w.read(where + "/error.txt"); !strings.Contains(got, "image.png is still being written") {
			t.Errorf("error.txt says %q", got)
		}
		if err := d.Close(); err != nil { // as when its writer was killed
			t.Fatal(err)
		}
		if err := w.fill(where+"/run", "go"); !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("run with half a file gives %v, want invalid", err)
		}
		if err := w.place(where).Rename(t.Context(), "image.png", w.place(where), "image.jpg"); err != nil {
			t.Fatal(err)
		}
		if err := w.fill(where+"/run", "go"); !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("run with half a file under another name gives %v, want invalid", err)
		}
		w.place(where).Rename(t.Context(), "image.jpg", w.place(where), "image.png")

		d = write()
		w.Close() // the program is gone while it is written
		again := mountWorld(t, w.sim, w.dir, Options{Wait: time.Minute})
		if err := again.fill(where+"/run", "go"); !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("run with half a file after a restart gives %v, want invalid", err)
		}
		again.creates(0)
		again.fill(where+"/image.png", onePoint)
		if err := again.fill(where+"/run", "go"); err != nil {
			t.Errorf("run with the file written again: %v", err)
		}
		again.creates(1)
		d.Close()
	})
}

func TestDraftNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		model := w.place(upscaler)
		w.mkdir(upscaler + "/one")
		for name, want := range map[string]error{
			"one": iofs.ErrExist, "predictions": iofs.ErrExist, "versions": iofs.ErrExist, "example": iofs.ErrExist, "latest": iofs.ErrExist,
			"README.md": iofs.ErrExist, "prompt.txt": iofs.ErrExist, "error.txt": iofs.ErrExist, "run": iofs.ErrExist,
			".hidden": tree.ErrReadOnly, "a\nb": iofs.ErrInvalid, strings.Repeat("x", 256): iofs.ErrInvalid,
		} {
			if _, err := model.Mkdir(t.Context(), name); !errors.Is(err, want) {
				t.Errorf("mkdir %q gives %v, want %v", name, err, want)
			}
		}
		one := w.place(upscaler + "/one")
		if _, err := one.Mkdir(t.Context(), "deeper"); !errors.Is(err, iofs.ErrPermission) {
			t.Errorf("mkdir in a draft gives %v, want permission", err)
		}
		if got := w.read(upscaler + "/one/error.txt"); !strings.Contains(got, "files only") {
			t.Errorf("error.txt says %q", got)
		}
		w.fill(upscaler+"/one/image.png", onePoint)
		if err := model.Remove(t.Context(), "one", true); !errors.Is(err, tree.ErrNotEmpty) {
			t.Errorf("rmdir of a draft with inputs gives %v, want not empty", err)
		}

		// Another name, and another model.
		ino := one.Ino()
		if err := model.Rename(t.Context(), "one", model, "two"); err != nil {
			t.Fatal(err)
		}
		if got := w.place(upscaler + "/two").Ino(); got != ino {
			t.Error("a renamed draft has another number")
		}
		if err := w.fill(upscaler+"/two/run", "go"); err != nil {
			t.Fatalf("run under another name: %v", err)
		}
		id := w.latest(upscaler + "/two")
		other := w.place("models/acme/captioner")
		if err := model.Rename(t.Context(), "two", other, "two"); err != nil {
			t.Fatal(err)
		}
		if got := w.latest("models/acme/captioner/two"); got != id {
			t.Errorf("latest leads to %s after a move, want %s", got, id)
		}
		if err := w.fill("models/acme/captioner/two/run", "go"); err != nil {
			t.Fatal(err)
		}
		if p, _ := w.catalog.Prediction(w.latest("models/acme/captioner/two")); p.Model != "acme/captioner" {
			t.Errorf("after the move it runs %s", p.Model)
		}
		if err := other.Rename(t.Context(), "two", other, "predictions"); !errors.Is(err, iofs.ErrExist) {
			t.Errorf("rename onto predictions gives %v, want exist", err)
		}
		two := w.place("models/acme/captioner/two")
		if err := two.Remove(t.Context(), "image.png", false); err != nil {
			t.Fatal(err)
		}
		if err := other.Remove(t.Context(), "two", true); err != nil {
			t.Errorf("rmdir of a draft without inputs: %v", err)
		}
		if got := w.names("models/acme/captioner"); strings.Contains(got, "two") {
			t.Errorf("it is still there: %s", got)
		}
		w.creates(2)
	})
}

// Drafts live with versions and deployments too.
func TestDraftElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Past: 1, Account: "you"}, Options{Wait: time.Minute})
		before := w.sim.Creates()
		version := strings.Fields(w.names(upscaler + "/versions"))[0]
		for _, folder := range []string{upscaler + "/versions/" + version, deployment} {
			where := folder + "/mine"
			w.mkdir(where)
			w.fill(where+"/image.png", onePoint)
			if err := w.fill(where+"/run", "go"); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			p, _ := w.catalog.Prediction(w.latest(where))
			if p.Version != version && p.Deployment != "you/upscale-fast" {
				t.Errorf("%s runs %+v", where, p)
			}
			if got := w.names(folder); !strings.Contains(got, " mine ") {
				t.Errorf("%s has %s", folder, got)
			}
		}
		if got := w.sim.Creates() - before; got != 2 {
			t.Errorf("%d runs, want 2", got)
		}
	})
}
