package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
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

func TestRange(t *testing.T) {
	f := newFile(100_000)
	n := newNetwork(t, f.serve)
	c := n.content(ContentOptions{UserAgent: "replicatefs/1"})
	for _, tt := range []struct{ off, n int64 }{{0, 1}, {0, 100_000}, {99_999, 1}, {1000, 5000}, {0, 99_999}, {1, 99_999}, {50_000, 0}, {100_000, 0}} {
		for _, want := range []ContentInfo{f.info(), {Size: f.info().Size}, {Size: -1}, {Size: -1, ETag: f.etag}} {
			r, err := c.Range(t.Context(), outputURL, want, tt.off, tt.n)
			if err != nil {
				t.Errorf("Range(%d, %d): %v", tt.off, tt.n, err)
				continue
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, f.data[tt.off:tt.off+tt.n]) {
				t.Errorf("Range(%d, %d): %d bytes, %v", tt.off, tt.n, len(got), err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			r.Close() // once more is fine
		}
	}
	for _, r := range n.requests() {
		if r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("Authorization") != "" || r.Header.Get("User-Agent") != "replicatefs/1" {
			t.Errorf("header %v", r.Header)
		}
	}
	if got := n.dials.Load(); got != 1 {
		t.Errorf("%d connections, want 1: bodies that are read are to give theirs back", got)
	}
	for _, tt := range []struct{ off, n int64 }{{-1, 1}, {0, -1}, {100_000, 1}, {0, 100_001}, {1 << 62, 1 << 62}} {
		if _, err := c.Range(t.Context(), outputURL, f.info(), tt.off, tt.n); !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("Range(%d, %d): %v, want invalid", tt.off, tt.n, err)
		}
	}
}

func TestRangeRequest(t *testing.T) {
	f := newFile(1000)
	n := newNetwork(t, f.serve)
	c := n.content(ContentOptions{})
	for _, tt := range []struct {
		want    ContentInfo
		off, n  int64
		rng     string
		ifRange string
	}{
		{f.info(), 0, 1000, "", ""}, // the whole file needs no range
		{f.info(), 0, 999, "bytes=0-998", `"v1"`},
		{f.info(), 10, 20, "bytes=10-29", `"v1"`},
		{ContentInfo{Size: 1000}, 10, 20, "bytes=10-29", ""},
		{ContentInfo{Size: 1000, ETag: `W/"v1"`}, 10, 20, "bytes=10-29", ""},
		{ContentInfo{Size: -1}, 0, 10, "bytes=0-9", ""},
	} {
		r, err := c.Range(t.Context(), outputURL, tt.want, tt.off, tt.n)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		io.Copy(io.Discard, r)
		r.Close()
		list := n.requests()
		h := list[len(list)-1].Header
		if h.Get("Range") != tt.rng || h.Get("If-Range") != tt.ifRange {
			t.Errorf("%+v: sent Range %q, If-Range %q", tt, h.Get("Range"), h.Get("If-Range"))
		}
	}
}

// Whatever a server does, the bytes are right or there is an error.
func TestRangeFaults(t *testing.T) {
	f := newFile(100_000)
	reply := func(status int, body []byte, header ...string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			for i := 0; i+1 < len(header); i += 2 {
				if header[i+1] == "" {
					w.Header().Del(header[i])
				} else {
					w.Header().Set(header[i], header[i+1])
				}
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(status)
			w.Write(body)
			return true
		}
	}
	part := f.data[1000:6000]
	for _, tt := range []struct {
		name  string
		fault func(w http.ResponseWriter, r *http.Request) bool
		want  error // nil means the bytes come
		temp  bool
	}{
		{"200, whole", reply(200, f.data), nil, false},
		{"200, another size", reply(200, f.data[:99_999]), ErrChanged, false},
		{"200, another ETag", reply(200, f.data, "ETag", `"v2"`), ErrChanged, false},
		{"206, another ETag", reply(206, part, "ETag", `"v2"`, "Content-Range", "bytes 1000-5999/100000"), ErrChanged, false},
		{"206, no ETag", reply(206, part, "ETag", "", "Content-Range", "bytes 1000-5999/100000"), nil, false},
		{"206, weak ETag", reply(206, part, "ETag", `W/"v1"`, "Content-Range", "bytes 1000-5999/100000"), nil, false},
		{"206, unknown total", reply(206, part, "Content-Range", "bytes 1000-5999/*"), nil, false},
		{"206, another total", reply(206, part, "Content-Range", "bytes 1000-5999/100001"), ErrChanged, false},
		{"206, more than asked", reply(206, f.data[1000:7000], "Content-Range", "bytes 1000-6999/100000"), nil, false},
		{"206, elsewhere", reply(206, part, "Content-Range", "bytes 1001-6000/100000"), errAny, false},
		{"206, less", reply(206, part[:4999], "Content-Range", "bytes 1000-5998/100000"), errAny, false},
		{"206, no Content-Range", reply(206, part), errAny, false},
		{"206, garbage", reply(206, part, "Content-Range", "bytes 1000-5999"), errAny, false},
		{"206, backwards", reply(206, part, "Content-Range", "bytes 5999-1000/100000"), errAny, false},
		{"206, another length", reply(206, part[:100], "Content-Range", "bytes 1000-5999/100000"), errAny, false},
		{"206, several parts", reply(206, part, "Content-Type", "multipart/byteranges; boundary=x"), errAny, false},
		{"206, encoded", reply(206, part, "Content-Encoding", "gzip", "Content-Range", "bytes 1000-5999/100000"), errAny, false},
		{"200, encoded", reply(200, f.data, "Content-Encoding", "br"), errAny, false},
		{"200, identity", reply(200, f.data, "Content-Encoding", "identity"), nil, false},
		{"204", reply(204, nil), errAny, false},
		{"416", reply(416, nil, "Content-Range", "bytes */50"), ErrChanged, false},
		{"401", reply(401, nil), iofs.ErrPermission, false},
		{"403", reply(403, nil), ErrGone, false},
		{"404", reply(404, []byte("<Error><Code>NoSuchKey</Code></Error>")), ErrGone, false},
		{"410", reply(410, nil), ErrGone, false},
		{"400", reply(400, nil), errAny, false},
		{"429", reply(429, nil, "Retry-After", "7"), errAny, true},
		{"500", reply(500, nil), errAny, true},
		{"503", reply(503, []byte("<html>")), errAny, true},
		{"redirect elsewhere", reply(302, nil, "Location", "https://evil.example/x"), ErrForbidden, false},
		{"redirect to http", reply(302, nil, "Location", "http://replicate.delivery/x"), ErrForbidden, false},
		{"redirect into the network", reply(302, nil, "Location", "http://169.254.169.254/latest"), ErrForbidden, false},
		{"redirect to itself", reply(302, nil, "Location", outputURL), ErrForbidden, false},
		{"cut before the header", func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) }, errAny, true},
		{"cut in the body", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Range", "bytes 1000-5999/100000")
			w.Header().Set("Content-Length", "5000")
			w.WriteHeader(206)
			w.Write(part[:100])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, io.ErrUnexpectedEOF, true},
		{"chunked and short", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Range", "bytes 1000-5999/100000")
			w.WriteHeader(206)
			w.Write(part[:100])
			http.NewResponseController(w).Flush()
			return true
		}, io.ErrUnexpectedEOF, true},
		{"chunked and whole", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Range", "bytes 1000-5999/100000")
			w.WriteHeader(206)
			w.Write(part[:100])
			http.NewResponseController(w).Flush()
			w.Write(part[100:])
			return true
		}, nil, false},
		{"200, cut while skipping", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", "100000")
			w.Write(f.data[:500])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, io.ErrUnexpectedEOF, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := *f
			g.fault = tt.fault
			n := newNetwork(t, g.serve)
			r, err := n.content(ContentOptions{}).Range(t.Context(), outputURL, f.info(), 1000, 5000)
			var got []byte
			if err == nil {
				got, err = io.ReadAll(r)
				r.Close()
			}
			if tt.want == nil {
				if err != nil || !bytes.Equal(got, part) {
					t.Errorf("%d bytes, %v, want the range", len(got), err)
				}
				return
			}
			if err == nil || tt.want != errAny && !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if !bytes.HasPrefix(part, got) {
				t.Error("wrong bytes came before the error")
			}
			if errors.Is(tt.want, ErrGone) && !errors.Is(err, iofs.ErrNotExist) {
				t.Errorf("%v is not a not-exist error", err)
			}
			var e *ContentError
			if !errors.As(err, &e) || e.Temporary() != tt.temp {
				t.Errorf("%v (%T): want a ContentError, temporary %v", err, err, tt.temp)
			}
			if strings.Contains(err.Error(), "AbC") {
				t.Errorf("%v shows the URL", err)
			}
			for _, addr := range n.dialed {
				if addr != "replicate.delivery:443" {
					t.Errorf("dialed %s", addr)
				}
			}
		})
	}
}

