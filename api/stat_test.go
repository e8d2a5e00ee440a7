package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestStat(t *testing.T) {
	f := newFile(12345)
	head := func(status int, length string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "HEAD" {
				return false
			}
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.WriteHeader(status)
			return true
		}
	}
	for _, tt := range []struct {
		name     string
		fault    func(w http.ResponseWriter, r *http.Request) bool
		size     int64
		requests int
		is       error
	}{
		{"HEAD", nil, 12345, 1, nil},
		{"HEAD refused", head(405, ""), 12345, 2, nil},
		{"HEAD forbidden", head(403, ""), 12345, 2, nil},
		{"HEAD not implemented", head(501, ""), 12345, 2, nil},
		{"HEAD without length", head(200, ""), 12345, 2, nil},
		{"HEAD says 0", head(200, "0"), 12345, 2, nil},
		{"gone", head(404, ""), 0, 1, ErrGone},
		{"gone for good", head(410, ""), 0, 1, ErrGone},
		{"forbidden", func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(403); return true }, 0, 2, ErrGone},
		{"encoded", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Length", "77")
			if r.Method != "HEAD" {
				w.Write(make([]byte, 77))
			}
			return true
		}, -1, 2, nil},
		{"no length at all", func(w http.ResponseWriter, r *http.Request) bool {
			http.NewResponseController(w).Flush()
			w.Write(f.data)
			return true
		}, -1, 2, nil},
		{"no ranges", func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == "HEAD" {
				w.WriteHeader(405)
				return true
			}
			w.Header().Set("Content-Length", "12345")
			w.Write(f.data)
			return true
		}, 12345, 2, nil},
		{"range without total", func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == "HEAD" {
				w.WriteHeader(405)
				return true
			}
			w.Header().Set("Content-Range", "bytes 0-0/*")
			w.WriteHeader(206)
			w.Write(f.data[:1])
			return true
		}, -1, 2, nil},
	} {
		g := *f
		g.fault = tt.fault
		n := newNetwork(t, g.serve)
		info, err := n.content(ContentOptions{}).Stat(t.Context(), outputURL)
		if !errors.Is(err, tt.is) || err == nil && info.Size != tt.size {
			t.Errorf("%s: %+v, %v, want size %d, %v", tt.name, info, err, tt.size, tt.is)
		}
		if err == nil && (info.ETag != `"v1"` || info.Type == "") {
			t.Errorf("%s: %+v, want ETag and type", tt.name, info)
		}
		if got := len(n.requests()); got != tt.requests {
			t.Errorf("%s: %d requests, want %d", tt.name, got, tt.requests)
		}
	}
	n := newNetwork(t, newFile(0).serve)
	if info, err := n.content(ContentOptions{}).Stat(t.Context(), outputURL); err != nil || info.Size != 0 {
		t.Errorf("an empty file: %+v, %v, want size 0", info, err)
	}
	// 416 is how others answer for an empty file.
	n = newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			w.Header().Set("Content-Length", "0")
			return
		}
		w.Header().Set("Content-Range", "bytes */0")
		w.WriteHeader(416)
	})
	if info, err := n.content(ContentOptions{}).Stat(t.Context(), outputURL); err != nil || info.Size != 0 {
		t.Errorf("an empty file by 416: %+v, %v, want size 0", info, err)
	}
}

func TestStatAndGetRepeat(t *testing.T) {
	for name, fault := range map[string]func(w http.ResponseWriter, r *http.Request){
		"503": says(503, ``), "429": says(429, ``, "Retry-After", "5"), "cut": cuts, "hangs": hangs,
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFile(1000)
			var fails atomic.Int64
			fails.Store(2)
			f.fault = func(w http.ResponseWriter, r *http.Request) bool {
				if fails.Add(-1) < 0 {
					return false
				}
				fault(w, r)
				return true
			}
			c := newNetwork(t, f.serve).content(ContentOptions{})
			if info, err := c.Stat(t.Context(), outputURL); err != nil || info.Size != 1000 {
				t.Errorf("%s: Stat: %+v, %v", name, info, err)
			}
			fails.Store(2)
			body, info, err := c.Get(t.Context(), outputURL)
			if err != nil || info.Size != 1000 {
				t.Errorf("%s: Get: %+v, %v", name, info, err)
				return
			}
			if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, f.data) {
				t.Errorf("%s: Get: %d bytes, %v", name, len(got), err)
			}
			body.Close()
			fails.Store(99)
			start := time.Now()
			// net/http itself repeats a GET whose reused connection broke.
			if _, err := c.Stat(t.Context(), outputURL); err == nil || fails.Load() > 96 || fails.Load() < 93 || time.Since(start) > 50*time.Second {
				t.Errorf("%s: Stat gave up with %v after %d requests and %v, want 3", name, err, 99-fails.Load(), time.Since(start))
			}
		})
	}
}
