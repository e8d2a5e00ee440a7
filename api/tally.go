package api

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// A RequestCount is how many requests of a kind were answered in a way. There
// are few of both: a kind is what was attempted, in the words that errors use,
// such as "read prediction".
type RequestCount struct {
	Kind  string `json:"kind"`
	Class string `json:"class"` // of the status, "2xx"; "none" where no answer came
	Count int64  `json:"count"`
}

// tally counts requests.
type tally struct {
	mu sync.Mutex // guards n
	n  map[RequestCount]int64
}

// add counts one that was answered with a status, or with 0 for none.
func (t *tally) add(kind string, status int) {
	class := "none"
	if status > 0 {
		class = fmt.Sprintf("%dxx", status/100)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[RequestCount]int64{}
	}
	t.n[RequestCount{Kind: kind, Class: class}]++
}

// counts are those so far, sorted.
func (t *tally) counts() []RequestCount {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]RequestCount, 0, len(t.n))
	for c, n := range t.n {
		c.Count = n
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b RequestCount) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Class, b.Class))
	})
	return all
}

// Requests counts what was sent to the API and for event streams, each attempt
// by itself.
func (c *Client) Requests() []RequestCount { return c.sent.counts() }

// Requests counts what was sent to output hosts.
func (c *Content) Requests() []RequestCount { return c.sent.counts() }
