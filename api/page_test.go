package api

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func ids(list []*Prediction) string {
	var s []string
	for _, p := range list {
		s = append(s, p.ID)
	}
	return strings.Join(s, " ")
}

func TestPredictionPage(t *testing.T) {
	var query url.Values
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.Query()
		answer(w, 200, `{"previous":null,"next":"http://api.replicate.com/v1/predictions?cursor=cD0y%2B3D&extra=1","results":[
			{"id":"a","status":"succeeded"}, {"status":"no id"}, null, 7, {"id":"b","logs":5}, {"id":"../c"}]}`)
	})
	c := n.client(Options{})
	f := Filter{CreatedAfter: time.Date(2026, 1, 2, 4, 4, 5, 6000, time.FixedZone("", 3600)), CreatedBefore: time.Date(2026, 2, 2, 3, 4, 5, 0, time.UTC), Source: "web"}
	p, err := c.PredictionPage(t.Context(), f, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(p.Predictions); got != "a b" || len(p.Bad) != 4 {
		t.Errorf("got %q and %d bad entries, want a b and 4", got, len(p.Bad))
	}
	want := url.Values{"created_after": {"2026-01-02T03:04:05.000006Z"}, "created_before": {"2026-02-02T03:04:05Z"}, "source": {"web"}}
	if query.Encode() != want.Encode() {
		t.Errorf("query %v, want %v", query, want)
	}
	if _, err := c.PredictionPage(t.Context(), f, p.Next); err != nil {
		t.Fatal(err)
	}
	want.Set("cursor", "cD0y+3D")
	want.Set("extra", "1")
	if query.Encode() != want.Encode() {
		t.Errorf("query of page 2 %v, want %v", query, want)
	}
	if r := n.requests()[1]; r.URL.Path != "/base/v1/predictions" || r.Host != "127.0.0.1:1" {
		t.Errorf("page 2 went to %s %s", r.Host, r.URL.Path)
	}
}

// The token goes where the base URL says, whatever next says.
func TestNextElsewhere(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{"next":null,"results":[]}`) })
	c := n.client(Options{})
	for _, tt := range []struct {
		next string
		ok   bool
	}{
		{"https://evil.example/v1/predictions?cursor=x", true}, // our host, its query
		{"https://evil.example:99/base/v1/predictions?cursor=x", true},
		{"/v1/predictions?cursor=x", true},
		{"//evil.example/predictions?cursor=x", true},
		{"https://api.replicate.com/v1/predictions/?cursor=x", true},
		{"https://api.replicate.com/v1/files?cursor=x", false},
		{"https://api.replicate.com/v1/predictions/abc/cancel?cursor=x", false},
		{"https://api.replicate.com/?x=/predictions", false},
		{"javascript:alert(1)", false},
		{"::", false},
		{"https://a/predictions?x=" + strings.Repeat("y", 9<<10), false},
	} {
		_, err := c.PredictionPage(t.Context(), Filter{}, tt.next)
		if tt.ok && err != nil || !tt.ok && !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("next %.60q: %v, want accepted %v", tt.next, err, tt.ok)
		}
	}
	for _, r := range n.requests() {
		if r.Host != "127.0.0.1:1" || r.URL.Path != "/base/v1/predictions" {
			t.Errorf("a page was read from %s%s", r.Host, r.URL.Path)
		}
	}
	for _, addr := range n.dialed {
		if addr != "127.0.0.1:1" {
			t.Errorf("dialed %s", addr)
		}
	}
}

func TestPredictions(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("cursor") {
		case "":
			answer(w, 200, `{"next":"https://h/v1/predictions?cursor=2","results":[{"id":"a"},{"id":"b"}]}`)
		case "2":
			answer(w, 200, `{"next":"https://h/v1/predictions?cursor=3","results":[{"bad":1},{"id":"c"}]}`)
		default:
			answer(w, 200, `{"next":"","results":[]}`)
		}
	})
	c := n.client(Options{})
	var got []*Prediction
	for p, err := range c.Predictions(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	if ids(got) != "a b c" || len(n.requests()) != 3 {
		t.Errorf("got %s by %d requests, want a b c by 3", ids(got), len(n.requests()))
	}
	for range c.Predictions(t.Context(), Filter{}) {
		break
	}
	if len(n.requests()) != 4 {
		t.Errorf("an iteration that is left goes on: %d requests, want 4", len(n.requests()))
	}
}

func TestRepeatedCursor(t *testing.T) {
	for name, next := range map[string]func(n int) int{
		"itself": func(n int) int { return 1 },
		"circle": func(n int) int { return n%3 + 1 },
	} {
		page := 0
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
			answer(w, 200, fmt.Sprintf(`{"next":"https://h/v1/predictions?cursor=%d","results":[{"id":"p%d"}]}`, next(page), page))
			page++
		})
		var last error
		entries := 0
		for _, err := range n.client(Options{}).Predictions(t.Context(), Filter{}) {
			if last = err; err != nil {
				break
			}
			if entries++; entries > 100 {
				t.Fatal("goes round for ever")
			}
		}
		if !errors.Is(last, ErrCursor) {
			t.Errorf("%s: ended with %v, want ErrCursor", name, last)
		}
	}
}

func TestPageFailsLater(t *testing.T) {
	n := newNetwork(t, script(says(200, `{"next":"/v1/predictions?cursor=2","results":[{"id":"a"}]}`), says(403, `{}`)))
	var got []string
	for p, err := range n.client(Options{}).Predictions(t.Context(), Filter{}) {
		switch {
		case err == nil:
			got = append(got, p.ID)
		case p != nil:
			t.Errorf("an error came with %+v", p)
		case errors.Is(err, iofs.ErrPermission):
			got = append(got, "refused")
		}
	}
	if fmt.Sprint(got) != "[a refused]" {
		t.Errorf("got %v, want [a refused]", got)
	}
}

func TestPageUnreadable(t *testing.T) {
	for _, body := range []string{``, `[]`, `{}`, `{"results":null}`, `{"results":{}}`, `<html>`} {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, body) })
		c := n.client(Options{Retry: Retry{Tries: 1}})
		if _, err := c.PredictionPage(t.Context(), Filter{}, ""); !errors.Is(err, ErrUnreadable) {
			t.Errorf("page %q: %v, want ErrUnreadable", body, err)
		}
	}
}
