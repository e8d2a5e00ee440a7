package api

import (
	"bytes"
	"errors"
	"io"
	iofs "io/fs"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
