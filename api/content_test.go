package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const outputURL = "https://replicate.delivery/xezq/AbC/out-0.bin"

// file is a file on a server that does all as it should, unless told otherwise.
type file struct {
	data  []byte
	etag  string
	fault func(w http.ResponseWriter, r *http.Request) bool // true: it answered
}

func newFile(n int) *file {
	f := &file{data: make([]byte, n), etag: `"v1"`}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range f.data {
		f.data[i] = byte(rng.Uint32())
	}
	return f
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", f.etag)
	w.Header().Set("Content-Type", "image/webp")
	if f.fault != nil && f.fault(w, r) {
		return
	}
	http.ServeContent(w, r, "", time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), bytes.NewReader(f.data))
}

func (f *file) info() ContentInfo { return ContentInfo{Size: int64(len(f.data)), ETag: f.etag} }

func TestContentDeadlines(t *testing.T) {
	f := newFile(1 << 20)
	for name, tt := range map[string]struct {
		fault func(w http.ResponseWriter, r *http.Request) bool
		want  time.Duration // until the error
	}{
		"no header": {func(w http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, firstByte},
		"stall at the start": {func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", strconv.Itoa(1<<20))
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}, stallTimeout},
		"stall in the middle": {func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", strconv.Itoa(1<<20))
			for i := range 10 { // slow is not stalled
				w.Write(f.data[i*1000 : (i+1)*1000])
				http.NewResponseController(w).Flush()
				time.Sleep(9 * time.Second)
			}
			<-r.Context().Done()
			return true
		}, 81*time.Second + stallTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := *f
			g.fault = tt.fault
			c := newNetwork(t, g.serve).content(ContentOptions{})
			start := time.Now()
			r, err := c.Range(t.Context(), outputURL, f.info(), 0, 1<<20)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
				r.Close()
			}
			var e *ContentError
			if took := time.Since(start); !errors.As(err, &e) || !e.Timeout() || !e.Temporary() || took != tt.want {
				t.Errorf("%s: %v after %v, want a timeout after %v", name, err, took, tt.want)
			}
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v looks like the caller's context", name, err)
			}
			time.Sleep(time.Second)
		})
	}
	// A reader that takes its time is no stall.
	synctest.Test(t, func(t *testing.T) {
		c := newNetwork(t, f.serve).content(ContentOptions{})
		r, err := c.Range(t.Context(), outputURL, f.info(), 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		buf := make([]byte, 256<<10)
		for range 4 {
			if _, err := io.ReadFull(r, buf); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
	})
	// The caller's context ends the body, and stays recognizable.
	synctest.Test(t, func(t *testing.T) {
		g := *f
		g.fault = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", strconv.Itoa(1<<20))
			w.Write(f.data[:10])
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}
		c := newNetwork(t, g.serve).content(ContentOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		r, err := c.Range(ctx, outputURL, f.info(), 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got, err := io.ReadAll(r)
		if took := time.Since(start); len(got) != 10 || !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second+leaveGrace {
			t.Errorf("%d bytes, %v after %v, want 10 and the deadline after 3s and the grace", len(got), err, took)
		}
		r.Close()
		time.Sleep(time.Second)
	})
}

func TestGetUnknownLength(t *testing.T) {
	f := newFile(100_000)
	short := false
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		http.NewResponseController(w).Flush()
		if w.Write(f.data); short {
			panic(http.ErrAbortHandler)
		}
		return true
	}
	c := newNetwork(t, f.serve).content(ContentOptions{})
	body, info, err := c.Get(t.Context(), outputURL)
	if err != nil || info.Size != -1 {
		t.Fatalf("Get: %+v, %v, want size -1", info, err)
	}
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, f.data) {
		t.Errorf("%d bytes, %v, want %d", len(got), err, len(f.data))
	}
	body.Close()
	short = true
	body, _, err = c.Get(t.Context(), outputURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v, want unexpected EOF", err)
	}
	body.Close()
}

func TestContentRedirect(t *testing.T) {
	f := newFile(1000)
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "replicate.delivery" {
			http.Redirect(w, r, "https://pbxt.replicate.delivery/there", http.StatusFound)
			return
		}
		if r.Header.Get("Referer") != "" {
			t.Errorf("Referer %q: the URL of an output is its secret", r.Header.Get("Referer"))
		}
		f.serve(w, r)
	})
	r, err := n.content(ContentOptions{}).Range(t.Context(), outputURL, f.info(), 10, 20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, f.data[10:30]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestContentRefusesHosts(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a request") })
	c := n.content(ContentOptions{})
	for _, u := range []string{"https://evil.example/x", "http://replicate.delivery/x", "x", "https://\x00", ""} {
		_, err1 := c.Stat(t.Context(), u)
		_, err2 := c.Range(t.Context(), u, ContentInfo{Size: -1}, 0, 1)
		_, _, err3 := c.Get(t.Context(), u)
		for _, err := range []error{err1, err2, err3} {
			if !errors.Is(err, ErrForbidden) {
				t.Errorf("%q: %v, want forbidden", u, err)
			}
		}
	}
	if n.dials.Load() != 0 {
		t.Errorf("dialed %v", n.dialed)
	}
}

// A caller whose context ends in the middle of a small HTTP/1 body leaves the
// connection to the next one.
func TestContentLeft(t *testing.T) {
	data := make([]byte, 1<<20)
	var conns atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "x.bin", time.Time{}, bytes.NewReader(data))
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c, err := NewContent(ContentOptions{Hosts: []string{srv.Listener.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := c.Range(ctx, srv.URL+"/x.bin", ContentInfo{Size: int64(len(data))}, 0, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
		cancel()
		r.Close()
		c.work.Wait()
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("5 files that were left in the middle took %d connections, want 1", n)
	}
}
