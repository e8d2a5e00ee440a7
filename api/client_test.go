package api

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// loopbackServer serves h on a socket, with a client that has its own transport.
func loopbackServer(t *testing.T, http2 bool, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	if s.EnableHTTP2 = http2; http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	c, err := New(Options{BaseURL: s.URL + "/v1", Token: testToken, Retry: Retry{Tries: 2, First: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if http2 {
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		c.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return c
}

// Compressed answers are fine; their limit is that of what comes out.
func TestGzip(t *testing.T) {
	member := func(s string) []byte { // gzip members may follow each other
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, s)
		z.Close()
		return b.Bytes()
	}
	start, end, much := member(`{"id":"abc","status":"starting","logs":"`), member(`"}`), member(strings.Repeat("x", 1<<20))
	c := loopbackServer(t, false, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("compression is not asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(start)
		if strings.HasSuffix(r.URL.Path, "/bomb") {
			for range MaxObject>>20 + 1 {
				w.Write(much)
			}
		}
		w.Write(end)
	})
	if p, err := c.Prediction(t.Context(), "abc"); err != nil || p.ID != "abc" {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := c.Prediction(t.Context(), "bomb"); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a small body of many megabytes: %v, want it refused", err)
	}
}

// An answer about another run must not be taken for the one that was asked for.
func TestPredictionOfAnotherID(t *testing.T) {
	c := loopbackServer(t, false, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"id":"xyz","status":"succeeded"}`)
	})
	if p, err := c.Prediction(t.Context(), "abc"); !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "xyz") {
		t.Errorf("asked for abc: %+v, %v, want xyz refused", p, err)
	}
}

// HTTP/2 has retries of its own in net/http; a create must not have them.
func TestCreateOverHTTP2(t *testing.T) {
	var creates atomic.Int64
	c := loopbackServer(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("protocol %s, want HTTP/2", r.Proto)
		}
		if r.Method == http.MethodGet {
			answer(w, 200, fine)
			return
		}
		io.Copy(io.Discard, r.Body)
		creates.Add(1)
		panic(http.ErrAbortHandler) // resets the stream
	})
	if _, err := c.Prediction(t.Context(), "abc"); err != nil { // the connection is there
		t.Fatal(err)
	}
	_, err := c.Create(t.Context(), Target{Model: "a/b"}, []byte(`{"prompt":"x"}`), CreateOptions{})
	if !errors.Is(err, ErrAmbiguous) || creates.Load() != 1 {
		t.Errorf("%v after %d creates, want ambiguous after 1", err, creates.Load())
	}
}

// Nobody listens: known at once to have had no effect.
func TestCreateRefusedOnLoopback(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	base := s.URL
	s.Close()
	c, err := New(Options{BaseURL: base + "/v1", Token: testToken, Retry: Retry{Tries: 3, First: 1}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Create(t.Context(), Target{Model: "a/b"}, []byte(`{}`), CreateOptions{})
	if !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrAmbiguous) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want unreachable, not ambiguous", err)
	}
}