var errAny = errors.New("any error")

func TestRangeNotSupported(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(64<<20))
		w.WriteHeader(200)
		chunk := make([]byte, 64<<10)
		for range 1024 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	c := n.content(ContentOptions{})
	want := ContentInfo{Size: 64 << 20}
	if _, err := c.Range(t.Context(), outputURL, want, maxSkip+1, 10); !errors.Is(err, ErrNoRange) {
		t.Errorf("far inside: %v, want ErrNoRange", err)
	}
	r, err := c.Range(t.Context(), outputURL, want, maxSkip, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); len(got) != 10 || err != nil {
		t.Errorf("near: %d bytes, %v, want 10", len(got), err)
	}
}

func TestRangeModified(t *testing.T) {
	f := newFile(1000)
	f.etag = ""
	c := newNetwork(t, f.serve).content(ContentOptions{})
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for modified, want := range map[time.Time]error{at: nil, at.Add(time.Second): ErrChanged, {}: nil} {
		r, err := c.Range(t.Context(), outputURL, ContentInfo{Size: 1000, Modified: modified}, 5, 5)
		if !errors.Is(err, want) {
			t.Errorf("modified %v: %v, want %v", modified, err, want)
		}
		if err == nil {
			r.Close()
		}
	}
}

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
		if took := time.Since(start); len(got) != 10 || !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
			t.Errorf("%d bytes, %v after %v, want 10 and the deadline after 3s", len(got), err, took)
		}
		r.Close()
		time.Sleep(time.Second)
	})
}

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

