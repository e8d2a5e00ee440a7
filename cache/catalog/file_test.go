package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReplacedFile takes the file away under an open catalog, as a person might,
// or another process that found it damaged.
func TestReplacedFile(t *testing.T) {
	dir := t.TempDir()
	other := t.TempDir()
	c := open(t, other)
	put(t, c, Record{Prediction: Prediction{ID: "other"}, Raw: []byte("other")})
	shut(t, c)

	c, log := openLogged(t, dir)
	put(t, c, full)
	if err := os.Rename(dir, dir+".gone"); err != nil {
		t.Fatal(err)
	}
	put(t, c, Record{Prediction: Prediction{ID: "q"}, Raw: []byte("object of q")})
	if got, _ := c.Refresh(t.Context()); !slices.Equal(got, []string{"p"}) || c.Len() != 1 {
		t.Errorf("%d predictions, changed %v; want what the new file has, and p gone", c.Len(), got)
	}
	_, err := c.Raw(t.Context(), "p")
	wantMissing(t, "object of the file that is gone", err)
	wantRaw(t, c, "q", "object of q")

	for _, suffix := range []string{"", "-wal", "-shm"} { // as replace does
		if err := os.Rename(filepath.Join(dir, fileName+suffix), filepath.Join(dir, fileName+".corrupt-x"+suffix)); err != nil && suffix == "" {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(other, fileName), filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Refresh(t.Context()); err != nil || !slices.Equal(got, []string{"other", "q"}) {
		t.Errorf("refresh after the exchange: %v, %v", got, err)
	}
	wantRaw(t, c, "other", "other")
	put(t, c, full)
	if got := strings.Count(log.String(), "was replaced"); got != 2 {
		t.Errorf("%d warnings, want 2: %s", got, log)
	}
	shut(t, c)
	c = open(t, dir)
	defer shut(t, c)
	wantRaw(t, c, "p", "full")
	wantRaw(t, c, "other", "other")
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, t.TempDir(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("opened with an ended context: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	dir := t.TempDir()
	c := &Catalog{path: filepath.Join(dir, fileName)}
	unlock, err := c.lockFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := Open(ctx, dir, Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("opened while another process does: %v", err)
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Open(t.Context(), filepath.Join(file, "dir"), Options{}); err == nil {
		shut(t, c)
		t.Error("opened in a folder that cannot be made")
	}
}
