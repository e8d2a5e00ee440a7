package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzRetryAfter: whatever a server tells about waiting, it is no time before
// now, and no more than a day.
func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "", 0.0, "")
	f.Add("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:27:00 GMT", 0.0, "")
	f.Add("1e300", "x", -1.0, "resets in ~30s")
	f.Add("NaN", "", 1e300, "Expected available in 1 second.")
	f.Add("-5", "", 0.5, "in 999999s")
	f.Fuzz(func(t *testing.T, header, date string, field float64, detail string) {
		h := http.Header{"Retry-After": {header}, "Date": {date}}
		if d := retryAfter(h, field, detail); d < 0 || d > 24*time.Hour {
			t.Errorf("wait %v", d)
		}
	})
}

// FuzzPage: no page of a list loses or makes up an entry, and the next one is
// of the same list, at the same host, with the same filters.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"previous":null,"next":"https://api.replicate.com/v1/predictions?cursor=x","results":[{"id":"a","status":"starting"},7]}`))
	f.Add([]byte(`{"next":"http://10.0.0.1/v1/predictions/?cursor=%00&created_before=2020","results":[]}`))
	f.Add([]byte(`{"next":7,"results":[null]}`))
	f.Add([]byte(`{"next":"/v1/predictions#x","results":{}}`))
	f.Add([]byte(`{"next":"//user:pw@evil.example/predictions?a=b;c","results":[[[]]]}`))
	c, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { c.Close() })
	l := predictions(Filter{})
	filter := url.Values{"created_after": {"2026-11-26"}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := l.page(raw)
		if err != nil {
			return
		}
		for _, item := range p.items {
			if item == nil || item.ID == "" {
				t.Errorf("an entry is %+v", item)
			}
		}
		query, err := c.follow(l.path, filter, p.next)
		if err != nil {
			if msg := err.Error(); len(msg) > 1000 || strings.ContainsAny(msg, "\n\x1b\x00") {
				t.Errorf("the message is %q", msg)
			}
			return
		}
		if !query.Has("created_after") {
			t.Errorf("the page after %q has no filter: %v", p.next, query)
		}
	})
}
