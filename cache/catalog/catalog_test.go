package catalog

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t testing.TB, dir string) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openLogged is open, with what was logged from Warn on.
func openLogged(t testing.TB, dir string) (*Catalog, *log) {
	t.Helper()
	l := &log{}
	c, err := Open(t.Context(), dir, Options{Log: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	return c, l
}

type log struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func shut(t testing.TB, c *Catalog) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func put(t testing.TB, c *Catalog, recs ...Record) []string {
	t.Helper()
	changed, err := c.Put(t.Context(), recs...)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func wantRaw(t testing.TB, c *Catalog, id, want string) {
	t.Helper()
	got, err := c.Raw(t.Context(), id)
	if err != nil || string(got) != want {
		t.Errorf("object of %s: %.60q, %v; want %.60q", id, got, err, want)
	}
}

func wantMissing(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("%s: error %v, want one that is io/fs.ErrNotExist", what, err)
	}
}

// sample is n complete predictions, sorted by id.
func sample(seed uint64, n int) []Record {
	s := newSampler(seed)
	recs := make([]Record, n)
	for i := range recs {
		recs[i] = s.full(i)
	}
	slices.SortFunc(recs, func(a, b Record) int { return strings.Compare(a.ID, b.ID) })
	return recs
}

func rowsOf(recs []Record) []Prediction {
	var rows []Prediction
	for _, rec := range recs {
		rows = append(rows, rec.Prediction)
	}
	return rows
}

func TestPersistence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a?mode=ro", "50% #é b") // no name breaks the address of the file
	recs := sample(1, 1000)
	c := open(t, dir)
	for page := range slices.Chunk(recs, 100) {
		var want []string
		for _, rec := range page {
			want = append(want, rec.ID)
		}
		if changed := put(t, c, page...); !slices.Equal(changed, want) {
			t.Errorf("put changed %v, want %v", changed, want)
		}
	}
	check := func() {
		t.Helper()
		if got := c.All(); !slices.Equal(got, rowsOf(recs)) {
			t.Errorf("%d predictions, not as they were put", len(got))
		}
		for _, rec := range recs[:50] {
			wantRaw(t, c, rec.ID, string(rec.Raw))
			if p, ok := c.Prediction(rec.ID); !ok || p != rec.Prediction {
				t.Errorf("prediction %+v, %v; want %+v", p, ok, rec.Prediction)
			}
		}
	}
	check()
	shut(t, c)
	c = open(t, dir)
	defer shut(t, c)
	check()

	revision := c.Revision()
	if changed := put(t, c, recs...); len(changed) != 0 || c.Revision() != revision {
		t.Errorf("the same again changed %v, revision %d to %d", changed, revision, c.Revision())
	}
	_, err := c.Raw(t.Context(), "unknown")
	wantMissing(t, "unknown object", err)
	_, err = c.Expired(t.Context(), recs[0].ID)
	wantMissing(t, "expired copy of a complete object", err)
	if _, err := c.Put(t.Context(), Record{}); err == nil {
		t.Error("a record without an id was accepted")
	}
}

// TestPutMerges brings copies through the file: each outcome must be the one
// that the pure merge has, also after opening it again.
func TestPutMerges(t *testing.T) {
	palette := []Record{queued, live, later, partial, full, again, expired, failed, claim, ended}
	dir := t.TempDir()
	c := open(t, dir)
	n := len(palette)
	want := map[string]*stored{}
	for _, step := range []int{1, n, n * n} {
		var recs []Record
		for i := range n * n * n {
			rec := palette[i/step%n]
			rec.ID = fmt.Sprintf("p%03d", i)
			recs = append(recs, rec)
			if want[rec.ID] == nil {
				want[rec.ID] = &stored{}
			}
			want[rec.ID].put(rec)
		}
		put(t, c, recs...)
	}
	for range 2 {
		for id, s := range want {
			if p, _ := c.Prediction(id); p != s.row.prediction() {
				t.Errorf("%s:\n got %+v\nwant %+v", id, p, s.row.prediction())
			}
			body, err := c.Raw(t.Context(), id)
			if string(body) != s.body || (err != nil) != (s.body == "") {
				t.Errorf("%s: object %q, %v; want %q", id, body, err, s.body)
			}
			beside, err := c.Expired(t.Context(), id)
			if string(beside) != s.aside || (err != nil) != (s.aside == "") {
				t.Errorf("%s: expired copy %q, %v; want %q", id, beside, err, s.aside)
			}
		}
		shut(t, c)
		c = open(t, dir)
	}
	shut(t, c)
}

func TestPutReportsChanges(t *testing.T) {
	c := open(t, t.TempDir())
	defer shut(t, c)
	for _, step := range []struct {
		name string
		rec  Record
		want bool
	}{
		{"new", live, true},
		{"the same poll", live, false},
		{"more output", with2(live, "more"), true},
		{"claimed", claim, true},
		{"claimed again", claim, false},
		{"the end", full, true},
		{"the end again", full, false},
		{"a late poll", later, false},
		{"removed", expired, true},
		{"still removed", expired, false},
	} {
		revision := c.Revision()
		changed := put(t, c, step.rec, step.rec)
		if got := slices.Equal(changed, []string{"p"}); got != step.want || len(changed) > 1 {
			t.Errorf("%s: changed %v, want a change %v", step.name, changed, step.want)
		}
		if grew := c.Revision() > revision; grew != step.want {
			t.Errorf("%s: revision grew %v, want %v", step.name, grew, step.want)
		}
	}
}

func TestGroups(t *testing.T) {
	c := open(t, t.TempDir())
	defer shut(t, c)
	at := func(n int) time.Time { return sampleStart.Add(time.Duration(n) * time.Minute) }
	a := Prediction{ID: "a", Model: "acme/painter", Status: "starting", Created: at(3)}
	b := Prediction{ID: "b", Model: "acme/painter", Status: "succeeded", Created: at(5), Done: true, Deployment: "acme/fast"}
	d := Prediction{ID: "d", Model: "acme/writer", Status: "succeeded", Created: at(1), Done: true}
	put(t, c, Record{Prediction: d}, Record{Prediction: b}, Record{Prediction: a})

	got := func(walk func(func(Prediction) bool)) (ids string) {
		for p := range walk {
			ids += p.ID
		}
		return ids
	}
	check := func(name, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	check("by id", got(c.ByID()), "abd")
	check("by created", got(c.ByCreated()), "bad")
	check("painter", got(c.ByModel("acme/painter")), "ab")
	check("unknown model", got(c.ByModel("acme/unknown")), "")
	check("succeeded", got(c.ByStatus("succeeded")), "bd")
	check("fast", got(c.ByDeployment("acme/fast")), "b")
	check("unfinished", got(c.Unfinished()), "a")
	if got, want := c.Models(), []Group{{"acme/painter", 2, b}, {"acme/writer", 1, d}}; !slices.Equal(got, want) {
		t.Errorf("models %+v, want %+v", got, want)
	}
	if got, want := c.Statuses(), []Group{{"starting", 1, a}, {"succeeded", 2, b}}; !slices.Equal(got, want) {
		t.Errorf("statuses %+v, want %+v", got, want)
	}
	if got, want := c.Deployments(), []Group{{"acme/fast", 1, b}}; !slices.Equal(got, want) {
		t.Errorf("deployments %+v, want %+v", got, want)
	}
	if got, want := c.Model("acme/unknown"), (Group{Name: "acme/unknown"}); got != want {
		t.Errorf("unknown model: %+v, want %+v", got, want)
	}

	walk := c.ByStatus("starting") // the moment of the call
	a.Status, a.Done = "succeeded", true
	put(t, c, Record{Prediction: a})
	check("walk from before", got(walk), "a")
	check("starting", got(c.ByStatus("starting")), "")
	check("unfinished", got(c.Unfinished()), "")
	if got, want := c.Statuses(), []Group{{"succeeded", 3, b}}; !slices.Equal(got, want) {
		t.Errorf("statuses %+v, want %+v", got, want)
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "catalog")
	c := open(t, dir)
	put(t, c, full)
	want := map[string]os.FileMode{".": 0o700, "catalog.db": 0o600, "catalog.db-wal": 0o600, "catalog.db-shm": 0o600, "catalog.db.lock": 0o600}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if got := info.Mode().Perm(); got != mode {
			t.Errorf("%s has mode %o, want %o", name, got, mode)
		}
	}
	shut(t, c)
	if err := os.Chmod(filepath.Join(dir, "catalog.db"), 0o644); err != nil {
		t.Fatal(err)
	}
	shut(t, open(t, dir))
	if info, err := os.Stat(filepath.Join(dir, "catalog.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want it narrowed to 600", info.Mode(), err)
	}
}

func TestClosed(t *testing.T) {
	c := open(t, t.TempDir())
	put(t, c, full)
	shut(t, c)
	shut(t, c)
	if _, err := c.Put(t.Context(), live, Record{Prediction: Prediction{ID: "q"}}); err == nil {
		t.Error("put after close succeeded")
	}
	if _, err := c.Raw(t.Context(), "p"); err == nil || errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("read after close: %v, want an error, but not that it does not exist", err)
	}
	if _, err := c.Refresh(t.Context()); err == nil {
		t.Error("refresh after close succeeded")
	}
	if got := c.Len(); got != 1 {
		t.Errorf("%d predictions, want the list to answer as before", got)
	}
}
