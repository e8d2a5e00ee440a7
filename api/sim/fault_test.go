package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultsOfDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		data := bytes.Repeat([]byte("0123456789"), 1000)
		u := s.put(NewFile("a.bin", data))[0]
		plain := s.do("GET", u, "")
		ranged := []string{"Range", "bytes=100-199"}
		type result struct {
			*answered
			err error
		}
		for _, c := range []struct {
			name   string
			fault  Fault
			method string
			header []string
			ok     func(result) bool
		}{
			{"cut", Fault{CutAfter: 4000}, "GET", nil, func(r result) bool { return r.err == io.ErrUnexpectedEOF && len(r.body) == 4000 }},
			{"cut at once", Fault{CutAfter: -1}, "GET", nil, func(r result) bool { return r.err == io.ErrUnexpectedEOF && len(r.body) == 0 }},
			{"no range", Fault{NoRange: true}, "GET", ranged, func(r result) bool { return r.status == 200 && len(r.body) == 10000 }},
			{"wrong range", Fault{WrongRange: true}, "GET", ranged, func(r result) bool {
				return r.status == 206 && r.header.Get("Content-Range") == "bytes 200-299/10000" && len(r.body) == 100
			}},
			{"changed", Fault{ChangeETag: true}, "GET", append(ranged, "If-Range", plain.header.Get("Etag")), func(r result) bool {
				return r.status == 200 && r.header.Get("Etag") != plain.header.Get("Etag") && r.header.Get("Last-Modified") != plain.header.Get("Last-Modified")
			}},
			{"corrupt", Fault{Corrupt: true}, "GET", nil, func(r result) bool {
				return r.status == 200 && len(r.body) == 10000 && !bytes.Equal(r.body, data) && r.header.Get("Etag") == plain.header.Get("Etag")
			}},
			{"gzip", Fault{Gzip: true}, "GET", []string{"Accept-Encoding", "identity"}, func(r result) bool {
				return r.header.Get("Content-Encoding") == "gzip" && bytes.HasPrefix(r.body, []byte{0x1f, 0x8b}) && len(r.body) < 1000
			}},
			{"no length", Fault{NoLength: true}, "GET", nil, func(r result) bool { return r.header.Get("Content-Length") == "" && len(r.body) == 10000 }},
			{"no HEAD", Fault{NoHEAD: true}, "HEAD", nil, func(r result) bool { return r.status == 405 }},
			{"status", Fault{Status: 503, Body: "<html>", Header: http.Header{"Retry-After": {"3"}}}, "GET", nil, func(r result) bool {
				return r.status == 503 && string(r.body) == "<html>" && r.header.Get("Retry-After") == "3" && r.header.Get("Content-Type") == "text/html; charset=UTF-8"
			}},
			{"header", Fault{Header: http.Header{"Content-Type": {"text/x"}}}, "GET", nil, func(r result) bool { return r.status == 200 && r.header.Get("Content-Type") == "text/x" }},
			{"redirect", Fault{Redirect: u + "?again"}, "GET", nil, func(r result) bool { return r.status == 200 && len(r.body) == 10000 }},
		} {
			c.fault.Host = Delivery
			i := s.Inject(c.fault)
			a, err := s.try(c.method, u, "", c.header...)
			if a == nil || !c.ok(result{a, err}) {
				t.Errorf("%s: got %+v, %v", c.name, a, err)
			}
			if i.Fired() != 1 {
				t.Errorf("%s: hit %d requests, want 1", c.name, i.Fired())
			}
			if a := s.do("GET", u, ""); !bytes.Equal(a.body, data) {
				t.Errorf("%s: goes on after one request", c.name)
			}
		}
	})
}

func TestFaultsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		u := s.put(NewFile("a.bin", make([]byte, 1000)))[0]
		took := func(ctx context.Context) (int, time.Duration, error) {
			begin := time.Now()
			r, err := http.NewRequestWithContext(ctx, "GET", u, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.c.Do(r)
			if err != nil {
				return 0, time.Since(begin), err
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			return len(b), time.Since(begin), err
		}
		s.Inject(Fault{Delay: 3 * time.Second})
		if n, d, err := took(t.Context()); n != 1000 || d != 3*time.Second || err != nil {
			t.Errorf("delay: got %d bytes after %v, %v", n, d, err)
		}
		s.Inject(Fault{StallAfter: 400, StallFor: 5 * time.Second})
		if n, d, err := took(t.Context()); n != 1000 || d != 5*time.Second || err != nil {
			t.Errorf("stall: got %d bytes after %v, %v", n, d, err)
		}
		s.Inject(Fault{StallAfter: 400})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if n, d, err := took(ctx); n != 400 || d != time.Minute || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stall for ever: got %d bytes after %v, %v", n, d, err)
		}
		gate := make(chan struct{})
		s.Inject(Fault{Hold: gate})
		time.AfterFunc(7*time.Second, func() { close(gate) })
		if n, d, err := took(t.Context()); n != 1000 || d != 7*time.Second || err != nil {
			t.Errorf("hold: got %d bytes after %v, %v", n, d, err)
		}
	})
}

