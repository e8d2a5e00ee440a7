package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// walk follows the pages of a list and answers the results of each.
func (s *tester) walk(first, key string) [][]map[string]any {
	s.t.Helper()
	var pages [][]map[string]any
	for u := first; u != ""; {
		p := s.want(200, "GET", u, "")
		var one []map[string]any
		for _, r := range p["results"].([]any) {
			one = append(one, r.(map[string]any))
		}
		pages = append(pages, one)
		u, _ = p[key].(string)
		if u != "" && !strings.HasPrefix(u, apiRoot) {
			s.t.Fatalf("%s page is at %q, want an absolute URL of the API", key, u)
		}
	}
	return pages
}

func ids(pages ...[]map[string]any) []string {
	var all []string
	for _, p := range pages {
		for _, r := range p {
			all = append(all, r["id"].(string))
		}
	}
	return all
}

func TestListPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: 230})
		var made []string
		for range 25 {
			made = append([]string{s.create(flux, `{"prompt":"x"}`)["id"].(string)}, made...)
			time.Sleep(time.Millisecond)
		}
		pages := s.walk("/predictions", "next")
		var sizes []int
		for _, p := range pages {
			sizes = append(sizes, len(p))
		}
		if got, want := fmt.Sprint(sizes), "[100 100 55]"; got != want {
			t.Errorf("pages: got %s, want %s", got, want)
		}
		all := ids(pages...)
		if got := all[:25]; fmt.Sprint(got) != fmt.Sprint(made) {
			t.Errorf("newest: got %v, want %v", got, made)
		}
		seen := make(map[string]bool)
		last := ""
		for _, r := range flat(pages) {
			id, at := r["id"].(string), r["created_at"].(string)
			if seen[id] {
				t.Errorf("%s is there twice", id)
			}
			seen[id] = true
			if tm := parse(t, at).Format(time.RFC3339Nano); last != "" && parse(t, last).Before(parse(t, at)) {
				t.Errorf("%s created at %s is after the one before it", id, tm)
			}
			last = at
		}
	})
}

func flat(pages [][]map[string]any) (all []map[string]any) {
	for _, p := range pages {
		all = append(all, p...)
	}
	return all
}

func parse(t *testing.T, at string) time.Time {
	t.Helper()
	tm, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

func TestListPrevious(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: 250})
		first := s.want(200, "GET", "/predictions", "")
		if first["previous"] != nil {
			t.Errorf("previous of the first page: got %v, want null", first["previous"])
		}
		second := s.want(200, "GET", first["next"].(string), "")
		back := s.want(200, "GET", second["previous"].(string), "")
		if got, want := fmt.Sprint(back["results"]), fmt.Sprint(first["results"]); got != want {
			t.Errorf("page before the second is not the first")
		}
		again := s.want(200, "GET", back["next"].(string), "")
		if got, want := fmt.Sprint(again["results"]), fmt.Sprint(second["results"]); got != want {
			t.Errorf("page after that is not the second")
		}
	})
}

// Predictions of the same microsecond must neither be lost nor shown twice.
func TestListTies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		at := s.now()
		for i := range 350 {
			s.Add(Prediction{Model: flux, Status: Succeeded, CreatedAt: at.Add(time.Duration(i/170) * time.Second)})
		}
		all := ids(s.walk("/predictions", "next")...)
		seen := make(map[string]bool)
		for _, id := range all {
			seen[id] = true
		}
		if len(all) != 350 || len(seen) != 350 {
			t.Errorf("got %d entries, %d different, want 350", len(all), len(seen))
		}
	})
}

func TestListFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: 1200, PastModel: "acme/slow"})
		s.Advance(12*24*time.Hour + 13*time.Hour) // some are beyond the reach of source=web
		all := flat(s.walk("/predictions", "next"))
		if len(all) != 1200 {
			t.Fatalf("got %d predictions, want 1200", len(all))
		}
		newer, older := all[120], all[480]
		q := url.Values{"created_after": {older["created_at"].(string)}, "created_before": {newer["created_at"].(string)}}
		got := ids(s.walk("/predictions?"+q.Encode(), "next")...)
		want := ids(all[121:481]) // the first moment is included, the second is not
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("between two times: got %d predictions, want %d", len(got), len(want))
		}
		var web []string
		for _, r := range all {
			if r["source"] == "web" && !parse(t, r["created_at"].(string)).Before(s.now().Add(-14*24*time.Hour)) {
				web = append(web, r["id"].(string))
			}
		}
		if got := ids(s.walk("/predictions?source=web", "next")...); fmt.Sprint(got) != fmt.Sprint(web) {
			t.Errorf("source=web: got %d predictions, want %d", len(got), len(web))
		}
		if len(web) == 0 || len(web) > 600 {
			t.Errorf("source=web covers %d, want some and not all", len(web))
		}
		s.want(422, "GET", "/predictions?source=api", "")
		s.want(422, "GET", "/predictions?created_after=yesterday", "")
		s.want(404, "GET", "/predictions?cursor=nonsense", "")
	})
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(Options{Past: 100_000}).Close()
	}
}

func BenchmarkListPage(b *testing.B) {
	s := New(Options{Past: 100_000})
	defer s.Close()
	cur := cursor{position: s.pastTime(50_000)}
	for b.Loop() {
		got, _, _ := s.page(filter{}, cur)
		if len(got) != pageSize {
			b.Fatal(len(got))
		}
	}
}

func BenchmarkListWeb(b *testing.B) {
	s := New(Options{Past: 100_000})
	defer s.Close()
	for b.Loop() {
		s.page(filter{web: true, after: s.now().Add(-webSpan)}, cursor{})
	}
}

// BenchmarkListAll reads the whole list of a long past, as a first mount does.
func BenchmarkListAll(b *testing.B) {
	s := New(Options{Past: 100_000, Limits: Limits{Other: -1}})
	defer s.Close()
	h := httptest.NewServer(s)
	defer h.Close()
	for b.Loop() {
		n := 0
		for u := h.URL + "/v1/predictions"; u != ""; {
			r, err := http.NewRequest("GET", u, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+DemoToken)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			var p struct {
				Next    string
				Results []json.RawMessage
			}
			if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
				b.Fatal(err)
			}
			res.Body.Close()
			n += len(p.Results)
			u = p.Next
		}
		if n != 100_000 {
			b.Fatal(n)
		}
	}
}
