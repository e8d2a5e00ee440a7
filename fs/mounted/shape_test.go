package mounted_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is when everything in the account of shapes happens.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A shape is a prediction that stands for a kind of them.
type shape struct {
	id string
	sim.Prediction
}

// serveShapes is an account with one prediction of every shape that an output
// can have. Its clock stands still.
func serveShapes(t *testing.T) *mounted.Account {
	t.Helper()
	a := mounted.Serve(t, sim.Options{Now: func() time.Time { return noon }})
	png := func(name string, size int64) *sim.File { return sim.NewBlob(name, size) }
	const prompt = `{"prompt":"a lion","seed":12345678901234567890}`
	for i, s := range []shape{
		{"onefile", sim.Prediction{Output: png("out.png", 5000), Input: json.RawMessage(prompt)}},
		{"listofone", sim.Prediction{Output: []any{png("out.webp", 4096)}}},
		{"list", sim.Prediction{Output: []any{png("out.png", 1), png("out.png", 0), png("out.jpg", 70_000)}}},
		{"object", sim.Prediction{Output: map[string]any{"mesh": png("m.glb", 10), "words": "a lion", "count": 2}}},
		{"nested", sim.Prediction{Output: map[string]any{"a": map[string]any{"b": []any{png("1.png", 11), map[string]any{"c": "deep"}}}}}},
		{"mixed", sim.Prediction{Output: []any{png("1.png", 12), "a caption"}}},
		{"text", sim.Prediction{Output: "Once upon a time"}},
		{"emptytext", sim.Prediction{Output: ""}},
		{"tokens", sim.Prediction{Output: []any{"Once", " upon", "\n"}}},
		{"numbers", sim.Prediction{Output: []any{0.25, json.Number("12345678901234567890")}}},
		{"nothing", sim.Prediction{}},
		{"data", sim.Prediction{Output: "data:text/plain;base64,aGVsbG8="}},
		{"foreignurl", sim.Prediction{Output: "https://example.com/out.png"}},
		{"hostilekeys", sim.Prediction{Output: map[string]any{"../../etc/passwd": png("p", 13), "a/b": "1", "ä\n": "2"}}},
		{"hostilename", sim.Prediction{Output: []any{png(" x?#%.png", 14)}}},
		{"inputs", sim.Prediction{Output: "seen", Input: json.RawMessage(`{"image":"data:image/png;base64,AAEC","note":"https://example.com/x.png"}`)}},
		{"failed", sim.Prediction{Status: sim.Failed, Error: "out of memory", Logs: "Loading\n"}},
		{"canceled", sim.Prediction{Status: sim.Canceled}},
		{"aborted", sim.Prediction{Status: sim.Aborted}},
		{"running", sim.Prediction{Status: sim.Processing, Logs: "10%\n"}},
		{"removed", sim.Prediction{DataRemoved: true, Output: png("out.png", 15)}},
	} {
		p := s.Prediction
		p.ID = (s.id + "0000000000000000")[:16]
		p.CreatedAt = noon.Add(time.Duration(i-60) * time.Minute)
		if s.id == "running" {
			p.CreatedAt = noon.Add(-time.Minute)
		}
		p.Model, p.Source = "acme/puppet", "web"
		if p.Status == "" {
			p.Status = sim.Succeeded
		}
		if p.Status.Terminal() {
			p.CompletedAt = p.CreatedAt.Add(20 * time.Second)
		}
		a.Add(p)
	}
	return a
}

// shapeID is the id of a shape.
func shapeID(name string) string { return (name + "0000000000000000")[:16] }

// Names and sizes of everything in predictions/, as find sees them.
func TestListing(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		m := serveShapes(t).Mount(o)
		ready(t, m)
		var got strings.Builder
		folder := ""
		for line := range strings.Lines(sh(t, m, `find "$M/predictions" -mindepth 2 -printf '%P %m %n %s %b\n' | LC_ALL=C sort`)) {
			var path string
			var mode, links, size, blocks int
			if _, err := fmt.Sscanf(line, "%s %o %d %d %d", &path, &mode, &links, &size, &blocks); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			dir, name, _ := strings.Cut(path, "/")
			if dir != folder {
				fmt.Fprintf(&got, "\n%s:", strings.TrimRight(dir, "0"))
				folder = dir
			}
			if filepath.Ext(name) == ".json" { // URLs in it have another port each time
				fmt.Fprintf(&got, " %s", name)
			} else {
				fmt.Fprintf(&got, " %s=%d", name, size)
			}
			wantMode := 0o444
			if name == "cancel" {
				wantMode = 0o644
			}
			if mode != wantMode || links != 1 || blocks != (size+511)/512 {
				t.Errorf("%s has mode %o, %d links and %d blocks for %d bytes", path, mode, links, blocks, size)
			}
		}
		golden(t, "shapes.golden", strings.TrimPrefix(got.String()+"\n", "\n"))
	})
}

