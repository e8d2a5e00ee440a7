package catalog

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestRuns(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	_, err := c.Run(t.Context(), "b")
	wantMissing(t, "unknown run", err)
	b := Run{ID: "b", Model: "acme/painter", Input: []byte(`{"prompt":"a lighthouse"}`), Started: sampleStart, State: "intent"}
	a := Run{ID: "a", Model: "acme/painter", Version: "hidden", Deployment: "acme/fast", Input: []byte("{}"),
		Started: sampleStart.Add(1), Prediction: "p", State: "sent", Note: "for people"}
	for _, r := range []Run{a, b} {
		if err := c.PutRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	b.Prediction, b.State = "q", "sent"
	if err := c.PutRun(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := c.PutRun(t.Context(), Run{}); err == nil {
		t.Error("a run without an id was accepted")
	}
	shut(t, c)
	c = open(t, dir)
	defer shut(t, c)
	if got, err := c.Runs(t.Context()); err != nil || !reflect.DeepEqual(got, []Run{b, a}) {
		t.Errorf("runs %+v, %v; want %+v", got, err, []Run{b, a})
	}
	if got, err := c.Run(t.Context(), "a"); err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("run %+v, %v; want %+v", got, err, a)
	}
	for range 2 {
		if err := c.DeleteRun(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	}
	if got, err := c.Runs(t.Context()); err != nil || !reflect.DeepEqual(got, []Run{b}) {
		t.Errorf("runs %+v, %v; want %+v", got, err, []Run{b})
	}
}

// TestRunsAreSynced asks SQLite itself what a commit of a run waits for.
func TestRunsAreSynced(t *testing.T) {
	c := open(t, t.TempDir())
	defer shut(t, c)
	for _, test := range []struct {
		name string
		s    *session
		want int
	}{{"bulk", c.file.bulk, 1}, {"safe", c.file.safe, 2}} {
		var got int
		var mode string
		if err := test.s.row(t.Context(), "PRAGMA synchronous", nil, &got); err != nil || got != test.want {
			t.Errorf("%s: synchronous is %d, %v; want %d", test.name, got, err, test.want)
		}
		if err := test.s.row(t.Context(), "PRAGMA journal_mode", nil, &mode); err != nil || mode != "wal" {
			t.Errorf("%s: journal mode is %s, %v; want wal", test.name, mode, err)
		}
	}
}

// TestSync: a sync is a commit that is synced, which takes one that adds to the
// log; where nothing was written since the last, there is none.
func TestSync(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	defer shut(t, c)
	log := func() int64 {
		st, err := os.Stat(filepath.Join(dir, fileName+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	sync := func() int64 {
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		return log()
	}
	for range 2 {
		if _, err := c.PutDoc(t.Context(), "key", []byte{byte(log())}); err != nil {
			t.Fatal(err)
		}
		before := log()
		after := sync()
		if after <= before {
			t.Errorf("a sync added nothing to the log of %d bytes", before)
		}
		if again := sync(); again != after {
			t.Errorf("a sync of nothing added %d bytes to the log", again-after)
		}
	}
}
