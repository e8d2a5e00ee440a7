package catalog

import (
	"testing"
)

func open(t testing.TB, dir string) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func shut(t testing.TB, c *Catalog) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
