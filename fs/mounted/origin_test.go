package mounted_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A setting is how far away an origin is. Settings A and B are those of the
// table in the README.
type setting struct {
	name      string
	firstByte time.Duration // from a request to the first byte of its answer
	connect   time.Duration // until a new connection can be used: TCP and TLS
	bandwidth int64         // bytes per second and connection; 0: none but the machine's
}

var (
	settingA = setting{"A", 40 * time.Millisecond, 80 * time.Millisecond, 50_000_000}
	settingB = setting{name: "B"}
)

// An origin is a file server that replicatefs and its peers read from alike.
type origin struct {
	URL, Host string
	dir       string
	set       setting
	requests  atomic.Int64
	conns     atomic.Int64
	sent      atomic.Int64
}

func newOrigin(b *testing.B, set setting) *origin {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	o := &origin{URL: "http://" + ln.Addr().String(), Host: ln.Addr().String(), dir: b.TempDir(), set: set}
	server := &http.Server{
		Handler: o,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			o.conns.Add(1)
			// Nothing can be sent before the connection is made, which takes its time whether or not a request waits for it.
			return context.WithValue(ctx, readyKey{}, time.Now().Add(set.connect))
		},
	}
	go server.Serve(&pacedListener{ln, o})
	b.Cleanup(func() { server.Close() })
	return o
}

type readyKey struct{}

// add makes a file of so many bytes that no compression or deduplication
// helps with.
func (o *origin) add(b *testing.B, name string, size int64) {
	b.Helper()
	f, err := os.Create(filepath.Join(o.dir, name))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{byte(len(name))})
	for left := size; left > 0; {
		source.Read(block)
		n, err := f.Write(block[:min(left, int64(len(block)))])
		if err != nil {
			b.Fatal(err)
		}
		left -= int64(n)
	}
}

// reset forgets what was counted.
func (o *origin) reset() {
	o.requests.Store(0)
	o.conns.Store(0)
	o.sent.Store(0)
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.requests.Add(1)
	ready := r.Context().Value(readyKey{}).(time.Time)
	select {
	case <-time.After(o.set.firstByte + max(time.Until(ready), 0)):
	case <-r.Context().Done():
		return
	}
	if r.URL.Path == "/" {
		o.index(w)
		return
	}
	f, err := os.Open(filepath.Join(o.dir, filepath.Base(r.URL.Path)))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%s-%d"`, info.Name(), info.Size()))
	http.ServeContent(w, r, info.Name(), info.ModTime(), f)
}

// index is what rclone's http remote finds its files by.
func (o *origin) index(w http.ResponseWriter) {
	entries, _ := os.ReadDir(o.dir)
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	var page strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&page, `<a href="%s">%[1]s</a><br>`, e.Name())
	}
	w.Header().Set("Content-Type", "text/html")
	w.Write([]byte(page.String()))
}

// A pacedListener counts what its connections send and holds them to the
// bandwidth of the setting.
type pacedListener struct {
	net.Listener
	o *origin
}

func (l *pacedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.o.set.bandwidth == 0 {
		return countedConn{c.(*net.TCPConn), l.o}, nil
	}
	// Little in flight: else the first half megabyte of each answer is free.
	c.(*net.TCPConn).SetWriteBuffer(64 << 10)
	return &pacedConn{Conn: c, o: l.o}, nil
}

// A countedConn only counts, and lets the kernel send files by itself.
type countedConn struct {
	*net.TCPConn
	o *origin
}

func (c countedConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.o.sent.Add(int64(n))
	return n, err
}

func (c countedConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(r)
	c.o.sent.Add(n)
	return n, err
}

type pacedConn struct {
	net.Conn
	o    *origin
	next time.Time // when the next byte may leave
}

func (c *pacedConn) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		now := time.Now()
		if wait := c.next.Sub(now); wait > time.Millisecond {
			time.Sleep(wait)
		} else if c.next.Before(now) {
			c.next = now
		}
		piece := p[sent:min(len(p), sent+64<<10)]
		n, err := c.Conn.Write(piece)
		sent += n
		c.o.sent.Add(int64(n))
		c.next = c.next.Add(time.Duration(float64(n) / float64(c.o.set.bandwidth) * float64(time.Second)))
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