// A create whose answer is lost has happened; one that is reset before has not.
func TestFaultsOfCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		path, body := "/models/"+flux+"/predictions", `{"input":{"prompt":"x"}}`
		for _, c := range []struct {
			fault   Fault
			creates int
			status  int // 0 is an error
		}{
			{Fault{Reset: true}, 0, 0},
			{Fault{Reset: true, Late: true}, 1, 0},
			{Fault{Status: 502, Late: true}, 2, 502},
			{HTML(520), 2, 520},
			{Fault{Delay: time.Second, Late: true}, 3, 201},
		} {
			c.fault.Method, c.fault.Path = "POST", "*/predictions"
			s.Inject(c.fault)
			a, err := s.try("POST", path, body)
			if c.status == 0 && err == nil || c.status != 0 && (err != nil || a.status != c.status) {
				t.Errorf("%+v: got %v, %v", c.fault, a, err)
			}
			if got := s.Creates(); got != c.creates {
				t.Errorf("%+v: %d creates, want %d", c.fault, got, c.creates)
			}
		}
		f := Throttle(2500*time.Millisecond, InHeader|InBody|InText)
		f.After, f.Times = 1, 2
		i := s.Inject(f)
		s.want(200, "GET", "/account", "")
		for range 2 {
			a := s.do("GET", "/account", "")
			if want := `{"detail":"Request was throttled. Your rate limit resets in ~3s.","status":429,"retry_after":3}`; a.status != 429 ||
				strings.TrimSpace(string(a.body)) != want || a.header.Get("Retry-After") != "3" {
				t.Errorf("throttled: got %d %s %q", a.status, a.body, a.header.Get("Retry-After"))
			}
		}
		s.want(200, "GET", "/account", "")
		if i.Fired() != 2 {
			t.Errorf("fired %d times, want 2", i.Fired())
		}
		always := s.Inject(Fault{Times: -1, Status: 500})
		for range 3 {
			s.do("GET", "/account", "")
		}
		always.Stop()
		s.want(200, "GET", "/account", "")
	})
}

func TestResetOnTheWire(t *testing.T) {
	s, v := serve(t, Options{})
	s.Inject(Fault{Reset: true})
	_, err := s.try("POST", v.BaseURL()+"/predictions", "{}")
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a reset connection", err)
	}
}

func TestJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{LogSize: 10})
		u := s.put(NewFile("a.bin", make([]byte, 1000)))[0]
		s.ResetRequests()
		s.do("GET", u, "", "Range", "bytes=1-10")
		s.do("GET", "/models/acme/none?x=1", "")
		got := s.Requests()
		if len(got) != 2 {
			t.Fatalf("got %d requests, want 2", len(got))
		}
		r := got[0]
		if r.Host != Delivery || r.Method != "GET" || r.Range != "bytes=1-10" || r.Status != 206 || r.Sent != 10 {
			t.Errorf("got %+v", r)
		}
		if r = got[1]; r.Host != API || r.Path != "/v1/models/acme/none" || r.Query != "x=1" || r.Status != 404 || r.Header.Get("Authorization") != "" {
			t.Errorf("got %+v", r)
		}
		for pattern, want := range map[string]int{"": 2, "*": 2, "/v1/*": 1, "/v1/models/*/none": 1, "/v1/models": 0, "*none": 1, "*.bin": 1, "/v1/*/x": 0} {
			if got := s.Count("GET", pattern); got != want {
				t.Errorf("%q: got %d, want %d", pattern, got, want)
			}
		}
		for range 30 {
			s.do("GET", "/account", "")
		}
		if got := len(s.Requests()); got > 10 {
			t.Errorf("%d requests are remembered, want at most 10", got)
		}
	})
}
