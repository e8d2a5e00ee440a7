package fs

import (
	"errors"
	"os"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// A file that has grown since it was looked at is not sent cut.
func TestFileGrows(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.WriteFile("image.png", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := root.Stat("image.png")
	if err != nil {
		t.Fatal(err)
	}
	sheet := &prepared{fs: w.FS, dir: root}
	of := part{name: "image.png", place: -1, info: info}
	if v, err := sheet.file(of); err != nil || v != "data:image/png;base64,aGFsZg==" {
		t.Errorf("%v, %v", v, err)
	}
	for _, size := range []int{5, maxInline + 7} {
		if err := root.WriteFile("image.png", make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sheet.file(of); !errors.Is(err, tree.ErrBusy) {
			t.Errorf("grown to %d: %v, want %v", size, err, tree.ErrBusy)
		}
	}
}

// Without a folder of its own a tree would tidy one of somebody else.
func TestNoFolder(t *testing.T) {
	if _, err := New(Backend{}, Options{}); err == nil {
		t.Error("a tree without a folder is no error")
	}
}