// Times are those of the end of the run, else of its beginning, and links
// lead where they should.
func TestTimes(t *testing.T) {
	t.Parallel()
	m := serveShapes(t).Mount(mounted.Options{})
	ready(t, m)
	for _, test := range []struct{ path, want string }{
		{"predictions/" + shapeID("onefile"), "11:00:20.0000000000 11:00:20.0000000000 "},
		{"predictions/" + shapeID("onefile") + "/output.png", "11:00:20.0000000000 11:00:20.0000000000 "},
		{"predictions/" + shapeID("running") + "/status", "11:59:00.0000000000 11:59:00.0000000000 "},
		{"by-date/2026/11/22", "11:59:00.0000000000 11:59:00.0000000000 "},
		{"by-date/2026/11/22/110000-puppet-" + shapeID("onefile"), "11:00:20.0000000000 11:00:20.0000000000 ../../../../predictions/" + shapeID("onefile")},
		{"by-status/failed/" + shapeID("failed"), "11:16:20.0000000000 11:16:20.0000000000 ../../predictions/" + shapeID("failed")},
		{"models/acme/puppet/latest", "11:59:00.0000000000 11:59:00.0000000000 ../../../predictions/" + shapeID("running")},
		{"models/acme/puppet/predictions/" + shapeID("list"), "11:02:20.0000000000 11:02:20.0000000000 ../../../../predictions/" + shapeID("list")},
	} {
		if got := output(t, m.Command("find", m.Path(test.path), "-maxdepth", "0", "-printf", "%TT %CT %l")); got != test.want {
			t.Errorf("%s: got %q, want %q", test.path, got, test.want)
		}
	}
}

// Everything passes the test that io/fs file systems have to pass.
func TestFolder(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		m := serveShapes(t).Mount(o)
		ready(t, m)
		output(t, child(m, "testfs", m.Dir, "README.md", "account.json", "predictions/"+shapeID("onefile")+"/output.png",
			"by-status/failed/"+shapeID("failed"), "models/acme/puppet/prompt.txt"))
	})
}

// What a backup looks at is the same after every mount.
func TestSameAfterRemount(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		m := serveShapes(t).Mount(o)
		ready(t, m)
		sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt"; cat "$M/`+painter+`/latest/output-0.webp" >/dev/null`)
		before := inventory(t, m, ".")
		m.Remount()
		if after := inventory(t, m, "."); after != before {
			t.Errorf("after a remount, this differs:\n%s", difference(before, after))
		}
	})
}

// On another machine, or with an empty cache, predictions are the same.
func TestSameElsewhere(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		m := serveShapes(t).Mount(o)
		ready(t, m)
		sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt"; cat "$M/`+painter+`/latest/output-0.webp" >/dev/null`)
		before := inventory(t, m, "predictions/*", "by-date/*/*/*/*", "by-status/*/*", "models/*/*/predictions/*")
		m.Stop()
		m.Forget()
		m.Remount()
		mounted.Until(t, "the past is read", func() bool { return sh(t, m, `ls "$M/predictions" | wc -l`) == "22\n" })
		if after := inventory(t, m, "predictions/*", "by-date/*/*/*/*", "by-status/*/*", "models/*/*/predictions/*"); after != before {
			t.Errorf("after a remount without local data, this differs:\n%s", difference(before, after))
		}
	})
}

// inventory is everything that stat tells of what is in some places.
func inventory(t *testing.T, m *mounted.Mount, places ...string) string {
	t.Helper()
	return sh(t, m, `cd "$M"; find `+strings.Join(places, " ")+` -printf '%p %i %n %M %U:%G %s %b %T@ %C@ %l\n' | LC_ALL=C sort`)
}

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s", name, difference(string(want), got))
	}
}
