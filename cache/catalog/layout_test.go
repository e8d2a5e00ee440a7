package catalog

import (
	"fmt"
	"testing"
)

// A layout belongs to the object that it was derived from.
func TestLayout(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	other := open(t, dir)
	defer func() { shut(t, other) }()
	wantLayout := func(when, want string) {
		t.Helper()
		for range 2 {
			if p, _ := c.Prediction("p"); p.Layout != want {
				t.Errorf("%s: layout %q, want %q", when, p.Layout, want)
			}
			if _, err := other.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p, _ := other.Prediction("p"); p.Layout != want {
				t.Errorf("%s, another process: layout %q, want %q", when, p.Layout, want)
			}
			shut(t, c)
			c = open(t, dir)
		}
	}
	with := func(rec Record, layout string) Record {
		rec.Layout = layout
		return rec
	}
	put(t, c, live)
	wantLayout("without one", "")
	put(t, c, with(full, "a b"))
	wantLayout("with the object", "a b")
	put(t, c, with(full, "c"))
	wantLayout("with an object that is not stored", "a b")
	put(t, c, with(expired, "d"))
	wantLayout("after the removal", "a b")
	put(t, c, Record{Prediction: Prediction{ID: "p", Mine: true, Layout: "e"}})
	wantLayout("with no object", "a b")

	if err := c.PutOutputs(t.Context(), "p", map[string]Output{"x": {Size: 5}}); err != nil {
		t.Fatal(err)
	}
	if p, _ := c.Prediction("p"); p.Gone {
		t.Error("an output that is there counts as gone")
	}
	if err := c.PutOutputs(t.Context(), "p", map[string]Output{"y": {Size: 7, Gone: true}}); err != nil {
		t.Fatal(err)
	}
	wantLayout("with an output gone", "a b")
	if p, _ := c.Prediction("p"); !p.Gone {
		t.Error("an output that is gone is not noted")
	}
	if n, err := c.Size(t.Context()); n != 5 || err != nil {
		t.Errorf("size %d, %v; want 5", n, err)
	}
	shut(t, c)
}

// An account of which every prediction looks different does not fill the memory.
func TestLayoutLimit(t *testing.T) {
	c := open(t, t.TempDir())
	var recs []Record
	for i := range maxLayouts + 10 {
		rec := full
		rec.ID, rec.Layout = fmt.Sprint("p", i), fmt.Sprint("layout ", i)
		recs = append(recs, rec)
	}
	put(t, c, recs...)
	if got := len(c.layouts); got != maxLayouts {
		t.Errorf("%d layouts are held, want %d", got, maxLayouts)
	}
	if p, _ := c.Prediction(fmt.Sprint("p", maxLayouts+5)); p.Layout != "" {
		t.Errorf("layout %q beyond the limit", p.Layout)
	}
	rec := full
	rec.ID, rec.Layout = "one more", "layout 0"
	put(t, c, rec)
	if p, _ := c.Prediction("one more"); p.Layout != "layout 0" {
		t.Errorf("layout %q, want one that is held", p.Layout)
	}
	shut(t, c)
}
