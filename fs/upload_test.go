package fs

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// put writes a file into files/ as cp does, and returns the result of close().
func (w *world) put(name, content string) error {
	w.t.Helper()
	return w.write(w.t.Context(), name, content)
}

func (w *world) write(ctx context.Context, name, content string) error {
	w.t.Helper()
	var node tree.Saver
	made, err := w.uploads.Create(ctx, name)
	switch {
	case errors.Is(err, iofs.ErrExist):
		node = must(w.at("files/" + name)).(tree.Saver)
	case err != nil:
		return err
	default:
		node = made
	}
	d, err := node.Save(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	if d.Size() > 0 {
		if err := d.Truncate(ctx, 0); err != nil {
			return err
		}
	}
	if _, err := d.WriteAt(ctx, []byte(content), 0); err != nil {
		d.Commit(ctx) // as a program that closes what it could not write
		return err
	}
	return d.Commit(ctx)
}

// stat is the names, sizes and modes of files/.
func (w *world) stat(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, name := range strings.Fields(w.names("files")) {
		info := must(must(w.at("files/" + name)).Info(t.Context()))
		b.WriteString(strings.Join([]string{name, info.Mode.String(), ""}, " "))
	}
	return strings.TrimSpace(b.String())
}

// What is copied in is uploaded once, is listed, can be read here, given to a
// model by its address, and deleted.
func TestUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		if err := w.put("photo.jpg", "a photo"); err != nil {
			t.Fatal(err)
		}
		if n := w.sim.Count("POST", "/v1/files"); n != 1 {
			t.Errorf("%d uploads, want 1", n)
		}
		if got, want := w.stat(t), "photo.jpg -rw-r--r--"; got != want {
			t.Errorf("files/ has %q, want %q", got, want)
		}
		if got := w.read("files/photo.jpg"); got != "a photo" {
			t.Errorf("it reads as %q", got)
		}
		for file, err := range w.api.Files(t.Context()) {
			if err != nil || file.Name != "photo.jpg" || file.Type != "image/jpeg" || file.Size != 7 {
				t.Errorf("Replicate has %+v, %v", file, err)
			}
		}
		if err := w.uploads.Remove(t.Context(), "photo.jpg", false); err != nil {
			t.Fatal(err)
		}
		if got := w.names("files"); got != "" {
			t.Errorf("after rm there is %q", got)
		}
		if n := w.sim.Count("DELETE", "/v1/files/*"); n != 1 {
			t.Errorf("%d deletions, want 1", n)
		}
		if left, _ := os.ReadDir(w.uploads.dir); len(left) > 0 {
			t.Errorf("after rm the disk has %v", left)
		}
	})
}

// Files that were uploaded elsewhere are listed with a name each, can be
// deleted and written over, and cannot be read.
func TestUploadsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		for _, name := range []string{"cat.png", "cat.png", "a/b", "error.txt", ".hidden"} {
			if _, err := w.api.Upload(t.Context(), name, "", strings.NewReader("x"), 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		want := ".hidden --w------- a_b --w------- cat-2.png --w------- cat.png --w------- error-2.txt --w-------"
		if got := w.stat(t); got != want {
			t.Errorf("files/ has %q, want %q", got, want)
		}
		if _, err := must(w.at("files/cat.png")).(tree.File).Open(t.Context()); !errors.Is(err, iofs.ErrPermission) {
			t.Errorf("open: %v, want a refusal", err)
		}
		d := must(must(w.at("files/cat.png")).(tree.Saver).Save(t.Context()))
		if _, err := d.WriteAt(t.Context(), []byte("more"), 1); !errors.Is(err, iofs.ErrPermission) {
			t.Errorf("append to what cannot be read: %v", err)
		}
		d.Close() // after that there is no Commit
		// The older of the two goes, and its name with it; the other keeps its own.
		if err := w.uploads.Remove(t.Context(), "cat.png", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := w.names("files"); got != ".hidden a_b cat-2.png error-2.txt" {
			t.Errorf("after rm there is %q", got)
		}
		time.Sleep(24 * time.Hour)
		if got := w.names("files"); got != "" {
			t.Errorf("after a day there is %q", got)
		}
	})
}

// What is written over a file takes its place when it is uploaded; what fails
// leaves the one before.
func TestUploadOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		for _, content := range []string{"one", "another"} {
			if err := w.put("x.txt", content); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.read("files/x.txt"); got != "another" {
			t.Errorf("x.txt says %q", got)
		}
		time.Sleep(time.Minute)
		if got := w.names("files"); got != "x.txt" {
			t.Errorf("files/ has %q, want one file", got)
		}
		d := must(must(w.at("files/x.txt")).(tree.Saver).Save(t.Context()))
		if _, err := d.WriteAt(t.Context(), []byte(" lion"), d.Size()); err != nil {
			t.Fatal(err)
		}
		if err := d.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.Close()
		if got := w.read("files/x.txt"); got != "another lion" {
			t.Errorf("appended to, x.txt says %q", got)
		}
		w.sim.Inject(sim.Fault{Method: "POST", Path: "/v1/files", Status: 400, Body: `{"detail":"no"}`})
		if err := w.put("x.txt", "worse"); err == nil {
			t.Error("a refused upload is no error")
		}
		if got := w.read("files/x.txt"); got != "another lion" {
			t.Errorf("after a refused upload x.txt says %q", got)
		}
		if got := w.read("files/error.txt"); !strings.Contains(got, "x.txt was not uploaded") {
			t.Errorf("error.txt says %q", got)
		}
		if err := w.put("x.txt", "better"); err != nil {
			t.Fatal(err)
		}
		if got := w.names("files"); got != "x.txt" {
			t.Errorf("after a good upload there is %q", got)
		}
	})
}

