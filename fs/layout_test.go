package fs

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/cache/catalog"
)

// A layout says the same names and kinds as the plan that it was made of,
// unless another mount would plan otherwise.
func TestLayout(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	for _, test := range []struct {
		name, object string
		none         bool
	}{
		{name: "one file", object: `{"id":"p","status":"succeeded","input":{"prompt":"x"},"output":"https://replicate.delivery/x/out.png"}`},
		{name: "list", object: `{"id":"p","status":"succeeded","metrics":{"a":1},"output":["https://replicate.delivery/x/out.png","https://replicate.delivery/y/out.png"]}`},
		{name: "other hosts", object: `{"id":"p","status":"failed","error":"no","input":{"image":"https://example.com/a.png","more":["https://replicate.delivery/b.png"]}}`},
		{name: "removed", object: `{"id":"p","status":"succeeded","data_removed":true,"input":{},"output":null}`},
		{name: "running", object: `{"id":"p","status":"processing"}`, none: true},
		{name: "long", object: `{"id":"p","status":"succeeded","output":[` + strings.Repeat(`"https://replicate.delivery/x/out.png",`, 200) + `"https://replicate.delivery/x/out.png"]}`, none: true},
		{name: "hostile names", object: `{"id":"p","status":"succeeded","output":{"a\nb":"https://replicate.delivery/x/out.png","+c":"d","../e":"f"}}`},
	} {
		p, err := api.ParsePrediction([]byte(test.object))
		if err != nil {
			t.Fatal(err)
		}
		text := w.layoutOf(p)
		if text == "" != test.none {
			t.Errorf("%s: layout %q", test.name, text)
		}
		if text == "" {
			continue
		}
		got := w.layout(text)
		if got == nil {
			t.Errorf("%s: layout %q does not hold", test.name, text)
			continue
		}
		want := w.plan(p)
		slices.SortFunc(want, func(a, b item) int { return strings.Compare(a.name, b.name) })
		same := slices.EqualFunc(got.all, want, func(a, b item) bool { return a.name == b.name && a.kind == b.kind })
		if !same {
			t.Errorf("%s: layout %v, want %v", test.name, got.all, want)
		}
	}
	for _, text := range []string{"", "0\n0status", "1\n+https://example.com/\n0status", "1\n-https://replicate.delivery/\n0status", "1\n\n0status"} {
		if items := w.layout(text); items != nil {
			t.Errorf("layout %q holds: %v", text, items.all)
		}
	}
}

// A folder whose layout is known is listed without reading its object.
func TestListingReadsNothing(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	p, err := api.ParsePrediction([]byte(`{"id":"p","status":"succeeded","logs":"","input":{"prompt":"x"},"output":"https://replicate.delivery/x/out.png"}`))
	if err != nil {
		t.Fatal(err)
	}
	w.note(t.Context(), p)
	before, _ := w.catalog.Prediction("p")
	if before.Layout == "" {
		t.Fatal("no layout")
	}
	if _, err := w.catalog.Put(t.Context(), catalog.Record{Prediction: before, Raw: json.RawMessage(`{"id":"p"}`)}); err != nil {
		t.Fatal(err)
	}
	if got, want := w.names("predictions/p"), "input.json logs.txt output.json output.png prediction.json prompt.txt status"; got != want {
		t.Errorf("names %s, want %s", got, want)
	}
	if w.folders.small.Len() != 0 {
		t.Error("the object was read for a listing")
	}
}

// What another process with the same catalog learned shows here.
func TestNeighbours(t *testing.T) {
	one := newWorld(t, sim.Options{Speed: sim.Instant}, Options{Wait: 60e9})
	two := mountWorld(t, one.sim, one.dir, Options{})
	if err := one.save(painter+"/prompt.txt", "a lion"); err != nil {
		t.Fatal(err)
	}
	if err := two.pollNeighbours(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := two.names("predictions"), one.names("predictions"); got != want || got == "" {
		t.Errorf("the neighbour has %q, want %q", got, want)
	}
}
