package tree_test

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"testing"
	"testing/fstest"
	"time"

	"replicatefs/fs/tree"
)

var when = time.Date(2026, 11, 22, 15, 30, 12, 0, time.UTC)

func sample() tree.Dir {
	text := tree.Text(tree.Ino("text"), func(context.Context) ([]byte, time.Time, error) {
		return []byte("succeeded\n"), when, nil
	})
	run := tree.Folder(tree.Ino("run"), when,
		tree.Entry{Name: "status", Node: text},
		tree.Entry{Name: "output.bin", Node: tree.Bytes(tree.Ino("out"), when, []byte("0123456789"))},
		tree.Entry{Name: "empty", Node: tree.Bytes(tree.Ino("empty"), when, nil)},
	)
	return tree.Folder(tree.Ino("root"), when,
		tree.Entry{Name: "runs", Node: tree.Folder(tree.Ino("runs"), when, tree.Entry{Name: "r1", Node: run})},
		tree.Entry{Name: "views", Node: tree.Folder(tree.Ino("views"), when,
			tree.Entry{Name: "newest", Node: tree.Symlink(tree.Ino("l1"), when, "../runs/r1")},
			tree.Entry{Name: "again", Node: tree.Symlink(tree.Ino("l2"), when, "newest")},
		)},
		tree.Entry{Name: "README.md", Node: tree.Bytes(tree.Ino("readme"), when, []byte("# hello\n"))},
	)
}

func TestFS(t *testing.T) {
	fsys := tree.FS(t.Context(), sample())
	if err := fstest.TestFS(fsys, "runs/r1/status", "runs/r1/output.bin", "runs/r1/empty", "views/newest", "README.md"); err != nil {
		t.Fatal(err)
	}
}

func TestFSFollowsLinks(t *testing.T) {
	fsys := tree.FS(t.Context(), sample())
	for _, name := range []string{"views/newest/output.bin", "views/again/output.bin"} {
		got, err := iofs.ReadFile(fsys, name)
		if err != nil || string(got) != "0123456789" {
			t.Errorf("ReadFile(%s) = %q, %v, want the output", name, got, err)
		}
	}
	st, err := iofs.Lstat(fsys, "views/again")
	if err != nil || st.Mode().Type() != iofs.ModeSymlink {
		t.Errorf("Lstat of a link = %v, %v, want a link", st, err)
	}
	st, err = iofs.Stat(fsys, "views/again")
	if err != nil || !st.IsDir() || st.Name() != "again" {
		t.Errorf("Stat of a link to a folder = %v, %v, want a folder named again", st, err)
	}
	if got, err := iofs.ReadLink(fsys, "views/again"); err != nil || got != "newest" {
		t.Errorf("ReadLink = %q, %v, want newest", got, err)
	}
}

func TestFSErrors(t *testing.T) {
	root := tree.Folder(tree.Ino("root"), when,
		tree.Entry{Name: "loop", Node: tree.Symlink(tree.Ino("loop"), when, "loop")},
		tree.Entry{Name: "out", Node: tree.Symlink(tree.Ino("out"), when, "../etc/passwd")},
		tree.Entry{Name: "abs", Node: tree.Symlink(tree.Ino("abs"), when, "/etc/passwd")},
		tree.Entry{Name: "file", Node: tree.Bytes(tree.Ino("file"), when, nil)},
	)
	fsys := tree.FS(t.Context(), root)
	for name, want := range map[string]error{
		"none":      iofs.ErrNotExist,
		"none/x":    iofs.ErrNotExist,
		"file/x":    tree.ErrNotDir,
		"../x":      iofs.ErrInvalid,
		"loop":      nil,
		"out":       nil,
		"abs":       nil,
		"abs/other": nil,
	} {
		f, err := fsys.Open(name)
		var pathErr *iofs.PathError
		if err == nil || !errors.As(err, &pathErr) || want != nil && !errors.Is(err, want) {
			t.Errorf("Open(%s) = %v, %v, want a PathError with %v", name, f, err, want)
		}
	}
	if _, err := iofs.ReadDir(fsys, "file"); !errors.Is(err, tree.ErrNotDir) {
		t.Errorf("ReadDir of a file = %v, want %v", err, tree.ErrNotDir)
	}
	if _, err := iofs.ReadLink(fsys, "file"); !errors.Is(err, iofs.ErrInvalid) {
		t.Errorf("ReadLink of a file = %v, want %v", err, iofs.ErrInvalid)
	}
}

func TestFSFileSeeks(t *testing.T) {
	f, err := tree.FS(t.Context(), sample()).Open("runs/r1/output.bin")
	if err != nil {
		t.Fatal(err)
	}
	r := f.(interface {
		io.ReadSeeker
		io.ReaderAt
	})
	if at, err := r.Seek(-3, io.SeekEnd); at != 7 || err != nil {
		t.Errorf("Seek(-3, end) = %d, %v, want 7", at, err)
	}
	if got, err := io.ReadAll(r); string(got) != "789" || err != nil {
		t.Errorf("after Seek: %q, %v, want 789", got, err)
	}
	if _, err := r.Seek(-1, io.SeekStart); !errors.Is(err, iofs.ErrInvalid) {
		t.Errorf("Seek before the start = %v, want %v", err, iofs.ErrInvalid)
	}
	p := make([]byte, 4)
	if n, err := r.ReadAt(p, 8); n != 2 || err != io.EOF {
		t.Errorf("ReadAt over the end = %d, %v, want 2, EOF", n, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(p); !errors.Is(err, iofs.ErrClosed) {
		t.Errorf("Read after Close = %v, want %v", err, iofs.ErrClosed)
	}
	if err := f.Close(); !errors.Is(err, iofs.ErrClosed) {
		t.Errorf("second Close = %v, want %v", err, iofs.ErrClosed)
	}
}

// stream is a file of unknown size.
type stream struct{ tree.File }

func (s stream) Peek() (tree.Info, bool) {
	return tree.Info{Mode: tree.FileMode, Size: tree.Unknown}, true
}

func TestFSUnknownSize(t *testing.T) {
	root := tree.Folder(tree.Ino("root"), when,
		tree.Entry{Name: "s", Node: stream{tree.Bytes(tree.Ino("s"), when, []byte("abc"))}})
	fsys := tree.FS(t.Context(), root)
	st, err := iofs.Stat(fsys, "s")
	if err != nil || st.Size() != 0 || st.Sys().(tree.Info).Size != tree.Unknown {
		t.Errorf("Stat = %v, %v, want size 0 and Sys that says unknown", st, err)
	}
	if got, err := iofs.ReadFile(fsys, "s"); string(got) != "abc" || err != nil {
		t.Errorf("ReadFile = %q, %v, want abc", got, err)
	}
	f, err := fsys.Open("s")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.(io.Seeker).Seek(0, io.SeekEnd); !errors.Is(err, iofs.ErrInvalid) {
		t.Errorf("Seek to an unknown end = %v, want %v", err, iofs.ErrInvalid)
	}
}
