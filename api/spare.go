package api

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// spareLife is how long a connection that was opened ahead waits for its first
// request. Servers wait about as long for one.
const spareLife = 5 * time.Second

// spares are connections that are opened before there is a request for them: a
// new one costs two or three round trips, and a program that reads a large file
// should not wait for these in the middle of it.
type spares struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	proxy func(*http.Request) (*url.URL, error)
	tls   *tls.Config     // of tests; nil means the system's roots
	life  context.Context // of dials; ends with Close
	end   context.CancelFunc

	mu    sync.Mutex // guards what follows
	hosts map[address]*host
	work  sync.WaitGroup
}

// address is where a connection leads to, and what it speaks: HTTP/1.1 over TLS
// or over TCP.
type address struct {
	tls bool
	at  string // host:port
}

// host is what there is of connections to one address.
type host struct {
	open  int      // connections, those being made among them
	ahead []*spare // not yet taken, oldest first
	idle  bool     // the last spare was opened in vain
}

// spare is a connection that is there, or on its way.
type spare struct {
	done  chan struct{}
	conn  net.Conn
	err   error // once done
	timer *time.Timer
}

func newSpares(d *dialer) *spares {
	s := &spares{dial: d.dial, proxy: d.proxy, hosts: map[address]*host{}}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Prepare opens connections for the large requests that will probably follow, so
// that there are n to the host of rawurl, those in use among them. It returns at
// once. What is not used within seconds is closed, and then nothing is opened
// ahead until there was a request.
func (c *Content) Prepare(rawurl string, n int) {
	u, err := url.Parse(rawurl)
	if err != nil || c.spares == nil || !c.hosts.allowed(u) {
		return
	}
	if via, err := c.spares.proxy(&http.Request{URL: u}); err != nil || via != nil {
		return // it is the proxy whom a connection would lead to
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	c.spares.open(address{u.Scheme == "https", net.JoinHostPort(u.Hostname(), port)}, n)
}

func (s *spares) open(a address, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hostLocked(a)
	if h.idle || s.life.Err() != nil {
		return
	}
	for ; h.open < n; h.open++ {
		sp := &spare{done: make(chan struct{})}
		h.ahead = append(h.ahead, sp)
		sp.timer = time.AfterFunc(spareLife, func() { s.expire(a, sp) })
		s.work.Go(func() {
			defer close(sp.done)
			if sp.conn, sp.err = s.connect(s.life, a); sp.err != nil {
				s.drop(a, sp)
			}
		})
	}
}

func (s *spares) hostLocked(a address) *host {
	h := s.hosts[a]
	if h == nil {
		h = &host{}
		s.hosts[a] = h
	}
	return h
}

// drop takes sp out of those that can be taken, and tells whether it was there.
func (s *spares) drop(a address, sp *spare) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[a]
	i := slices.Index(h.ahead, sp)
	if i < 0 {
		return false
	}
	h.ahead = slices.Delete(h.ahead, i, i+1)
	return true
}

func (s *spares) expire(a address, sp *spare) {
	if !s.drop(a, sp) {
		return
	}
	s.mu.Lock()
	s.hosts[a].idle = true
	s.mu.Unlock()
	sp.end()
}

// take gives a connection: a spare one if there is any, else a new one.
func (s *spares) take(ctx context.Context, a address) (net.Conn, error) {
	s.mu.Lock()
	h := s.hostLocked(a)
	h.idle = false
	if len(h.ahead) == 0 {
		h.open++
		s.mu.Unlock()
		return s.connect(ctx, a)
	}
	sp := h.ahead[0]
	h.ahead = h.ahead[1:]
	sp.timer.Stop()
	s.mu.Unlock()
	select {
	case <-sp.done:
	case <-ctx.Done():
		s.giveBack(h, sp)
		return nil, ctx.Err()
	}
	if sp.err != nil {
		return s.take(ctx, a)
	}
	return sp.conn, nil
}

// giveBack is for one who cannot wait until sp is there.
func (s *spares) giveBack(h *host, sp *spare) {
	s.mu.Lock()
	if s.life.Err() == nil {
		h.ahead = append(h.ahead, sp)
		sp.timer.Reset(spareLife)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	sp.end()
}

// end closes what nobody will take.
func (sp *spare) end() {
	<-sp.done
	if sp.conn != nil {
		sp.conn.Close()
	}
}

// connect makes a connection, which is counted already.
func (s *spares) connect(ctx context.Context, a address) (net.Conn, error) {
	closed := sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hosts[a].open--
	})
	raw, err := s.dial(ctx, "tcp", a.at)
	if err != nil {
		closed()
		return nil, err
	}
	conn := &countedConn{raw, closed}
	if !a.tls {
		return conn, nil
	}
	config := &tls.Config{}
	if s.tls != nil {
		config = s.tls.Clone()
	}
	config.NextProtos = []string{"http/1.1"}
	if config.ServerName, _, err = net.SplitHostPort(a.at); err != nil {
		conn.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// close ends what is being opened and closes what nobody has taken.
func (s *spares) close() {
	s.mu.Lock()
	s.end()
	var left []*spare
	for _, h := range s.hosts {
		left = append(left, h.ahead...)
		h.ahead = nil
	}
	s.mu.Unlock()
	s.work.Wait()
	for _, sp := range left {
		sp.timer.Stop()
		sp.end()
	}
}

// countedConn tells when it is closed.
type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
