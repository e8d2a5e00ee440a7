package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const testToken = Token("r8_TESTtestTESTtestTESTtestTESTtestTEST0")

// network is a server behind pipes instead of sockets, so that it works inside a
// synctest bubble, where waiting takes no time.
type network struct {
	t         *testing.T
	transport *http.Transport
	server    *http.Server
	accept    chan net.Conn
	done      chan struct{}

	dials atomic.Int64

	mu     sync.Mutex
	dialed []string
	fault  func(n int64) (net.Conn, error) // for the nth dial; nil, nil means none
	seen   []*http.Request
}

// newNetwork serves h for every host name. Requests are recorded.
func newNetwork(t *testing.T, h http.HandlerFunc, set ...func(*http.Server)) *network {
	t.Helper()
	n := &network{t: t, accept: make(chan net.Conn), done: make(chan struct{})}
	n.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.mu.Lock()
			n.seen = append(n.seen, r)
			n.mu.Unlock()
			h(w, r)
		}),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	n.transport = &http.Transport{DialContext: n.dial, DialTLSContext: n.dial, MaxIdleConnsPerHost: 32, DisableCompression: true}
	for _, f := range set {
		f(n.server)
	}
	served := make(chan struct{})
	go func() { defer close(served); n.server.Serve(n) }()
	t.Cleanup(func() {
		n.transport.CloseIdleConnections()
		n.server.Close()
		<-served
	})
	return n
}

func (n *network) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	i := n.dials.Add(1)
	n.mu.Lock()
	n.dialed = append(n.dialed, addr)
	fault := n.fault
	n.mu.Unlock()
	if fault != nil {
		if c, err := fault(i); c != nil || err != nil {
			return c, err
		}
	}
	client, server := net.Pipe()
	select {
	case n.accept <- server:
		return client, nil
	case <-n.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.accept:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.done:
	default:
		close(n.done)
	}
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

func (n *network) requests() []*http.Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*http.Request(nil), n.seen...)
}

// count returns how many requests had this method and path.
func (n *network) count(method, path string) int {
	c := 0
	for _, r := range n.requests() {
		if r.Method == method && r.URL.Path == path {
			c++
		}
	}
	return c
}

// client is a Client of the network; its base is plain http on loopback.
func (n *network) client(o Options) *Client {
	n.t.Helper()
	if o.BaseURL == "" {
		o.BaseURL = "http://127.0.0.1:1/base/v1"
	}
	if o.Token == "" && o.TokenSource == nil {
		o.Token = testToken
	}
	if o.Transport == nil {
		o.Transport = n.transport
	}
	c, err := New(o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

func (n *network) content(o ContentOptions) *Content {
	n.t.Helper()
	o.Transport = n.transport
	c, err := NewContent(o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

// record collects all that a logger was told, to be searched for secrets.
type record struct {
	mu sync.Mutex
	b  strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func (r *record) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(body))
}

func noSecret(t *testing.T, what, s string) {
	t.Helper()
	if strings.Contains(s, string(testToken)) {
		t.Errorf("%s contains the token: %s", what, s)
	}
}
