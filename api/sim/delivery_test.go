package sim

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// put adds a finished prediction with the files and answers their URLs.
func (s *tester) put(files ...*File) (urls []string) {
	s.t.Helper()
	var out []any
	for _, f := range files {
		out = append(out, f)
	}
	id := s.Add(Prediction{Model: "acme/blob", Status: Succeeded, Output: out})
	for _, u := range s.want(200, "GET", "/predictions/"+id, "")["output"].([]any) {
		urls = append(urls, u.(string))
	}
	return urls
}

func TestRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		data := []byte("0123456789")
		urls := s.put(NewFile("ten.bin", data), NewFile("ten.bin", nil))
		u := urls[0]
		tag := fmt.Sprintf(`"%x"`, md5.Sum(data))
		full := s.do("GET", u, "")
		if string(full.body) != "0123456789" || full.header.Get("Etag") != tag || full.header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("got %q, %v", full.body, full.header)
		}
		modified := full.header.Get("Last-Modified")
		for _, c := range []struct {
			header        []string
			status        int
			body, content string
		}{
			{[]string{"Range", "bytes=0-3"}, 206, "0123", "bytes 0-3/10"},
			{[]string{"Range", "bytes=8-"}, 206, "89", "bytes 8-9/10"},
			{[]string{"Range", "bytes=8-100"}, 206, "89", "bytes 8-9/10"},
			{[]string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
			{[]string{"Range", "bytes=-30"}, 206, "0123456789", "bytes 0-9/10"},
			{[]string{"Range", "bytes=9-9"}, 206, "9", "bytes 9-9/10"},
			{[]string{"Range", "bytes=10-"}, 416, "*", "bytes */10"},
			{[]string{"Range", "bytes=-0"}, 416, "*", "bytes */10"},
			{[]string{"Range", "bytes=5-3"}, 200, "0123456789", ""},
			{[]string{"Range", "bytes=a-b"}, 200, "0123456789", ""},
			{[]string{"Range", "lines=1-2"}, 200, "0123456789", ""},
			{[]string{"Range", "bytes=0-1,4-5"}, 200, "0123456789", ""},
			{[]string{"Range", "bytes=0-1", "If-Range", tag}, 206, "01", "bytes 0-1/10"},
			{[]string{"Range", "bytes=0-1", "If-Range", modified}, 206, "01", "bytes 0-1/10"},
			{[]string{"Range", "bytes=0-1", "If-Range", `"other"`}, 200, "0123456789", ""},
			{[]string{"If-None-Match", tag}, 304, "", ""},
			{[]string{"If-None-Match", `"other", ` + tag}, 304, "", ""},
			{[]string{"If-None-Match", `"other"`}, 200, "0123456789", ""},
			{[]string{"If-Match", `"other"`}, 412, "*", ""},
			{[]string{"Accept-Encoding", "gzip"}, 200, "0123456789", ""},
		} {
			a := s.do("GET", u, "", c.header...)
			if a.status != c.status || c.body != "*" && string(a.body) != c.body || a.header.Get("Content-Range") != c.content {
				t.Errorf("%v: got %d %q %q, want %d %q %q", c.header, a.status, a.body, a.header.Get("Content-Range"), c.status, c.body, c.content)
			}
		}
		if a := s.do("HEAD", u, ""); a.status != 200 || a.header.Get("Content-Length") != "10" || len(a.body) != 0 {
			t.Errorf("HEAD: got %d, length %s", a.status, a.header.Get("Content-Length"))
		}
		if a := s.do("GET", urls[1], "", "Range", "bytes=0-"); a.status != 416 {
			t.Errorf("range of an empty file: got %d, want 416", a.status)
		}
		if a := s.do("GET", urls[1], ""); a.status != 200 || a.header.Get("Content-Length") != "0" {
			t.Errorf("empty file: got %d, length %q", a.status, a.header.Get("Content-Length"))
		}
		if a := s.do("PUT", u, "x"); a.status != http.StatusMethodNotAllowed {
			t.Errorf("PUT: got %d, want 405", a.status)
		}
		for _, bad := range []string{u + "x", "https://replicate.delivery/", "https://replicate.delivery/xezq/none/ten.bin", "https://replicate.delivery/a/b/c/d"} {
			if a := s.do("GET", bad, ""); a.status != 404 || a.header.Get("Content-Type") != "application/xml; charset=UTF-8" {
				t.Errorf("%s: got %d %s, want 404 in XML", bad, a.status, a.header.Get("Content-Type"))
			}
		}
	})
}

func TestBlobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Speed: Instant})
		p := s.get(s.create("acme/blob", `{"size":1099511627776,"count":2}`))
		id := p["id"].(string)
		out := p["output"].([]any)
		for index, off := range []int64{1<<40 - 100, 12345} {
			a := s.do("GET", out[index].(string), "", "Range", fmt.Sprintf("bytes=%d-%d", off, off+99))
			want := make([]byte, 100)
			s.ContentAt(id, index, want, off)
			if a.status != 206 || !bytes.Equal(a.body, want) {
				t.Errorf("file %d at %d: got %d, other bytes than ContentAt", index, off, a.status)
			}
		}
		if a := s.do("HEAD", out[0].(string), ""); a.header.Get("Content-Length") != "1099511627776" {
			t.Errorf("got length %s, want a terabyte", a.header.Get("Content-Length"))
		}
		// Whatever the place and the length, the bytes are those of one content.
		all := make([]byte, 64)
		s.ContentAt(id, 0, all, 0)
		for off := range 40 {
			for n := range 24 {
				got := make([]byte, n)
				s.ContentAt(id, 0, got, int64(off))
				if !bytes.Equal(got, all[off:off+n]) {
					t.Fatalf("%d bytes at %d: got %x, want %x", n, off, got, all[off:off+n])
				}
			}
		}
		other := make([]byte, 64)
		if s.ContentAt(id, 1, other, 0); bytes.Equal(all, other) {
			t.Error("two files have the same content")
		}
	})
}

// A drawn file is the same before and after it was forgotten.
func TestDrawnAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Speed: Instant})
		s.bytes.limit = 1 // holds one file
		p := s.get(s.create(flux, `{"prompt":"a cat","num_outputs":2}`))
		out := p["output"].([]any)
		first := s.do("GET", out[0].(string), "")
		s.do("GET", out[1].(string), "")
		if n := s.bytes.order.Len(); n != 1 {
			t.Errorf("%d files are held, want 1", n)
		}
		again := s.do("GET", out[0].(string), "")
		if !bytes.Equal(first.body, again.body) || first.header.Get("Etag") != again.header.Get("Etag") {
			t.Error("the picture changed")
		}
		if got, want := first.header.Get("Etag"), fmt.Sprintf(`"%x"`, md5.Sum(first.body)); got != want {
			t.Errorf("got ETag %s, want %s", got, want)
		}
	})
}

// The network of setting A: each answer late, the first of a connection more,
// and so many bytes a second.
func TestNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Delivery: Network{FirstByte: 40 * time.Millisecond, Connect: 80 * time.Millisecond, Bandwidth: 50e6}})
		u := s.put(NewBlob("big.bin", 50e6))[0]
		s.c.CloseIdleConnections()
		for i, want := range []time.Duration{120 * time.Millisecond, 40 * time.Millisecond} {
			begin := time.Now()
			s.do("HEAD", u, "")
			if got := time.Since(begin); got != want {
				t.Errorf("HEAD %d took %v, want %v", i, got, want)
			}
		}
		begin := time.Now()
		s.do("GET", u, "")
		if got := time.Since(begin); got < time.Second || got > 1100*time.Millisecond {
			t.Errorf("50 MB took %v, want 1.04s", got)
		}
	})
}

func TestLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		c := &tester{t, s, s.Client(), apiRoot}
		defer s.Close()
		u := c.put(NewFile("a", nil))[0]
		c.do("GET", u, "")
		if got := s.Leaks(); len(got) != 0 {
			t.Fatalf("got %v, want none", got)
		}
		c.do("GET", u, "", "Authorization", "Bearer anything")
		c.do("GET", u+"?token="+DemoToken, "")
		c.do("GET", u, "", "Referer", "https://x/?t="+DemoToken)
		c.do("GET", "https://stream.replicate.com/v1/streams/x", "", "Authorization", "Bearer "+DemoToken)
		c.create(flux, `{"prompt":"my token is `+DemoToken+`"}`)
		if got := s.Leaks(); len(got) != 5 {
			t.Errorf("got %d leaks, want 5: %v", len(got), got)
		}
	})
}

// BenchmarkDelivery is how fast computed bytes leave over loopback.
func BenchmarkDelivery(b *testing.B) {
	const size = 256 << 20
	s := New(Options{})
	defer s.Close()
	v, err := s.Serve(b.Context(), "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	f := NewBlob("big.bin", size)
	s.Add(Prediction{Model: "acme/blob", Status: Succeeded, Output: f})
	u := bases{output: "http://" + v.OutputHost()}.url(f)
	b.SetBytes(size)
	for b.Loop() {
		res, err := http.Get(u)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if n != size || err != nil {
			b.Fatal(n, err)
		}
	}
}
