package api

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestCreate(t *testing.T) {
	type seen struct{ path, body, prefer, cancel, kind string }
	var got seen
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = seen{r.Method + " " + strings.TrimPrefix(r.URL.Path, "/base/v1"), string(b), r.Header.Get("Prefer"), r.Header.Get("Cancel-After"), r.Header.Get("Content-Type")}
		if r.Header.Get("Idempotency-Key") != "" {
			t.Error("an Idempotency-Key would allow net/http to send twice")
		}
		answer(w, 202, fine)
	})
	c := n.client(Options{})
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, tt := range []struct {
		target Target
		input  string
		o      CreateOptions
		want   seen
	}{
		{Target{Model: "black-forest-labs/flux-1.1-pro"}, ` {"prompt":"a <b> & ü","seed":12345678901234567890} `, CreateOptions{},
			seen{"POST /models/black-forest-labs/flux-1.1-pro/predictions", `{"input":{"prompt":"a <b> & ü","seed":12345678901234567890}}`, "", "", "application/json"}},
		{Target{Version: hex}, `{}`, CreateOptions{PreferWait: 1500 * time.Millisecond}, seen{"POST /predictions", `{"version":"` + hex + `","input":{}}`, "wait=2", "", "application/json"}},
		{Target{Deployment: "acme/fast"}, `{}`, CreateOptions{PreferWait: 60 * time.Second, CancelAfter: 90 * time.Second},
			seen{"POST /deployments/acme/fast/predictions", `{"input":{}}`, "wait=60", "90s", "application/json"}},
	} {
		p, err := c.Create(t.Context(), tt.target, []byte(tt.input), tt.o)
		if err != nil || p.ID != "abc" {
			t.Errorf("Create(%+v): %+v, %v", tt.target, p, err)
		}
		if got != tt.want {
			t.Errorf("Create(%+v) sent %+v, want %+v", tt.target, got, tt.want)
		}
	}
}

func TestCreateRefusesLocally(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("a request: %s", r.URL) })
	c := n.client(Options{})
	ok := Target{Model: "a/b"}
	for _, tt := range []struct {
		name   string
		target Target
		input  string
		o      CreateOptions
	}{
		{"no target", Target{}, `{}`, CreateOptions{}},
		{"two targets", Target{Model: "a/b", Version: "c"}, `{}`, CreateOptions{}},
		{"no name", Target{Model: "a"}, `{}`, CreateOptions{}},
		{"three parts", Target{Model: "a/b/c"}, `{}`, CreateOptions{}},
		{"dots", Target{Model: "../predictions"}, `{}`, CreateOptions{}},
		{"escape", Target{Deployment: "a/b%2fc"}, `{}`, CreateOptions{}},
		{"version with quotes", Target{Version: `a"b`}, `{}`, CreateOptions{}},
		{"array", ok, `[]`, CreateOptions{}},
		{"null", ok, `null`, CreateOptions{}},
		{"nothing", ok, ``, CreateOptions{}},
		{"broken", ok, `{"a":`, CreateOptions{}},
		{"two objects", ok, `{}{}`, CreateOptions{}},
		{"injection", ok, `{},"version":"x"`, CreateOptions{}},
		{"wait too long", ok, `{}`, CreateOptions{PreferWait: 61 * time.Second}},
		{"wait negative", ok, `{}`, CreateOptions{PreferWait: -time.Second}},
		{"cancel too soon", ok, `{}`, CreateOptions{CancelAfter: time.Second}},
		{"cancel too late", ok, `{}`, CreateOptions{CancelAfter: 25 * time.Hour}},
	} {
		if _, err := c.Create(t.Context(), tt.target, []byte(tt.input), tt.o); !errors.Is(err, iofs.ErrInvalid) || errors.Is(err, ErrAmbiguous) {
			t.Errorf("%s: %v, want invalid", tt.name, err)
		}
	}
}

