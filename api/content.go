package api

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	connectTimeout = 5 * time.Second
	tlsTimeout     = 5 * time.Second
	firstByte      = 15 * time.Second // from having a connection to the header of the answer
	stallTimeout   = 10 * time.Second // between two bytes, while somebody waits for one
	queueTimeout   = 60 * time.Second // for a connection to become free or made

	// bulkSize divides requests between the two lanes. Whole small files and first
	// looks stay below; parts of a large file are above.
	bulkSize = 2 << 20

	// streamWindow is how much an HTTP/2 server may send ahead of us: what a stream
	// that is closed early has moved for nothing. But a stream brings no more in a
	// round trip, so files that are read whole get a wide one.
	streamWindow = 384 << 10
	wideWindow   = 4 << 20

	contentTries = 3 // of Stat and Get
)

// ContentOptions configure a Content. The zero value reads from Replicate.
type ContentOptions struct {
	Hosts     []string          // further output hosts, each HOST or HOST:PORT
	Transport http.RoundTripper // for tests; nil means our own, which checks addresses too
	UserAgent string            // "" means "replicatefs"
	Log       *slog.Logger      // nil discards

	resolver *net.Resolver // what tests replace; nil is the system's
}

// ContentInfo is what a server tells about a file.
type ContentInfo struct {
	Size     int64  // -1 where it is not told
	Type     string // MIME, as told
	ETag     string // with its quotes, and W/ if weak
	Modified time.Time
}

// Content reads output files. It knows no token: where a URL is found in the
// output of a model, no secret can go there.
//
// There are two lanes. Small requests take one where HTTP/2 is welcome: many of
// them share a connection and one that is no longer wanted is dropped without
// losing it. Large ones take a lane of several HTTP/1.1 connections, because one
// connection is one TCP window; these can be opened ahead, see Prepare. Plain
// http, which is spoken to this machine only, has one lane.
type Content struct {
	hosts *hosts
	agent string
	log   *slog.Logger

	small, wide, bulk *http.Client

	whole  atomic.Bool // the last file of some length was read to its end over HTTP/2
	spares *spares     // nil with a transport of others
	sent   tally

	drains chan struct{} // limits how many bodies are read to their end after Close
	closed chan struct{} // closed by Close

	mu   sync.Mutex // guards closed being closed, and work against late comers
	work sync.WaitGroup
}

// NewContent returns a Content, or an error for a host that is none.
func NewContent(o ContentOptions) (*Content, error) {
	h, err := newHosts(o.Hosts)
	if err != nil {
		return nil, err
	}
	c := &Content{hosts: h, agent: o.UserAgent, log: o.Log, drains: make(chan struct{}, 8), closed: make(chan struct{})}
	if c.agent == "" {
		c.agent = "replicatefs"
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	small, wide, bulk := o.Transport, o.Transport, o.Transport
	if o.Transport == nil {
		d := &dialer{hosts: h, resolver: o.resolver}
		c.spares = newSpares(d)
		small, wide = contentTransport(d, c.spares, streamWindow), contentTransport(d, c.spares, wideWindow)
		bulk = contentTransport(d, c.spares, 0)
	}
	c.small = &http.Client{Transport: small, CheckRedirect: c.redirect}
	c.wide = &http.Client{Transport: wide, CheckRedirect: c.redirect}
	c.bulk = &http.Client{Transport: bulk, CheckRedirect: c.redirect}
	return c, nil
}

// contentTransport makes a lane: of HTTP/2 streams with the given window where the
// host speaks it, or of HTTP/1.1 connections only, for a window of 0.
func contentTransport(d *dialer, s *spares, window int) *http.Transport {
	t := &http.Transport{
		Proxy:                  d.proxy,
		DialContext:            d.dial,
		TLSHandshakeTimeout:    tlsTimeout,
		MaxConnsPerHost:        32,
		MaxIdleConnsPerHost:    32, // the default of 2 would throw away what bulk reads need next
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true, // ranges are of the bytes as stored
		ReadBufferSize:         64 << 10,
	}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if window == 0 {
		t.DialTLSContext = func(ctx context.Context, _, at string) (net.Conn, error) {
			return s.take(ctx, address{tls: true, at: at})
		}
	} else {
		t.DialContext = func(ctx context.Context, _, at string) (net.Conn, error) {
			return s.take(ctx, address{at: at})
		}
		t.Protocols.SetHTTP2(true)
		t.HTTP2 = &http.HTTP2Config{
			MaxReceiveBufferPerStream: window,
			SendPingTimeout:           15 * time.Second,
			PingTimeout:               10 * time.Second,
		}
	}
	return t
}

// Close ends what goes on in the background, and idle connections. Bodies that
// are open stay readable; they are their readers' to close.
func (c *Content) Close() {
	c.mu.Lock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	c.mu.Unlock()
	c.work.Wait()
	if c.spares != nil {
		c.spares.close()
	}
	c.small.CloseIdleConnections()
	c.wide.CloseIdleConnections()
	c.bulk.CloseIdleConnections()
}

// background runs f in a goroutine that Close waits for, or reports false: after
// Close, and when enough such work is going on.
func (c *Content) background(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
		return false
	default:
	}
	select {
	case c.drains <- struct{}{}:
	default:
		return false
	}
	c.work.Go(func() {
		defer func() { <-c.drains }()
		f()
	})
	return true
}

// Allowed reports whether rawurl may be read: https on replicate.delivery, its
// subdomains and added hosts, on the standard or the added port; plain http only
// on an added host that is a loopback address; never with a user or password.
// No request is made. Names that lead into the local network are refused later.
func (c *Content) Allowed(rawurl string) bool {
	u, err := url.Parse(rawurl)
	return err == nil && c.hosts.allowed(u)
}

// redirect holds redirects to the rule for URLs.
func (c *Content) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > 5 || !c.hosts.allowed(req.URL) {
		return http.ErrUseLastResponse // fetch reports the 3xx
	}
	req.Header.Del("Referer") // the URL of an output is all that protects it
	return nil
}

// lane picks the client for a request of n bytes. Programs that look at headers do
// so in one file after the other, and so do those that read whole files: what
// became of the last one says how far the server should go ahead in the next.
func (c *Content) lane(u *url.URL, n int64) *http.Client {
	switch {
	case u.Scheme == "http":
		return c.small
	case n > bulkSize:
		return c.bulk
	case n > streamWindow && c.whole.Load():
		return c.wide
	}
	return c.small
}

// Get reads a whole file, whose length may be unknown. Where it is known, a body
// that ends before is io.ErrUnexpectedEOF. It repeats like Stat until it has the
// first byte's header. The caller closes the body.
func (c *Content) Get(ctx context.Context, rawurl string) (io.ReadCloser, ContentInfo, error) {
	var r *reply
	err := c.again(ctx, func() (err error) {
		if r, err = c.fetch(ctx, ask{op: "read output", url: rawurl}); err != nil {
			return err
		}
		if r.resp.StatusCode != http.StatusOK {
			return r.refuse("a part for the whole")
		}
		if !plainEncoding(r.resp) {
			return r.refuse("an encoded file")
		}
		return nil
	})
	if err != nil {
		return nil, ContentInfo{}, err
	}
	info := infoOf(r.resp)
	r.left = info.Size
	return r, info, nil
}
