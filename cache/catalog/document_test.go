package catalog

import (
	"testing"
	"time"
)

func TestDocuments(t *testing.T) {
	now := sampleStart
	dir := t.TempDir()
	c, err := Open(t.Context(), dir, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Doc(t.Context(), "account")
	wantMissing(t, "unknown document", err)
	for _, step := range []struct {
		body   string
		change bool
	}{{"one", true}, {"one", false}, {"two", true}, {"", true}, {"", false}, {"one", true}} {
		before := now
		now = now.Add(time.Hour)
		want := now
		if !step.change {
			_, want, _ = c.Doc(t.Context(), "account")
			if !want.Before(before.Add(1)) {
				t.Fatalf("document changed at %s, not before %s", want, before)
			}
		}
		changed, err := c.PutDoc(t.Context(), "account", []byte(step.body))
		if err != nil || changed != want {
			t.Errorf("put %q: changed %s, %v; want %s", step.body, changed, err, want)
		}
		shut(t, c)
		if c, err = Open(t.Context(), dir, Options{Now: func() time.Time { return now }}); err != nil {
			t.Fatal(err)
		}
		b, changed, err := c.Doc(t.Context(), "account")
		if err != nil || string(b) != step.body || changed != want {
			t.Errorf("read %q, changed %s, %v; want %q, %s", b, changed, err, step.body, want)
		}
	}
	for range 2 {
		if err := c.DeleteDoc(t.Context(), "account"); err != nil {
			t.Error(err)
		}
	}
	_, _, err = c.Doc(t.Context(), "account")
	wantMissing(t, "deleted document", err)
	shut(t, c)
}