// A whole file that has grown is noticed without ETag and length too.
func TestWholeFileGrown(t *testing.T) {
	f := newFile(100_000)
	f.etag = ""
	f.fault = func(w http.ResponseWriter, r *http.Request) bool {
		http.NewResponseController(w).Flush()
		w.Write(f.data)
		return true
	}
	c := newNetwork(t, f.serve).content(ContentOptions{})
	for size, want := range map[int64]error{100_000: nil, 99_999: ErrChanged, 100_001: io.ErrUnexpectedEOF} {
		r, err := c.Range(t.Context(), outputURL, ContentInfo{Size: size}, 0, size)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); !errors.Is(err, want) {
			t.Errorf("%d bytes of 100000: %v, want %v", size, err, want)
		}
		r.Close()
	}
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

// A body that is closed early keeps its connection if the rest is small, and
// reads no more than that.
func TestCloseEarly(t *testing.T) {
	for _, tt := range []struct {
		size  int
		dials int64
	}{{1500 << 10, 1}, {32 << 20, 4}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFile(tt.size)
			n := newNetwork(t, f.serve)
			c := n.content(ContentOptions{})
			for range 4 {
				r, err := c.Range(t.Context(), outputURL, f.info(), 0, int64(tt.size))
				if err != nil {
					t.Fatal(err)
				}
				io.ReadFull(r, make([]byte, 64<<10))
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // as callers do
				_ = ctx
				r.Close()
				synctest.Wait()
			}
			if got := n.dials.Load(); got != tt.dials {
				t.Errorf("%d bytes: %d connections, want %d", tt.size, got, tt.dials)
			}
			time.Sleep(time.Second)
		})
	}
}

func TestContentClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(1 << 20)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", strconv.Itoa(1<<20))
			w.Write(f.data[:100<<10])
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}
		c := newNetwork(t, f.serve).content(ContentOptions{})
		r, err := c.Get1(t)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r.Close() // goes on in the background, and stalls
		c.Close()
		c.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v, want to end what goes on", took)
		}
		time.Sleep(time.Second)
	})
}

func (c *Content) Get1(t *testing.T) (io.ReadCloser, error) {
	r, _, err := c.Get(t.Context(), outputURL)
	if err == nil {
		_, err = io.ReadFull(r, make([]byte, 1000))
	}
	return r, err
}

// counted counts requests by protocol.
type counted struct {
	*httptest.Server
	mu     sync.Mutex
	protos map[string]int
}