// Nothing is uploaded that was not written whole and under its own name.
func TestNotUploaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		check := func(what string) {
			t.Helper()
			if n := w.sim.Count("POST", "/v1/files"); n != 0 {
				t.Errorf("%s was uploaded", what)
			}
		}
		d := must(must(w.uploads.Create(t.Context(), "big.bin")).Save(t.Context()))
		if _, err := d.WriteAt(t.Context(), []byte("beginning"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := d.WriteAt(t.Context(), []byte("x"), api.MaxUpload); !errors.Is(err, tree.ErrTooLarge) {
			t.Errorf("past the limit: %v", err)
		}
		d.Close() // after that there is no Commit
		check("the beginning of a file that is too large")
		if got := w.read("files/error.txt"); !strings.Contains(got, "big.bin") || !strings.Contains(got, "100 MB") {
			t.Errorf("error.txt says %q", got)
		}

		d = must(must(w.uploads.Create(t.Context(), "killed.bin")).Save(t.Context()))
		d.WriteAt(t.Context(), []byte("half"), 0)
		if got := w.names("files"); got != "error.txt killed.bin" {
			t.Errorf("while it is written there is %q", got)
		}
		d.Close()
		check("a file that was never completed")
		must(must(w.uploads.Create(t.Context(), "touched")).Save(t.Context())).Close()
		check("an empty file")
		for _, name := range []string{".x.swp", "x~", "x.tmp", "4913", ".photo.jpg.Xy12aB", "#x#"} {
			if err := w.put(name, "temporary"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := w.read("files/" + name); got != "temporary" {
				t.Errorf("%s says %q", name, got)
			}
		}
		check("a temporary file")
		if err := w.uploads.Rename(t.Context(), ".photo.jpg.Xy12aB", w.uploads, "photo.jpg"); err != nil {
			t.Errorf("moved to its name: %v", err)
		}
		if got := w.read("files/photo.jpg"); got != "temporary" || w.sim.Count("POST", "/v1/files") != 1 {
			t.Errorf("moved to its name it says %q, with %d uploads", got, w.sim.Count("POST", "/v1/files"))
		}
		for _, name := range []string{".x.swp", "x~", "x.tmp", "4913", "#x#"} {
			if err := w.uploads.Remove(t.Context(), name, false); err != nil {
				t.Errorf("rm %s: %v", name, err)
			}
		}
		if got := w.names("files"); got != "photo.jpg" {
			t.Errorf("at the end there is %q", got)
		}
		if left, _ := os.ReadDir(w.uploads.dir); len(left) != 1 {
			t.Errorf("at the end the disk has %v, want one copy", left)
		}
		for name, want := range map[string]error{"error.txt": tree.ErrReadOnly, "a\nb": iofs.ErrInvalid, "photo.jpg": iofs.ErrExist} {
			if _, err := w.uploads.Create(t.Context(), name); !errors.Is(err, want) {
				t.Errorf("create %q: %v, want %v", name, err, want)
			}
		}
		if err := w.uploads.Rename(t.Context(), "photo.jpg", w.uploads, "other.jpg"); !errors.Is(err, tree.ErrReadOnly) {
			t.Errorf("rename an uploaded file: %v", err)
		}
	})
}

// An interrupt ends an upload, and nothing of it is there.
func TestUploadInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		hold := make(chan struct{})
		w.sim.Inject(sim.Fault{Method: "POST", Path: "/v1/files", Hold: hold})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.write(ctx, "x.bin", "x"); err == nil {
			t.Error("an interrupted upload is no error")
		}
		close(hold)
		synctest.Wait()
		time.Sleep(time.Minute)
		if got := w.names("files"); got != "error.txt" {
			t.Errorf("after an interrupt there is %q", got)
		}
	})
}

// After a remount the list is there without the API, with the same names and
// numbers, and what was uploaded here can be read.
func TestUploadsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := newWorld(t, sim.Options{}, Options{})
		if _, err := a.api.Upload(t.Context(), "mine.txt", "", strings.NewReader("x"), 1); err != nil {
			t.Fatal(err)
		}
		first := mountWorld(t, a.sim, dir, Options{})
		first.names("files")
		if err := first.put("other.txt", "ours"); err != nil {
			t.Fatal(err)
		}
		number := must(first.at("files/other.txt")).Ino()
		first.Close()
		first.catalog.Close()
		first.cache.Close()
		crash := filepath.Join(first.uploads.dir, "spool-of-a-crash")
		if err := errors.Join(os.WriteFile(crash, nil, 0o600), os.Chtimes(crash, time.Time{}, time.Now().Add(-48*time.Hour))); err != nil {
			t.Fatal(err)
		}
		a.sim.Inject(sim.Fault{Host: sim.API, Path: "/v1/files*", Status: 500, Times: -1})
		w := mountWorld(t, a.sim, dir, Options{ReadOnly: true})
		if got, want := w.stat(t), "mine.txt ---------- other.txt -r--r--r--"; got != want {
			t.Errorf("without the API there is %q, want %q", got, want)
		}
		if _, err := os.Stat(crash); err == nil {
			t.Error("what a crash left behind long ago is still there")
		}
		if got := w.read("files/other.txt"); got != "ours" {
			t.Errorf("after a remount it says %q", got)
		}
		if got := must(w.at("files/other.txt")).Ino(); got != number {
			t.Errorf("after a remount its number is %d, was %d", got, number)
		}
		if err := w.put("new.txt", "x"); !errors.Is(err, tree.ErrReadOnly) {
			t.Errorf("a read-only mount: %v", err)
		}
		if err := w.uploads.Remove(t.Context(), "other.txt", false); !errors.Is(err, tree.ErrReadOnly) {
			t.Errorf("rm in a read-only mount: %v", err)
		}
	})
}
