package catalog

import (
	"reflect"
	"testing"
	"time"
)

func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	if got, err := c.Outputs(t.Context(), "p"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("outputs of an unknown prediction: %v, %v; want an empty map", got, err)
	}
	zero := Output{Size: 7, Type: "image/webp", ETag: `"0cc1"`, Modified: sampleStart.In(time.FixedZone("", 3600))}
	one := Output{Size: 0, Gone: true}
	if err := c.PutOutputs(t.Context(), "p", map[string]Output{"output-0.webp": zero}); err != nil {
		t.Fatal(err)
	}
	if err := c.PutOutputs(t.Context(), "p", map[string]Output{"output-1.webp": one}); err != nil {
		t.Fatal(err)
	}
	zero.Modified = sampleStart
	want := map[string]Output{"output-0.webp": zero, "output-1.webp": one}
	for range 2 {
		got, err := c.Outputs(t.Context(), "p")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("outputs %+v, %v; want %+v", got, err, want)
		}
		if got, _ := c.Outputs(t.Context(), "p"); !reflect.DeepEqual(got, want) {
			t.Errorf("outputs from memory %+v, want %+v", got, want)
		}
		shut(t, c)
		c = open(t, dir)
	}
	zero.Spooled = true
	want["output-0.webp"] = zero
	if err := c.PutOutputs(t.Context(), "p", want); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Outputs(t.Context(), "p"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("outputs %+v, %v; want %+v", got, err, want)
	}
	shut(t, c)
}

func TestOutputCache(t *testing.T) {
	c := newOutputCache(2)
	known := func(id string) map[string]Output { return map[string]Output{id: {Size: 1}} }
	keep := func(id string) {
		_, ticket, _ := c.look(id)
		c.keep(id, known(id), ticket)
	}
	holds := func() (ids string) {
		for e := c.order.Front(); e != nil; e = e.Next() {
			ids += e.Value.(*outputEntry).id
		}
		if len(ids) != len(c.byID) {
			t.Errorf("%d in the map, %d in the order", len(c.byID), len(ids))
		}
		return ids
	}
	keep("a")
	keep("b")
	c.look("a")
	keep("c")
	if got, want := holds(), "ca"; got != want {
		t.Errorf("holds %s, want %s", got, want)
	}
	_, ticket, _ := c.look("b")
	c.drop("b") // a write in between
	c.keep("b", known("b"), ticket)
	if got, want := holds(), "ca"; got != want {
		t.Errorf("holds %s, want %s: read before a write", got, want)
	}
	c.dropAll()
	if got := holds(); got != "" {
		t.Errorf("holds %s, want nothing", got)
	}
}