func newTLS(t *testing.T, http2 bool, h http.HandlerFunc) (*counted, *Content) {
	s := &counted{protos: map[string]int{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.protos[r.Proto]++
		s.mu.Unlock()
		h(w, r)
	}))
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "https://")
	c, err := NewContent(ContentOptions{Hosts: []string{host}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for _, hc := range []*http.Client{c.small, c.bulk} {
		hc.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return s, c
}

// Small requests share an HTTP/2 connection, large ones have their own.
func TestLanes(t *testing.T) {
	f := newFile(8 << 20)
	for _, http2 := range []bool{true, false} {
		s, c := newTLS(t, http2, f.serve)
		read := func(n int64) {
			r, err := c.Range(t.Context(), s.URL+"/x", f.info(), 1, n)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if m, err := io.Copy(io.Discard, r); m != n || err != nil {
				t.Errorf("%d of %d bytes, %v", m, n, err)
			}
		}
		read(1000)
		read(bulkSize)
		read(bulkSize + 1)
		read(7 << 20)
		want := map[string]int{"HTTP/2.0": 2, "HTTP/1.1": 2}
		if !http2 {
			want = map[string]int{"HTTP/1.1": 4}
		}
		if fmt.Sprint(s.protos) != fmt.Sprint(want) {
			t.Errorf("h2 %v: requests by protocol %v, want %v", http2, s.protos, want)
		}
	}
}

// Closing an HTTP/2 body early moves little and keeps the connection.
func TestHTTP2CloseEarly(t *testing.T) {
	var sent atomic.Int64
	f := newFile(1500 << 10)
	var conns sync.Map
	done := make(chan struct{}, 100)
	s, c := newTLS(t, true, func(w http.ResponseWriter, r *http.Request) {
		conns.Store(r.RemoteAddr, true)
		w.Header().Set("Content-Length", strconv.Itoa(len(f.data)))
		for off := 0; off < len(f.data); off += 16 << 10 {
			n, err := w.Write(f.data[off:min(off+16<<10, len(f.data))])
			sent.Add(int64(n))
			if err != nil {
				break
			}
			http.NewResponseController(w).Flush()
		}
		done <- struct{}{}
	})
	const files = 20
	for range files {
		r, err := c.Range(t.Context(), s.URL+"/x", ContentInfo{Size: int64(len(f.data))}, 0, int64(len(f.data)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
		r.Close()
		<-done
	}
	n := 0
	conns.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if got := sent.Load() / files; got > 512<<10 {
		t.Errorf("%d KiB moved for 64 KiB of each file, want at most 512", got>>10)
	} else {
		t.Logf("%d KiB moved for 64 KiB of each file", got>>10)
	}
}

func TestParseContentRange(t *testing.T) {
	for in, want := range map[string]contentRange{
		"bytes 0-9/10":   {0, 9, 10},
		"bytes 5-5/10":   {5, 5, 10},
		"Bytes 0-9/*":    {0, 9, -1},
		"bytes */0":      {-1, -1, 0},
		"bytes */12345":  {-1, -1, 12345},
		" bytes  1-2/3 ": {1, 2, 3},
		"bytes 0-4611686018427387902/4611686018427387903": {0, 1<<62 - 2, 1<<62 - 1},
	} {
		if got, ok := parseContentRange(in); !ok || got != want {
			t.Errorf("parseContentRange(%q) = %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "bytes", "bytes 0-9", "bytes 0-10/10", "bytes 9-0/10", "bytes -1-9/10", "bytes +1-9/10", "bytes 0-/10", "bytes -9/10",
		"bytes */*", "items 0-9/10", "bytes 0-9/10/11", "bytes 0-9/-1", "bytes 0-9223372036854775807/9223372036854775808", "bytes 0x0-9/10", "bytes 0-9 /10"} {
		if got, ok := parseContentRange(in); ok {
			t.Errorf("parseContentRange(%q) = %v, want refused", in, got)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes */10", "bytes 0-9/*", "bytes 5-4/9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cr, ok := parseContentRange(s)
		if !ok {
			return
		}
		if cr.first == -1 {
			if cr.last != -1 || cr.total < 0 {
				t.Errorf("%q: %v", s, cr)
			}
			return
		}
		if cr.first < 0 || cr.last < cr.first || cr.total != -1 && cr.total <= cr.last || cr.last-cr.first+1 <= 0 {
			t.Errorf("%q: %v", s, cr)
		}
	})
}
