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

// A document that tells when it was made changed then, as far as that is news.
func TestDocumentTold(t *testing.T) {
	now := sampleStart
	c, err := Open(t.Context(), t.TempDir(), Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, c)
	for _, step := range []struct {
		text           string
		told, at, want time.Duration
	}{
		{"a", -5, 0, -5}, // not known before
		{"a", -3, 1, -5}, // the same
		{"b", -3, 2, -3}, // made later
		{"c", -3, 3, 3},  // changed, and does not say when
		{"d", 9, 4, 4},   // from the future
	} {
		now = sampleStart.Add(step.at * time.Hour)
		got, err := c.PutDocTold(t.Context(), "model", []byte(step.text), sampleStart.Add(step.told*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if want := sampleStart.Add(step.want * time.Hour); !got.Equal(want) {
			t.Errorf("%s changed at %v, want %v", step.text, got, want)
		}
	}
}
