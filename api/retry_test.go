package api

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// script answers with one line after the other, then with the last for ever.
func script(answers ...func(w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	next := make(chan int, 1)
	next <- 0
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		i := <-next
		next <- min(i+1, len(answers)-1)
		answers[i](w, r)
	}
}

func says(status int, body string, header ...string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		answer(w, status, body)
	}
}

// hangs never answers. (The server notices that the client left only once it has
// read the body.)
func hangs(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// cuts ends the connection after the request was read.
func cuts(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }

// truncated ends the body before its length.
func truncated(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "100")
	io.WriteString(w, `{"id":"abc"`)
}

const fine = `{"id":"abc","status":"starting"}`

func TestRead429(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		min    time.Duration
		max    time.Duration
	}{
		{"header", says(429, `{"detail":"x","retry_after":99}`, "Retry-After", "30"), 60 * time.Second, 67 * time.Second},
		{"field", says(429, `{"detail":"resets in ~99s","retry_after":7}`), 14 * time.Second, 16 * time.Second},
		{"text", says(429, `{"detail":"Request was throttled. Your rate limit resets in ~30s."}`), 60 * time.Second, 67 * time.Second},
		{"old text", says(429, `{"detail":"Expected available in 1 second."}`), 2 * time.Second, 3 * time.Second},
		{"nothing told", says(429, ``), 2 * time.Second, 12 * time.Second},
		{"HTML", says(429, `<html>`, "Content-Type", "text/html"), 2 * time.Second, 12 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, script(tt.answer, tt.answer, says(200, fine)))
			c := n.client(Options{})
			start := time.Now()
			_, err := c.Prediction(t.Context(), "abc")
			if took := time.Since(start); err != nil || took < tt.min || took > tt.max {
				t.Errorf("%s: %v after %v, want success after %v to %v", tt.name, err, took, tt.min, tt.max)
			}
		})
	}
}

// What is told is obeyed within bounds: a wait that cannot be afforded is not
// begun, and the answer that explains it is returned.
func TestThrottleBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, script(says(429, `{"retry_after":50}`)))
		start := time.Now()
		_, err := n.client(Options{}).Prediction(t.Context(), "abc")
		var e *Error
		if !errors.As(err, &e) || e.Status != 429 || e.RetryAfter != 50*time.Second {
			t.Errorf("got %v, want the 429", err)
		}
		if took := time.Since(start); took < 100*time.Second || took > 120*time.Second {
			t.Errorf("gave up after %v, want after two waits of 50 s, within 2 min", took)
		}

		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err = n.client(Options{}).Prediction(ctx, "abc")
		if took := time.Since(start); !errors.As(err, &e) || e.Status != 429 || took > time.Second {
			t.Errorf("with a deadline before the wait: %v after %v, want the 429 at once", err, took)
		}

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		start = time.Now()
		_, err = n.client(Options{}).Create(ctx, Target{Model: "a/b"}, []byte(`{}`), CreateOptions{})
		if took := time.Since(start); took != 5*time.Second || !errors.Is(err, context.Canceled) || errors.Is(err, ErrAmbiguous) || !errors.As(err, &e) {
			t.Errorf("a create cancelled while throttled: %v after %v, want cancelled, not ambiguous, after 5s", err, took)
		}
	})
}

func TestReadRetries(t *testing.T) {
	for name, fault := range map[string]func(w http.ResponseWriter, r *http.Request){
		"500":            says(500, `{"detail":"oops"}`),
		"502 HTML":       says(502, `<html>`, "Content-Type", "text/html"),
		"503":            says(503, ``),
		"520":            says(520, ``),
		"408":            says(408, ``),
		"reset":          cuts,
		"truncated":      truncated,
		"truncated JSON": says(200, `{"id":"ab`),
		"captive portal": says(200, `<html>log in</html>`, "Content-Type", "text/html"),
		"hangs":          hangs,
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, script(fault, fault, says(200, fine)))
			c := n.client(Options{})
			if p, err := c.Prediction(t.Context(), "abc"); err != nil || p.ID != "abc" {
				t.Errorf("%s: read: %+v, %v", name, p, err)
			}
			if got := len(n.requests()); got != 3 {
				t.Errorf("%s: %d requests, want 3", name, got)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, script(fault, fault, says(200, fine)))
			if p, err := n.client(Options{}).Cancel(t.Context(), "abc"); err != nil || p.ID != "abc" {
				t.Errorf("%s: cancel: %+v, %v", name, p, err)
			}
		})
	}
}

func TestReadGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, script(says(503, `{"detail":"down"}`)))
		_, err := n.client(Options{Retry: Retry{Tries: 3}}).Prediction(t.Context(), "abc")
		var e *Error
		if !errors.As(err, &e) || e.Status != 503 || len(n.requests()) != 3 {
			t.Errorf("got %v after %d requests, want 503 after 3", err, len(n.requests()))
		}
	})
	for _, status := range []int{400, 401, 402, 403, 404, 410, 413, 422, 501} {
		n := newNetwork(t, script(says(status, ``)))
		if _, err := n.client(Options{}).Prediction(t.Context(), "abc"); err == nil || len(n.requests()) != 1 {
			t.Errorf("%d: %v after %d requests, want an error after 1", status, err, len(n.requests()))
		}
	}
}

