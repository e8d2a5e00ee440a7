package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Server is a world on two loopback listeners: one for the API, another for
// output files and streams, so that they are different hosts to a client.
type Server struct {
	sim    *Sim
	scheme string
	addr   [2]net.Addr
	srv    [2]*http.Server
	wg     sync.WaitGroup
	stop   func() bool
	cert   *certificate
}

// Serve listens on addr ("127.0.0.1:0" picks a port) for the API and on
// another port of the same host for the rest. The server runs until ctx ends,
// or its Close, or that of the world.
func (s *Sim) Serve(ctx context.Context, addr string) (*Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	var cfg net.ListenConfig
	first, err := cfg.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	second, err := cfg.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		first.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	v := &Server{sim: s, scheme: "http", addr: [2]net.Addr{first.Addr(), second.Addr()}}
	if s.opt.TLS {
		v.scheme = "https"
		if v.cert, err = newCertificate(host); err != nil {
			first.Close()
			second.Close()
			return nil, err
		}
	}
	base := v.scheme + "://" + second.Addr().String()
	v.run(0, first, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, API, base)
	}))
	v.run(1, second, s.Delivery())
	v.stop = context.AfterFunc(ctx, func() { v.Close() })
	s.mu.Lock()
	s.servers = append(s.servers, v)
	s.mu.Unlock()
	if s.ctx.Err() != nil { // closed meanwhile
		v.Close()
		return nil, errClosed
	}
	return v, nil
}

func (v *Server) run(i int, ln net.Listener, h http.Handler) {
	srv := v.sim.server(h)
	v.srv[i] = srv
	v.wg.Go(func() {
		var err error
		if v.cert != nil {
			srv.TLSConfig = v.cert.config()
			err = srv.ServeTLS(ln, "", "")
		} else {
			err = srv.Serve(ln)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			v.sim.log.Error("simulator stopped serving", "err", err)
		}
	})
}

// server is the http.Server for a handler of this world.
func (s *Sim) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: time.Minute, // a client that sends nothing must not stay for ever
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			m, ok := c.(memConn)
			return context.WithValue(ctx, paceKey{}, &pace{secure: ok && m.secure, net: s.opt.Delivery})
		},
	}
}

// URL is the root of the API without a path.
func (v *Server) URL() string { return v.scheme + "://" + v.addr[0].String() }

// BaseURL is what clients take as base URL: the root and /v1.
func (v *Server) BaseURL() string { return v.URL() + "/v1" }

// OutputHost is the host and port of output files.
func (v *Server) OutputHost() string { return v.addr[1].String() }

// Close ends all connections and waits for both listeners. The world goes on.
func (v *Server) Close() error {
	if v.stop != nil {
		v.stop()
	}
	err := errors.Join(v.srv[0].Close(), v.srv[1].Close())
	v.wg.Wait()
	s := v.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers = slices.DeleteFunc(s.servers, func(o *Server) bool { return o == v })
	return err
}
