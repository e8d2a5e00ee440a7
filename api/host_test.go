package api

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestAllowed(t *testing.T) {
	c, err := NewContent(ContentOptions{Hosts: []string{"files.example", "Files2.Example:8443", "127.0.0.1:9000", "[::1]:9001", "localhost", "10.0.0.5:80"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range []string{
		"https://replicate.delivery/xezq/AbC/out-0.webp",
		"https://pbxt.replicate.delivery/AbC/out%200.png?x=1#y",
		"https://a.b.replicate.delivery/",
		"HTTPS://REPLICATE.DELIVERY/x",
		"https://replicate.delivery:443/x",
		"https://files.example/x", "https://files.example:443/x", "https://FILES.example/x",
		"https://files2.example:8443/x",
		"http://127.0.0.1:9000/x", "https://127.0.0.1:9000/x",
		"http://[::1]:9001/x",
		"http://localhost/x", "http://localhost:80/x", "https://localhost/x",
		"https://10.0.0.5:80/x",
	} {
		if !c.Allowed(s) {
			t.Errorf("%s was refused", s)
		}
	}
	for _, s := range []string{
		"", "x", "/x", "//replicate.delivery/x",
		"http://replicate.delivery/x",
		"https://replicate.delivery:8443/x", "https://replicate.delivery:/x", "https://replicate.delivery:80/x",
		"https://replicate.delivery.evil.example/x", "https://evilreplicate.delivery/x", "https://replicate.delivery./x", "https://.replicate.delivery.x/",
		"https://user@replicate.delivery/x", "https://user:pass@replicate.delivery/x", "https://replicate.delivery@evil.example/x", "https://@replicate.delivery/x",
		"https://evil.example/replicate.delivery", "https://evil.example?replicate.delivery", "https://evil.example#replicate.delivery",
		`https://evil.example\replicate.delivery/x`, `https://replicate.delivery\@evil.example/x`,
		"https:replicate.delivery/x", "https:///replicate.delivery/x",
		"ftp://replicate.delivery/x", "file://replicate.delivery/x", "data:text/plain,x", "javascript:x",
		"http://files.example/x", "https://files.example:8443/x", "https://sub.files.example/x",
		"https://files2.example/x", "https://files2.example:443/x",
		"http://127.0.0.1/x", "http://127.0.0.1:9001/x", "http://127.0.0.2:9000/x", "http://127.0.0.1:9000@evil.example/",
		"http://10.0.0.5/x", "http://10.0.0.5:80/x", // plain http beyond loopback
		"https://replicate.delivery\x00/x", "https://replicate.delivery/\x7f", "https://[::1]/x", "https://169.254.169.254/x",
		"https://replicate\u3002delivery/x", "https://%72eplicate.delivery.evil/x",
	} {
		if c.Allowed(s) {
			t.Errorf("%s was allowed", s)
		}
	}
}

func TestOutputHostForm(t *testing.T) {
	for _, s := range []string{"", " ", "https://files.example", "files.example/x", "files.example:", "files.example:x", "a@b", "a b", "[::1", "x?y", "x#y", ":80", "::1"} {
		if _, err := NewContent(ContentOptions{Hosts: []string{s}}); err == nil {
			t.Errorf("output host %q was accepted", s)
		}
	}
}

func FuzzAllowed(f *testing.F) {
	f.Add("https://replicate.delivery/x")
	f.Add("https://replicate.delivery@evil/x")
	f.Add("http://127.0.0.1:9000/x")
	h, err := newHosts([]string{"127.0.0.1:9000"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil || !h.allowed(u) {
			return
		}
		host := strings.ToLower(u.Host)
		switch u.Scheme {
		case "https":
			name := strings.TrimSuffix(host, ":443")
			if host != "127.0.0.1:9000" && name != "replicate.delivery" && !strings.HasSuffix(name, ".replicate.delivery") {
				t.Errorf("allowed %q", s)
			}
		case "http":
			if host != "127.0.0.1:9000" {
				t.Errorf("allowed %q", s)
			}
		default:
			t.Errorf("allowed %q", s)
		}
	})
}

func TestPublic(t *testing.T) {
	for s, want := range map[string]bool{
		"8.8.8.8": true, "34.160.0.1": true, "2606:4700::1111": true, "64:ff9b::808:808": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "255.255.255.255": false, "240.0.0.1": false, "224.0.0.1": false, "198.18.0.1": false, "192.0.0.8": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12::1": false, "ff02::1": false, "fec0::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::a00:1": false,
	} {
		if got := public(netip.MustParseAddr(s)); got != want {
			t.Errorf("public(%s) = %v, want %v", s, got, want)
		}
	}
}

// What a name resolves to is looked at when it is dialed.
func TestDialChecksAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	at := func(host string) string { return (&net.TCPAddr{IP: net.ParseIP(host), Port: port}).String() }

	h, err := newHosts([]string{l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	d := &dialer{hosts: h}
	if c, err := d.dial(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Errorf("an added host: %v", err)
	} else {
		c.Close()
	}
	none := &dialer{hosts: &hosts{}}
	for _, addr := range []string{"10.0.0.1:443", "169.254.169.254:80", "192.168.0.1:443", at("::ffff:10.0.0.1"), "[fd00::1]:443", "0.0.0.0:443"} {
		if c, err := none.dial(t.Context(), "tcp", addr); !errors.Is(err, ErrForbidden) {
			t.Errorf("dial %s: %v, %v, want forbidden", addr, c, err)
		}
	}
	// A proxy is where the operator says.
	none.proxies.Store(l.Addr().String(), true)
	if c, err := none.dial(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Errorf("a proxy: %v", err)
	} else {
		c.Close()
	}
}
