package sim

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Client reaches the world through memory, whatever the host name in a URL;
// for https too, without any TLS. Each call gives a client of its own
// connections. It works inside testing/synctest if the world was made there.
func (s *Sim) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:         s.Dial,
		DialTLSContext:      s.DialTLS,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
	}}
}

// Dial is an http.Transport.DialContext that leads to the world.
func (s *Sim) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.dial(ctx, false)
}

// DialTLS is an http.Transport.DialTLSContext that leads to the world, which
// then takes the request for an https one. No TLS is spoken.
func (s *Sim) DialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.dial(ctx, true)
}

func (s *Sim) dial(ctx context.Context, secure bool) (net.Conn, error) {
	s.mem.Do(func() {
		if !s.enter() {
			return
		}
		ln := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		srv := s.server(s)
		s.mem.ln, s.mem.srv = ln, srv
		go func() {
			defer s.wg.Done()
			srv.Serve(ln) // ends with Close only
		}()
	})
	if s.mem.ln == nil {
		return nil, errClosed
	}
	here, there := net.Pipe()
	select {
	case s.mem.ln.conns <- memConn{there, secure}:
		return here, nil
	case <-s.mem.ln.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

var errClosed = errors.New("the simulator is closed")

// memConn is the server's end of a connection through memory.
type memConn struct {
	net.Conn
	secure bool
}

// pipeListener hands out what dial made.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return memAddr{} }

type memAddr struct{}

func (memAddr) Network() string { return "memory" }
func (memAddr) String() string  { return "memory" }
