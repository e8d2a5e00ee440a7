package sim

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// ServeHTTP answers for all three hosts: by the name of the host where it is
// one of Replicate's or of Options, else by the path: /v1 is the API, /stream
// the streams, everything else the delivery host.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := s.hostOf(r)
	if p, ok := strings.CutPrefix(r.URL.Path, "/stream/"); ok && host == Stream {
		r2 := *r
		u := *r.URL
		u.Path, u.RawPath = "/"+p, ""
		r2.URL = &u
		r = &r2
	}
	s.serve(w, r, host, "")
}

// Delivery answers for the delivery and the stream host and nothing else, so
// that they can be another listener than the API's.
func (s *Sim) Delivery() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := Delivery
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			host = Stream
		}
		s.serve(w, r, host, "")
	})
}

func (s *Sim) hostOf(r *http.Request) Host {
	name := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	switch {
	case name == "stream.replicate.com":
		return Stream
	case name == "replicate.delivery" || strings.HasSuffix(name, ".replicate.delivery"):
		return Delivery
	case name == "api.replicate.com":
		return API
	}
	of := func(base string) bool {
		u, err := url.Parse(base)
		return base != "" && err == nil && strings.EqualFold(u.Host, r.Host)
	}
	switch p := r.URL.Path; {
	case of(s.opt.OutputBase) && !of(s.opt.PublicBase) && !strings.HasPrefix(p, "/v1/"):
		return Delivery
	case strings.HasPrefix(p, "/v1/"):
		return API
	case strings.HasPrefix(p, "/stream/"):
		return Stream
	}
	return Delivery
}

// serve is what every request goes through, whatever it asks for.
func (s *Sim) serve(w http.ResponseWriter, r *http.Request, host Host, second string) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.wg.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	line, _ := ctx.Value(paceKey{}).(*pace)
	r = r.WithContext(context.WithValue(ctx, basesKey{}, s.basesOf(r, line, second)))

	w.Header().Set("Date", s.now().Format(http.TimeFormat))
	req := &Request{
		Time: s.now(), Host: host, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Range: r.Header.Get("Range"), Header: r.Header.Clone(), Proto: r.Proto,
	}
	req.Header.Del("Authorization")
	s.journal.add(req)
	a := &answer{ResponseWriter: w, ctx: ctx, note: func(f func(*Request)) { s.journal.update(req, f) }}
	defer a.close()

	if host != API {
		s.checkLeak(host, r)
	}
	if host == Delivery {
		a.pace = line
	}
	if s.late(ctx, host, line) {
		s.dispatch(a, r, host)
	}
	if ctx.Err() != nil {
		panic(http.ErrAbortHandler) // what was cut short must not look whole
	}
}

// late waits as long as the network takes, and tells whether ctx lasted.
func (s *Sim) late(ctx context.Context, host Host, line *pace) bool {
	if host != Delivery {
		return true
	}
	wait := s.opt.Delivery.FirstByte
	if line != nil && !line.used.Swap(true) {
		wait += s.opt.Delivery.Connect
	}
	return sleep(ctx, wait)
}

// dispatch has the host answer, or the fault that hits the request.
func (s *Sim) dispatch(a *answer, r *http.Request, host Host) {
	handle := func(w http.ResponseWriter) {
		switch host {
		case API:
			s.api.ServeHTTP(w, r)
		case Delivery:
			s.deliver(w, r)
		case Stream:
			s.streamEvents(w, r)
		}
	}
	if a.fault = s.faults.hit(host, r.Method, r.URL.Path); a.fault != nil {
		r = r.WithContext(context.WithValue(r.Context(), faultKey{}, a.fault))
		a.fault.apply(a, r, handle)
		return
	}
	handle(a)
}

// enter counts a request that Close waits for.
func (s *Sim) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.wg.Add(1)
	return true
}

type (
	paceKey  struct{} // *pace of the connection
	basesKey struct{} // bases of URLs in the answer
	faultKey struct{} // *Fault of the request
)

// faultOf is the fault that hit the request; the zero Fault if none did.
func faultOf(r *http.Request) *Fault {
	if f, ok := r.Context().Value(faultKey{}).(*Fault); ok {
		return f
	}
	return &Fault{}
}

// bases begin the URLs in an answer.
type bases struct{ api, output, stream string }

func basesFrom(r *http.Request) bases {
	b, _ := r.Context().Value(basesKey{}).(bases)
	return b
}

func (s *Sim) basesOf(r *http.Request, line *pace, second string) bases {
	scheme := "http"
	if r.TLS != nil || line != nil && line.secure {
		scheme = "https"
	}
	b := bases{api: scheme + "://" + r.Host, output: second, stream: second}
	if second == "" {
		b.output, b.stream = b.api, b.api+"/stream"
		if r.Host == "api.replicate.com" || r.Host == "stream.replicate.com" {
			b.output, b.stream = "https://replicate.delivery", "https://stream.replicate.com"
		}
	}
	set := func(to *string, from string) {
		if from != "" {
			*to = strings.TrimSuffix(from, "/")
		}
	}
	set(&b.api, s.opt.PublicBase)
	set(&b.output, s.opt.OutputBase)
	set(&b.stream, s.opt.StreamBase)
	return b
}
