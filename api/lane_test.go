package api

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// counted counts requests by protocol.
type counted struct {
	*httptest.Server
	mu     sync.Mutex
	protos map[string]int
}

func newTLS(t *testing.T, http2 bool, h http.HandlerFunc) (*counted, *Content) {
	return newTLSWatched(t, http2, h, func(*http.Server) {})
}

func newTLSWatched(t *testing.T, http2 bool, h http.HandlerFunc, watch func(*http.Server)) (*counted, *Content) {
	s := &counted{protos: map[string]int{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.protos[r.Proto]++
		s.mu.Unlock()
		h(w, r)
	}))
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are given up
	watch(s.Config)
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
	for _, hc := range []*http.Client{c.small, c.wide} {
		hc.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	c.spares.tls = &tls.Config{RootCAs: roots}
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

// Over HTTP/2 the server goes far ahead in a file when the last one was read to
// its end: else each 384 KiB would cost a round trip.
func TestHTTP2Whole(t *testing.T) {
	f := newFile(1500 << 10)
	sent := make(chan bool, 1)
	s, c := newTLS(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.data)))
		n, _ := w.Write(f.data)
		sent <- n == len(f.data)
	})
	open := func() io.ReadCloser {
		r, err := c.Range(t.Context(), s.URL+"/x", ContentInfo{Size: int64(len(f.data))}, 0, int64(len(f.data)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open()
	r.Close()
	if <-sent {
		t.Error("all of the first file was sent to one who reads its header")
	}
	r = open()
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	r.Close()
	<-sent
	r = open()
	if !<-sent { // though nobody reads on
		t.Error("after a whole file, the next one was not sent ahead")
	}
	r.Close()
	r = open()
	r.Close()
	if <-sent {
		t.Error("after a header, all of the next file was sent")
	}
}
