// Package api talks to Replicate: a typed client of its HTTP API, and ranged
// reading of the files that models make.
//
// There are two halves that share nothing but this package. A [Client] knows the
// token and speaks only to the API's base URL. A [Content] knows no token and
// fetches output files, wherever the API says they are, from hosts that are
// allowed. The token therefore cannot reach a delivery host by mistake, and a
// model that writes a URL into its output cannot make this program call a host
// of its choosing.
//
// Every call takes the same path: build, send, check. Answers are bounded and
// decoded so that a strange field costs that field only; beside the typed view
// stands the JSON as received, because big numbers and fields that we do not know
// must survive. Pages are iterators. Errors say what was attempted, and answer
// errors.Is in the vocabulary of io/fs.
//
// Calls that change nothing are repeated after 429, 5xx and network trouble, and
// wait as long as Replicate tells them to, bounded by the context. Creating a
// prediction costs money and has no idempotency key: it is repeated only where
// it certainly did not arrive, and otherwise reported as [ErrAmbiguous].
//
// All methods may be called from many goroutines at once.
package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultBaseURL is Replicate's own API.
const DefaultBaseURL = "https://api.replicate.com/v1"

// Options configure a Client. The zero value calls Replicate without a token.
type Options struct {
	BaseURL     string                // includes /v1; "" means DefaultBaseURL
	Token       Token                 // "" sends none, unless there is a TokenSource
	TokenSource func() (Token, error) // asked when Token is empty, and again after a 401
	Transport   http.RoundTripper     // nil means one of our own; others see the token
	UserAgent   string                // "" means "replicatefs"
	Retry       Retry
	Log         *slog.Logger // nil discards
}

// Client calls the API. It is made by New.
type Client struct {
	base  *url.URL // without a trailing slash
	auth  *auth
	agent string
	retry Retry
	log   *slog.Logger

	http *http.Client // for the API: token, redirects within its host only
	bare *http.Client // for event streams: no token, no redirects
	sent *tally

	ahead *atomic.Int64 // see Ahead

	idle func() // closes idle connections
}

// New returns a client, or an error if the base URL is unfit: it must be https,
// or http on a loopback address, since the token travels there.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if !o.Token.valid() {
		return nil, errTokenForm
	}
	c := &Client{sent: new(tally), ahead: new(atomic.Int64),
		base:  base,
		auth:  &auth{source: o.TokenSource, token: o.Token, read: o.Token != ""},
		agent: o.UserAgent,
		retry: o.Retry.filled(),
		log:   o.Log,
	}
	if c.agent == "" {
		c.agent = "replicatefs"
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	rt := o.Transport
	if rt == nil {
		rt = newTransport()
	}
	c.http = &http.Client{Transport: rt, CheckRedirect: c.redirect}
	c.bare = &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.idle = c.http.CloseIdleConnections
	return c, nil
}

// Base returns the base URL in its one form: lower-case host, no trailing slash.
// Together with an account it names what local data belongs to.
func (c *Client) Base() string { return c.base.String() }

// Close gives up idle connections. Calls in flight go on.
func (c *Client) Close() { c.idle() }

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		// The error of url.Parse repeats its input, which may hold a password.
		return nil, errors.New("base URL: not a URL")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("base URL: must not contain a user or password")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("base URL %q: want https://HOST/v1", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("base URL %q: must not have a query or fragment", u.Redacted())
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("base URL %q: plain http is for loopback addresses only, the token would be readable on the way", u.Redacted())
	}
	u.Host = strings.ToLower(u.Host)
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// loopback reports whether host, without a port, can only be this machine.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// newTransport is for the API. Calls are small and few, so HTTP/2 is welcome.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 8,
		// Shorter than what servers and routers keep: a create sent into a dead
		// connection would be ambiguous for nothing. Polls keep it warm.
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

// redirect follows only reads, and only to where the token may go anyway. Others
// are not followed: check then reports the 3xx itself.
func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	read := via[0].Method == http.MethodGet || via[0].Method == http.MethodHead
	if !read || len(via) > 5 || req.URL.Scheme != c.base.Scheme || !strings.EqualFold(req.URL.Host, c.base.Host) || req.URL.User != nil {
		return http.ErrUseLastResponse
	}
	return nil
}