// What a create may have done, by what was seen of it.
func TestCreateOnce(t *testing.T) {
	type want struct {
		creates   int // that reached the server whole
		ok        bool
		ambiguous bool
		status    int
	}
	big := `{"prompt":"` + strings.Repeat("x", 1<<20) + `"}`
	for _, tt := range []struct {
		name    string
		answers []func(w http.ResponseWriter, r *http.Request)
		fault   func(n int64) (net.Conn, error)
		input   string
		want    want
	}{
		{name: "answered", want: want{creates: 1, ok: true}},
		{name: "refused connection, then well", fault: firstDials(2, refused), want: want{creates: 1, ok: true}},
		{name: "no such host", fault: firstDials(99, func() (net.Conn, error) { return nil, &net.DNSError{Err: "no such host", IsNotFound: true} }), want: want{}},
		{name: "always refused", fault: firstDials(99, refused), want: want{}},
		{name: "closed in the header", fault: firstDials(1, deaf(1)), want: want{creates: 1, ok: true}},
		{name: "closed in a large body", fault: firstDials(1, deaf(10<<10)), input: big, want: want{creates: 1, ok: true}},
		{name: "closed in the last bytes", fault: firstDials(1, deaf(4<<10)), want: want{ambiguous: true}},
		{name: "reset after the request", answers: answers(cuts), want: want{creates: 1, ambiguous: true}},
		{name: "no answer", answers: answers(hangs), want: want{creates: 1, ambiguous: true}},
		{name: "429, then well", answers: answers(says(429, `{"retry_after":7}`), says(201, fine)), want: want{creates: 2, ok: true}},
		{name: "429 for ever", answers: answers(says(429, `{"retry_after":70}`)), want: want{creates: 2, status: 429}},
		{name: "400", answers: answers(says(400, `{}`)), want: want{creates: 1, status: 400}},
		{name: "401", answers: answers(says(401, `{}`)), want: want{creates: 1, status: 401}},
		{name: "402", answers: answers(says(402, `{}`)), want: want{creates: 1, status: 402}},
		{name: "404", answers: answers(says(404, `{}`)), want: want{creates: 1, status: 404}},
		{name: "422", answers: answers(says(422, `{}`)), want: want{creates: 1, status: 422}},
		{name: "408", answers: answers(says(408, ``)), want: want{creates: 1, ambiguous: true, status: 408}},
		{name: "500", answers: answers(says(500, `{"detail":"x"}`)), want: want{creates: 1, ambiguous: true, status: 500}},
		{name: "501", answers: answers(says(501, ``)), want: want{creates: 1, ambiguous: true, status: 501}},
		{name: "502 HTML", answers: answers(says(502, `<html>`, "Content-Type", "text/html")), want: want{creates: 1, ambiguous: true, status: 502}},
		{name: "503, Retry-After", answers: answers(says(503, ``, "Retry-After", "1")), want: want{creates: 1, ambiguous: true, status: 503}},
		{name: "moved", answers: answers(says(308, ``, "Location", "/base/v1/elsewhere")), want: want{creates: 1, status: 308}},
		{name: "see other", answers: answers(says(303, ``, "Location", "/base/v1/predictions/abc")), want: want{creates: 1, ambiguous: true, status: 303}},
		{name: "truncated body", answers: answers(truncated), want: want{creates: 1, ambiguous: true}},
		{name: "truncated JSON", answers: answers(says(201, `{"id":"ab`)), want: want{creates: 1, ambiguous: true}},
		{name: "an answer without an id", answers: answers(says(201, `{}`)), want: want{creates: 1, ambiguous: true}},
		{name: "captive portal", answers: answers(says(200, `<html>`)), want: want{creates: 1, ambiguous: true}},
		{name: "error that cannot be read", answers: answers(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(422)
			io.WriteString(w, `{"detail":`)
		}), want: want{creates: 1, status: 422}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var creates atomic.Int64
			replies := tt.answers
			if replies == nil {
				replies = answers(says(201, fine))
			}
			inner := script(replies...)
			n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if err == nil && len(b) > 0 && r.Method == "POST" {
					creates.Add(1)
				}
				inner(w, r)
			})
			n.fault = tt.fault
			input := tt.input
			if input == "" {
				input = `{"prompt":"x"}`
			}
			p, err := n.client(Options{}).Create(context.Background(), Target{Model: "a/b"}, []byte(input), CreateOptions{})
			if (err == nil) != tt.want.ok || (p != nil) != tt.want.ok {
				t.Errorf("%s: %+v, %v, want success %v", tt.name, p, err, tt.want.ok)
			}
			if got := errors.Is(err, ErrAmbiguous); got != tt.want.ambiguous {
				t.Errorf("%s: %v, ambiguous %v, want %v", tt.name, err, got, tt.want.ambiguous)
			}
			if !tt.want.ok && !tt.want.ambiguous && tt.want.status == 0 && !errors.Is(err, ErrUnreachable) {
				t.Errorf("%s: %v, want unreachable", tt.name, err)
			}
			var e *Error
			if errors.As(err, &e); e == nil && tt.want.status != 0 || e != nil && e.Status != tt.want.status {
				t.Errorf("%s: %v, want status %d", tt.name, err, tt.want.status)
			}
			if got := int(creates.Load()); got != tt.want.creates {
				t.Errorf("%s: %d creates at the server, want %d", tt.name, got, tt.want.creates)
			}
		})
	}
}