func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, script(says(200, fine)))
		for name, cause := range map[string]error{
			"refused":      &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED},
			"no such host": &net.DNSError{Err: "no such host", Name: "api.replicate.com", IsNotFound: true},
			"missing file": &iofs.PathError{Op: "open", Path: "/etc/x", Err: syscall.ENOENT},
			"deadline":     context.DeadlineExceeded,
		} {
			n.fault = func(int64) (net.Conn, error) { return nil, cause }
			start := n.dials.Load()
			_, err := n.client(Options{}).Prediction(t.Context(), "abc")
			if !errors.Is(err, ErrUnreachable) {
				t.Errorf("%s: %v, want ErrUnreachable", name, err)
				continue
			}
			for _, foreign := range []error{iofs.ErrNotExist, context.DeadlineExceeded, context.Canceled, syscall.ECONNREFUSED, iofs.ErrPermission} {
				if errors.Is(err, foreign) {
					t.Errorf("%s: %v is %v: an error from inside of a socket came through", name, err, foreign)
				}
			}
			if !strings.Contains(err.Error(), cause.Error()) {
				t.Errorf("%s: %q should tell the cause, %q", name, err, cause)
			}
			if !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "/predictions/") {
				t.Errorf("%s: %q should name the host and not the URL", name, err)
			}
			if got := n.dials.Load() - start; got != 5 {
				t.Errorf("%s: %d dials, want 5", name, got)
			}
		}
	})
}

func TestContextEndsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, hangs)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := n.client(Options{}).Prediction(ctx, "abc")
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnreachable) || took != 3*time.Second {
			t.Errorf("got %v after %v, want the caller's deadline after 3s", err, took)
		}
	})
	// And each attempt has a deadline of its own, whatever the caller's context.
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, hangs)
		start := time.Now()
		_, err := n.client(Options{Retry: Retry{Tries: 1}}).Prediction(context.Background(), "abc")
		var timeout interface{ Timeout() bool }
		if took := time.Since(start); !errors.Is(err, ErrUnreachable) || !errors.As(err, &timeout) || !timeout.Timeout() || took != attemptTimeout || !strings.Contains(err.Error(), errSlow.Error()) {
			t.Errorf("got %v after %v, want unreachable, a timeout, after %v", err, took, attemptTimeout)
		}
	})
}

func TestAnswerBounded(t *testing.T) {
	asked := 0
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"abc","logs":"`)
		chunk := []byte(strings.Repeat("x", 1<<20))
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		io.WriteString(w, `"}`)
	})
	_, err := n.client(Options{}).Prediction(t.Context(), "abc")
	if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "64 MiB") || asked != 1 {
		t.Errorf("an answer over the limit: %v, asked for %d times, want once", err, asked)
	}
}

// A redirect is followed for a read that stays where it was, and for nothing
// else.
func TestRedirects(t *testing.T) {
	var rec record
	for _, tt := range []struct {
		name, method, to string
		status           int
		ok               bool
	}{
		{"read on the same host", "GET", "/base/v1/predictions/new", 302, true},
		{"read elsewhere on the same host", "GET", "http://127.0.0.1:1/base/v1/predictions/new", 301, true},
		{"another host", "GET", "http://evil.example/base/v1/predictions/new", 302, false},
		{"another port", "GET", "http://127.0.0.1:2/base/v1/predictions/new", 302, false},
		{"another scheme", "GET", "https://127.0.0.1:1/base/v1/predictions/new", 302, false},
		{"a subdomain", "GET", "http://x.127.0.0.1:1/base/v1/predictions/new", 302, false},
		{"with a user", "GET", "http://u:p@127.0.0.1:1/base/v1/predictions/new", 302, false},
		{"cancel", "POST", "/base/v1/predictions/new", 307, false},
		{"cancel, see other", "POST", "/base/v1/predictions/new", 303, false},
	} {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/base/v1/predictions/new" {
				answer(w, 200, `{"id":"old"}`)
				return
			}
			w.Header().Set("Location", tt.to)
			answer(w, tt.status, `{}`)
		})
		c := n.client(Options{Log: rec.logger()})
		var err error
		if tt.method == "GET" {
			_, err = c.Prediction(t.Context(), "old")
		} else {
			_, err = c.Cancel(t.Context(), "old")
		}
		if ok := err == nil; ok != tt.ok {
			t.Errorf("%s: %v, want success %v", tt.name, err, tt.ok)
		}
		if err != nil {
			noSecret(t, "error", err.Error())
			if want := "redirect refused"; !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", tt.name, err, want)
			}
			if got := len(n.requests()); got != 1 {
				t.Errorf("%s: %d requests, want 1", tt.name, got)
			}
		}
	}
	noSecret(t, "log", rec.String())
}
