package tree_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"testing"
	"time"

	"replicatefs/fs/tree"
)

func TestInoIsStable(t *testing.T) {
	// These numbers are in backups: restic and borg read a file again whose
	// number changed.
	for _, test := range []struct {
		words []string
		want  uint64
	}{
		{[]string{"prediction", "abc"}, 379469782571018245},
		{[]string{"predictionabc"}, 4578074345424830178},
		{[]string{"prediction", "abc", ""}, 6064615502240905570},
	} {
		if got := tree.Ino(test.words...); got != test.want {
			t.Errorf("Ino(%q) = %d, want %d", test.words, got, test.want)
		}
	}
}

func TestInoIsOneTheKernelTakes(t *testing.T) {
	seen := make(map[uint64]bool)
	for i := range 100_000 {
		ino := tree.Ino("x", string(rune(i)), time.Duration(i).String())
		if ino < 2 || ino >= 1<<63 || seen[ino] {
			t.Fatalf("Ino = %d, want a new number above 1 and below 1<<63", ino)
		}
		seen[ino] = true
	}
}

func TestFolder(t *testing.T) {
	b := tree.Bytes(tree.Ino("b"), when, []byte("b"))
	d := tree.Folder(tree.Ino("d"), when, tree.Entry{Name: "b", Node: b}, tree.Entry{Name: "a", Node: b})
	entries, err := d.List(t.Context())
	if err != nil || len(entries) != 2 || entries[0].Name != "a" || entries[1].Name != "b" {
		t.Fatalf("List = %v, %v, want a and b", entries, err)
	}
	entries[0].Name = "changed" // the slice is ours
	if n, err := d.Lookup(t.Context(), "a"); err != nil || n.Ino() != b.Ino() {
		t.Errorf("Lookup(a) = %v, %v, want the file", n, err)
	}
	if n, err := d.Lookup(t.Context(), "c"); !errors.Is(err, iofs.ErrNotExist) || n != nil {
		t.Errorf("Lookup(c) = %v, %v, want nil, %v", n, err, iofs.ErrNotExist)
	}
	info, ok := d.Peek()
	if !ok || info.Mode != iofs.ModeDir|0o555 || info.Valid != tree.Final || !info.ModTime.Equal(when) {
		t.Errorf("Peek = %+v, %t", info, ok)
	}
}

func TestListing(t *testing.T) {
	file := tree.Bytes(tree.Ino("f"), when, nil)
	hidden := tree.Bytes(tree.Ino("h"), when, nil)
	broken := errors.New("no network")
	var err error
	d := &tree.Listing{
		Number: tree.Ino("d"),
		Told:   func() tree.Info { return tree.Info{Mode: tree.DirMode, ModTime: when} },
		Entries: func(context.Context) ([]tree.Entry, error) {
			return []tree.Entry{{Name: "z", Node: file}, {Name: "a", Node: file}}, err
		},
	}
	entries, _ := d.List(t.Context())
	if len(entries) != 2 || entries[0].Name != "a" {
		t.Errorf("List = %v, want it sorted", entries)
	}
	if n, err := d.Lookup(t.Context(), "z"); err != nil || n.Ino() != file.Ino() {
		t.Errorf("Lookup(z) = %v, %v, want what List shows", n, err)
	}
	err = broken
	if _, got := d.Lookup(t.Context(), "z"); !errors.Is(got, broken) {
		t.Errorf("Lookup = %v, want %v", got, broken)
	}
	d.Named = func(_ context.Context, name string) (tree.Node, error) { return hidden, nil }
	if n, err := d.Lookup(t.Context(), "not shown"); err != nil || n.Ino() != hidden.Ino() {
		t.Errorf("Lookup(not shown) = %v, %v, want what Named says", n, err)
	}
}

func TestTextIsRenderedAnew(t *testing.T) {
	content := "one"
	f := tree.Text(tree.Ino("t"), func(context.Context) ([]byte, time.Time, error) { return []byte(content), when, nil })
	if info, ok := f.Peek(); ok {
		t.Errorf("Peek = %v, want no answer", info)
	}
	h, err := f.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content = "seventeen"
	info, err := f.Info(t.Context())
	if err != nil || info.Size != 9 || !info.Live {
		t.Errorf("Info = %+v, %v, want size 9, live", info, err)
	}
	p := make([]byte, 10)
	if n, err := h.ReadAt(t.Context(), p, 0); string(p[:n]) != "one" || err != io.EOF {
		t.Errorf("ReadAt of the older opening = %q, %v, want one, EOF", p[:n], err)
	}
}

func TestMemory(t *testing.T) {
	m := tree.Memory("0123456789")
	for _, test := range []struct {
		off  int64
		n    int
		want string
		err  error
	}{
		{0, 4, "0123", nil},
		{6, 4, "6789", nil},
		{8, 4, "89", io.EOF},
		{10, 4, "", io.EOF},
		{99, 4, "", io.EOF},
		{-1, 4, "", iofs.ErrInvalid},
	} {
		p := make([]byte, test.n)
		n, err := m.ReadAt(t.Context(), p, test.off)
		if string(p[:n]) != test.want || err != test.err {
			t.Errorf("ReadAt(%d bytes at %d) = %q, %v, want %q, %v", test.n, test.off, p[:n], err, test.want, test.err)
		}
		pieces, err := m.ReadVec(t.Context(), test.off, test.n)
		got := string(bytes.Join(pieces, nil))
		if got != test.want || (err != nil) != (test.err == iofs.ErrInvalid) {
			t.Errorf("ReadVec(%d bytes at %d) = %q, %v, want %q", test.n, test.off, got, err, test.want)
		}
	}
}

func TestType(t *testing.T) {
	for _, test := range []struct {
		n    tree.Node
		want iofs.FileMode
	}{
		{tree.Folder(2, when), iofs.ModeDir},
		{tree.Bytes(3, when, nil), 0},
		{tree.Symlink(4, when, "x"), iofs.ModeSymlink},
	} {
		if got := tree.Type(test.n); got != test.want {
			t.Errorf("Type(%T) = %v, want %v", test.n, got, test.want)
		}
		if info, _ := test.n.Peek(); info.Mode.Type() != test.want {
			t.Errorf("mode of %T = %v, want type %v", test.n, info.Mode, test.want)
		}
	}
}