func answers(list ...func(w http.ResponseWriter, r *http.Request)) []func(w http.ResponseWriter, r *http.Request) {
	return list
}

func firstDials(n int64, f func() (net.Conn, error)) func(int64) (net.Conn, error) {
	return func(i int64) (net.Conn, error) {
		if i <= n {
			return f()
		}
		return nil, nil
	}
}

func refused() (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// deaf is a connection that is closed after some bytes, as by a server that
// restarts. The header arrives in one piece, so 4 KiB ask for it alone.
func deaf(n int) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			for left := n; left > 0; {
				m, err := server.Read(make([]byte, min(left, 4<<10)))
				if left -= m; err != nil || n <= 4<<10 {
					break
				}
			}
			server.Close()
		}()
		return client, nil
	}
}

// A context that ends in the middle does not cut the request: its answer tells
// what became of the run. One that ends before anything was sent does.
func TestCreateCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Second)
			answer(w, 201, `{"id":"abc","status":"starting"}`)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		p, err := n.client(Options{}).Create(ctx, Target{Model: "a/b"}, []byte(`{}`), CreateOptions{})
		if err != nil || p.ID != "abc" {
			t.Errorf("got %+v, %v, want the run", p, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, hangs)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := n.client(Options{}).Create(ctx, Target{Model: "a/b"}, []byte(`{}`), CreateOptions{})
		if !errors.Is(err, ErrAmbiguous) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in the middle: %v, want ambiguous and the deadline", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, hangs)
		n.Close() // dials find nobody
		block := make(chan struct{})
		n.fault = func(int64) (net.Conn, error) { <-block; return nil, errors.New("late") }
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := n.client(Options{}).Create(ctx, Target{Model: "a/b"}, []byte(`{}`), CreateOptions{})
		if errors.Is(err, ErrAmbiguous) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while dialing: %v, want the deadline and not ambiguous", err)
		}
		close(block)
	})
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a request") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.client(Options{}).Create(ctx, Target{Model: "a/b"}, []byte(`{}`), CreateOptions{}); errors.Is(err, ErrAmbiguous) || !errors.Is(err, context.Canceled) {
		t.Errorf("before: %v, want cancelled and not ambiguous", err)
	}
}

// The time limit of a create that waits covers the wait.
func TestCreateWaitLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(55 * time.Second)
			answer(w, 201, `{"id":"abc","status":"succeeded"}`)
		})
		p, err := n.client(Options{}).Create(t.Context(), Target{Model: "a/b"}, []byte(`{}`), CreateOptions{PreferWait: 55 * time.Second})
		if err != nil || !p.Done() {
			t.Errorf("got %+v, %v, want success", p, err)
		}
	})
}

// A connection that the server closed while it was idle must lead neither to two
// creates nor to a doubt.
func TestCreateOnStaleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, script(says(200, fine)), func(s *http.Server) { s.IdleTimeout = 5 * time.Second })
		c := n.client(Options{})
		if _, err := c.Prediction(t.Context(), "abc"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if _, err := c.Create(t.Context(), Target{Model: "a/b"}, []byte(`{}`), CreateOptions{}); err != nil {
			t.Error(err)
		}
		if got := n.count("POST", "/base/v1/models/a/b/predictions"); got != 1 {
			t.Errorf("%d creates, want 1", got)
		}
	})
}

// The same with a connection that dies under the request: net/http would repeat
// a request with GetBody, ours has none.
func TestCreateNotResentSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if r.Method == "POST" {
				panic(http.ErrAbortHandler)
			}
			answer(w, 200, fine)
		})
		c := n.client(Options{})
		if _, err := c.Prediction(t.Context(), "abc"); err != nil { // makes a connection to reuse
			t.Fatal(err)
		}
		_, err := c.Create(t.Context(), Target{Model: "a/b"}, []byte(`{}`), CreateOptions{})
		if got := n.count("POST", "/base/v1/models/a/b/predictions"); got != 1 || !errors.Is(err, ErrAmbiguous) {
			t.Errorf("%d creates, %v, want 1 and ambiguous", got, err)
		}
	})
}
