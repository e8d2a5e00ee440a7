package fs

import (
	"bytes"
	"context"
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
