package sim

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Host is one of the three hosts that make up Replicate.
type Host string

const (
	API      Host = "api"
	Delivery Host = "delivery"
	Stream   Host = "stream"
)

// Request is one request as it arrived and as it was answered. Status is 0
// and Sent grows while the answer is under way; Status stays 0 if there was
// none.
type Request struct {
	Time   time.Time
	Host   Host
	Method string
	Path   string // as asked, escapes undone
	Query  string
	Range  string      // the Range header
	Header http.Header // without Authorization
	Proto  string      // HTTP/1.1 or HTTP/2.0
	Status int
	Sent   int64 // bytes of the body that were written
}

// journal remembers requests, and those that carried the token to where it
// does not belong.
type journal struct {
	mu    sync.Mutex // guards all below and the entries
	size  int
	list  []*Request
	leaks []string
}

func (j *journal) add(r *Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.list) >= j.size {
		j.list = slices.Delete(j.list, 0, max(1, j.size/2))
	}
	j.list = append(j.list, r)
}

func (j *journal) update(r *Request, f func(*Request)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(r)
}

func (j *journal) leak(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.leaks = append(j.leaks, what)
}

// Requests is what was asked so far, in order of arrival: the newest
// Options.LogSize at most.
func (s *Sim) Requests() []Request {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	all := make([]Request, len(s.journal.list))
	for i, r := range s.journal.list {
		all[i] = *r
	}
	return all
}

// ResetRequests forgets the requests so far. Leaks stay.
func (s *Sim) ResetRequests() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.list = nil
}

// Count is how many remembered requests have the method, or any if it is "",
// and a path of the pattern, in which each * stands for any characters, also
// slashes.
func (s *Sim) Count(method, pattern string) int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	n := 0
	for _, r := range s.journal.list {
		if (method == "" || r.Method == method) && matches(pattern, r.Path) {
			n++
		}
	}
	return n
}

// Leaks is what carried the token where it does not belong: requests to the
// delivery or stream host with any Authorization header or with the token
// anywhere, and creates with the token in their body. It should be empty.
func (s *Sim) Leaks() []string {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.leaks)
}

// checkLeak looks for the token in a request to a host that needs none.
func (s *Sim) checkLeak(h Host, r *http.Request) {
	what := string(h) + ": " + r.Method + " " + r.URL.Path
	if r.Header.Get("Authorization") != "" {
		s.journal.leak(what + " with an Authorization header")
		return
	}
	if strings.Contains(r.RequestURI, s.opt.Token) {
		s.journal.leak(what + " with the token in the URL")
		return
	}
	for k, vs := range r.Header {
		if slices.ContainsFunc(vs, func(v string) bool { return strings.Contains(v, s.opt.Token) }) {
			s.journal.leak(what + " with the token in header " + k)
			return
		}
	}
}

// matches tells whether s has the form of the pattern; "" fits everything.
func matches(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	first, rest, more := strings.Cut(pattern, "*")
	if !more {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], next
	}
}
