package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrForbidden says that a URL is not one that output files may be read from.
var ErrForbidden = errors.New("not an output host")

// deliveryHost is where Replicate keeps outputs, itself and its subdomains.
const deliveryHost = "replicate.delivery"

// hosts decides which URLs may be fetched.
type hosts struct {
	added map[string]bool // "host:port", lower case; port "" means the scheme's own
}

// newHosts reads values of --output-host, each HOST or HOST:PORT.
func newHosts(list []string) (*hosts, error) {
	h := &hosts{added: map[string]bool{}}
	for _, s := range list {
		// A URL parser knows brackets and ports; what is left over makes it no host.
		u, err := url.Parse("//" + strings.ToLower(strings.TrimSpace(s)))
		if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(u.Host, ":") {
			return nil, fmt.Errorf("output host %q: want HOST or HOST:PORT", s)
		}
		if _, err := netip.ParseAddr(u.Hostname()); err != nil && strings.Contains(u.Hostname(), ":") {
			return nil, fmt.Errorf("output host %q: IPv6 addresses stand in brackets", s)
		}
		h.added[u.Hostname()+":"+u.Port()] = true
	}
	return h, nil
}

// allowed is the rule for a URL, before anything is dialed: https on Replicate's
// delivery hosts or an added host; http on an added host that is loopback.
func (h *hosts) allowed(u *url.URL) bool {
	if u.User != nil || u.Opaque != "" {
		return false
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	switch u.Scheme {
	case "https":
		if port == "443" {
			port = ""
		}
		return h.has(host, port, "443") || delivery(host) && port == "" && !strings.HasSuffix(u.Host, ":")
	case "http":
		if port == "80" {
			port = ""
		}
		return h.has(host, port, "80") && loopback(host)
	}
	return false
}

// has reports whether host was added with this port; "" and standard are the same.
func (h *hosts) has(host, port, standard string) bool {
	return h.added[host+":"+port] || port == "" && h.added[host+":"+standard]
}

// dialed is has for a dial, where the port is always there and the scheme is not.
func (h *hosts) dialed(host, port string) bool {
	return h.added[host+":"+port] || (port == "443" || port == "80") && h.added[host+":"]
}

func delivery(host string) bool {
	return host == deliveryHost || strings.HasSuffix(host, "."+deliveryHost)
}

// dialer connects to what allowed has let through, and looks at the address that
// a name turns out to have: a delivery host that resolves into the local network
// is an attack or a captive portal. Added hosts may be anywhere, except that
// loopback names must stay on this machine, since http is spoken there.
type dialer struct {
	hosts    *hosts
	resolver *net.Resolver // nil is the system's
	proxies  sync.Map      // host:port of proxies in use, which are dialed as configured
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nd := net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second, Resolver: d.resolver}
	if _, ok := d.proxies.Load(address); ok {
		return nd.DialContext(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	host = strings.ToLower(host)
	ok := public
	switch {
	case loopback(host):
		ok = netip.Addr.IsLoopback
	case d.hosts.dialed(host, port):
		ok = func(netip.Addr) bool { return true }
	}
	nd.Control = func(_, resolved string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(resolved)
		if err != nil || !ok(ap.Addr().Unmap()) {
			return fmt.Errorf("%s leads to %s: %w", host, resolved, ErrForbidden)
		}
		return nil
	}
	return nd.DialContext(ctx, network, address)
}

// proxy is http.ProxyFromEnvironment, remembering what it answered for dial.
func (d *dialer) proxy(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if err != nil || u == nil {
		return u, err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	d.proxies.Store(net.JoinHostPort(u.Hostname(), port), true)
	return u, nil
}

// local are networks that netip's own predicates do not cover.
var local = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("fec0::/10"),
}

// nat64 wraps IPv4 addresses on networks that have IPv6 only.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// public reports whether a is an address of the Internet at large.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range local {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
