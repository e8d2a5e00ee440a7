package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
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
	// that is closed early has moved for nothing.
	streamWindow = 384 << 10

	contentTries = 3 // of Stat and Get
)

// ContentOptions configure a Content. The zero value reads from Replicate.
type ContentOptions struct {
	Hosts     []string          // further output hosts, each HOST or HOST:PORT
	Transport http.RoundTripper // for tests; nil means our own, which checks addresses too
	UserAgent string            // "" means "replicatefs"
	Log       *slog.Logger      // nil discards
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
// connection is one TCP window. A host without HTTP/2 needs no second lane.
type Content struct {
	hosts *hosts
	agent string
	log   *slog.Logger

	small, bulk *http.Client
	single      sync.Map // hosts that have answered in HTTP/1

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
	small, bulk := o.Transport, o.Transport
	if o.Transport == nil {
		d := &dialer{hosts: h}
		small, bulk = contentTransport(d, true), contentTransport(d, false)
	}
	c.small = &http.Client{Transport: small, CheckRedirect: c.redirect}
	c.bulk = &http.Client{Transport: bulk, CheckRedirect: c.redirect}
	return c, nil
}

func contentTransport(d *dialer, http2 bool) *http.Transport {
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
	if http2 {
		t.Protocols.SetHTTP2(true)
		t.HTTP2 = &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamWindow,
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
	c.small.CloseIdleConnections()
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

// lane picks the client for a request of n bytes.
func (c *Content) lane(u *url.URL, n int64) *http.Client {
	if n <= bulkSize || u.Scheme == "http" {
		return c.small
	}
	if _, ok := c.single.Load(u.Host); ok {
		return c.small // its connections are open, and as good
	}
	return c.bulk
}

// Stat asks for the facts of a file: by HEAD, and where that is refused or tells
// no length, by reading its first byte. It repeats on 429, 5xx and network trouble.
func (c *Content) Stat(ctx context.Context, rawurl string) (ContentInfo, error) {
	var info ContentInfo
	err := c.again(ctx, func() error {
		r, err := c.fetch(ctx, ask{op: "stat output", method: http.MethodHead, url: rawurl})
		var e *ContentError
		switch {
		case err == nil:
			info = infoOf(r.resp)
			r.Close()
			// Some servers tell 0 because a HEAD has no body; real empty files are rare.
			if info.Size > 0 && r.resp.StatusCode == http.StatusOK && plainEncoding(r.resp) {
				return nil
			}
		case !errors.As(err, &e), e.Temporary(), e.Status < 400, e.Status == http.StatusNotFound, e.Status == http.StatusGone:
			return err
		}
		info, err = c.statByRange(ctx, rawurl)
		return err
	})
	return info, err
}

func (c *Content) statByRange(ctx context.Context, rawurl string) (ContentInfo, error) {
	r, err := c.fetch(ctx, ask{op: "stat output", url: rawurl, rng: "bytes=0-0", empty: true})
	if err != nil {
		return ContentInfo{}, err
	}
	info := infoOf(r.resp)
	switch r.resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		info.Size = -1
		if cr, ok := parseContentRange(r.resp.Header.Get("Content-Range")); ok {
			info.Size = cr.total
		}
	case http.StatusRequestedRangeNotSatisfiable:
		// Nothing has a first byte: the file is empty, if the server says so.
		cr, ok := parseContentRange(r.resp.Header.Get("Content-Range"))
		r.Close()
		if !ok || cr.total != 0 {
			return ContentInfo{}, r.wrong("a strange answer to a range")
		}
		return ContentInfo{Size: 0, ETag: info.ETag, Modified: info.Modified}, nil
	default:
		return ContentInfo{}, r.refuse("a strange answer to a range")
	}
	if !plainEncoding(r.resp) {
		info.Size = -1 // a length, but of something else
	}
	r.Close()
	return info, nil
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

// again repeats a request that has given nothing yet.
func (c *Content) again(ctx context.Context, try func() error) error {
	policy := Retry{First: 200 * time.Millisecond, Most: 5 * time.Second}.filled()
	for n := 1; ; n++ {
		err := try()
		var e *ContentError
		if err == nil || n == contentTries || !errors.As(err, &e) || !e.Temporary() {
			return err
		}
		pause := policy.backoff(n)
		if e.RetryAfter > pause {
			if pause = e.RetryAfter; pause > 10*time.Second {
				return err
			}
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
			return err
		}
		c.log.LogAttrs(ctx, slog.LevelDebug, "asking for content again", slog.Int("try", n), slog.Duration("pause", pause), slog.String("because", err.Error()))
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// ask is one request for content.
type ask struct {
	op      string
	method  string // "" means GET
	url     string
	n       int64  // bytes wanted, to pick a lane; 0 if few or unknown
	rng     string // Range header
	ifRange string
	empty   bool // 416 is an answer, not an error
}

// fetch sends one request and returns the answer to it, if it is one: any 2xx.
func (c *Content) fetch(ctx context.Context, a ask) (*reply, error) {
	u, err := url.Parse(a.url)
	if err != nil || !c.hosts.allowed(u) {
		host := ""
		if u != nil {
			host = u.Host
		}
		return nil, &ContentError{Op: a.op, Host: host, cause: ErrForbidden, why: ErrForbidden.Error()}
	}
	if a.method == "" {
		a.method = http.MethodGet
	}
	// The request lives as long as its body, and a body that is closed may still be
	// read to its end: so it ends by its own cancel, to which ctx is tied until then.
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	untie := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })
	wait := time.AfterFunc(queueTimeout, func() { cancel(errFirstByte) })
	own = httptrace.WithClientTrace(own, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { wait.Reset(firstByte) },
	})
	r := &reply{c: c, op: a.op, host: u.Host, ctx: own, cancel: cancel, untie: untie, left: -1}
	fail := func(err error) (*reply, error) {
		untie()
		cancel(nil)
		return nil, err
	}
	req, err := http.NewRequestWithContext(own, a.method, u.String(), nil)
	if err != nil {
		wait.Stop()
		return fail(&ContentError{Op: a.op, Host: u.Host, why: "not a URL", cause: iofs.ErrInvalid})
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept-Encoding", "identity")
	if a.rng != "" {
		req.Header.Set("Range", a.rng)
	}
	if a.ifRange != "" {
		req.Header.Set("If-Range", a.ifRange)
	}
	start := time.Now()
	lane := c.lane(u, a.n)
	resp, err := lane.Do(req)
	// From here on silence is a stall, which Read watches.
	late := !wait.Stop() && context.Cause(own) == errFirstByte
	if err != nil || late {
		if err == nil {
			resp.Body.Close()
			err = errFirstByte
		}
		return fail(r.broken(err))
	}
	if lane == c.small && resp.ProtoMajor == 1 {
		c.single.Store(u.Host, true)
	}
	r.resp, r.rest = resp, resp.ContentLength
	c.log.LogAttrs(ctx, slog.LevelDebug, "content", slog.String("op", a.op), slog.String("host", u.Host), slog.String("range", a.rng),
		slog.Int("status", resp.StatusCode), slog.Duration("took", time.Since(start)))
	if s := resp.StatusCode; s >= 200 && s <= 299 || a.empty && s == http.StatusRequestedRangeNotSatisfiable {
		return r, nil
	}
	defer r.Close()
	return nil, r.status(resp)
}

func infoOf(resp *http.Response) ContentInfo {
	i := ContentInfo{Size: resp.ContentLength, Type: resp.Header.Get("Content-Type"), ETag: resp.Header.Get("ETag")}
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		i.Modified = t
	}
	return i
}

// plainEncoding reports whether the bytes are those of the file.
func plainEncoding(resp *http.Response) bool {
	e := resp.Header.Get("Content-Encoding")
	return !resp.Uncompressed && (e == "" || strings.EqualFold(e, "identity"))
}
