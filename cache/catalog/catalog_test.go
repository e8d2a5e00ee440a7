package catalog

import (
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	c, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ch, err := c.Put(t.Context(), Record{Prediction{ID: "b", Model: "a/b", Created: time.Now(), Done: true, Full: true, Status: "succeeded"}, []byte(`{"id":"b"}`)},
		Record{Prediction{ID: "a", Model: "a/b", Created: time.Now(), Status: "starting"}, []byte(`{"id":"a"}`)})
	t.Log(ch, err, c.All(), c.Models())
	b, err := c.Raw(t.Context(), "b")
	t.Log(string(b), err)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, err = Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(c.All())
	c.Close()
}
