package sim

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with coming requests. The first fields
// choose the requests, the others say what happens to them; several may be
// given at once. The zero value of a field leaves things as they are.
type Fault struct {
	Host   Host   // "" is any
	Method string // "" is any
	Path   string // pattern as in Sim.Count; "" is any
	Times  int    // how many requests are hit; 0 is one, negative is all
	After  int    // how many that match are let through first

	Delay time.Duration   // wait this long
	Hold  <-chan struct{} // wait until this is closed

	Reset    bool        // reset the connection instead of answering
	Redirect string      // answer 302 to this URL, or with Status
	Status   int         // answer with this status, Header and Body
	Header   http.Header // set in whatever answer there is
	Body     string

	// Late has Delay, Hold, Reset, Redirect and Status come after the request
	// was handled in full: it took effect, only its answer is late or lost.
	Late bool

	CutAfter   int64         // close the connection after so many bytes of the body; negative: after the header
	StallAfter int64         // stop sending after so many bytes; negative: after the header
	StallFor   time.Duration // how long it stops; 0 is until the client leaves
	NoLength   bool          // no Content-Length, a chunked body
	Gzip       bool          // gzip the body whatever the client accepts

	// Of the delivery host only.
	NoHEAD     bool // 405 to HEAD
	NoRange    bool // 200 and everything in answer to a range
	WrongRange bool // 206 with a range that was not asked for
	ChangeETag bool // the file is another version of itself: its validators differ
	Corrupt    bool // some bits of the body are wrong

	// Of event streams only.
	BareDone bool // a done event without data
	Replay   bool // from the start, whatever the Last-Event-ID
	NoIDs    bool // events without an id
}

// Injection is a fault at work.
type Injection struct {
	f     Fault
	owner *faults
	seen  int // matching requests
	fired int
}

type faults struct {
	mu   sync.Mutex // guards all below and what is in the injections
	list []*Injection
}

// Inject has f happen to the next requests that match it. If several faults
// match a request, the one that was injected first and is not used up hits it.
func (s *Sim) Inject(f Fault) *Injection {
	i := &Injection{f: f, owner: &s.faults}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, i)
	return i
}

// Fired is how many requests were hit.
func (i *Injection) Fired() int {
	i.owner.mu.Lock()
	defer i.owner.mu.Unlock()
	return i.fired
}

// Stop ends the fault. Requests that are hit already stay so.
func (i *Injection) Stop() {
	i.owner.mu.Lock()
	defer i.owner.mu.Unlock()
	i.owner.list = slices.DeleteFunc(i.owner.list, func(o *Injection) bool { return o == i })
}

// hit finds the fault for a request, or nil.
func (fs *faults) hit(h Host, method, path string) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for k, i := range fs.list {
		f := &i.f
		if f.Host != "" && f.Host != h || f.Method != "" && f.Method != method || !matches(f.Path, path) {
			continue
		}
		if f.NoHEAD && method != http.MethodHead {
			continue
		}
		if i.seen++; i.seen <= f.After {
			continue
		}
		i.fired++
		if f.Times >= 0 && i.fired >= max(1, f.Times) {
			fs.list = slices.Delete(fs.list, k, k+1)
		}
		return f
	}
	return nil
}

// Via is a way in which a 429 tells when to come back. They can be added up.
type Via int

const (
	InHeader Via = 1 << iota // Retry-After
	InBody                   // "retry_after" in the JSON
	InText                   // "resets in ~7s" in the detail
)

// Throttle is a 429 that tells to wait for d, rounded up to seconds.
func Throttle(d time.Duration, via Via) Fault {
	secs := int(math.Ceil(d.Seconds()))
	p := problem{Detail: "Request was throttled.", Status: http.StatusTooManyRequests}
	f := Fault{Status: p.Status, Header: http.Header{}}
	if via&InText != 0 {
		p.Detail += fmt.Sprintf(" Your rate limit resets in ~%ds.", secs)
	}
	if via&InBody != 0 {
		p.RetryAfter = secs
	}
	if via&InHeader != 0 {
		f.Header.Set("Retry-After", fmt.Sprint(secs))
	}
	f.Body = string(p.body())
	return f
}

// HTML is an error page as the edge in front of Replicate makes it.
func HTML(status int) Fault {
	return Fault{Status: status, Body: fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%[1]d: %[2]s</title></head>"+
		"<body><h1>Error %[1]d</h1><p>%[2]s</p></body></html>\n", status, http.StatusText(status))}
}

// apply lets the fault happen around the handling of a request.
func (f *Fault) apply(a *answer, r *http.Request, handle func(http.ResponseWriter)) {
	rest := handle
	if f.Late {
		var held record
		handle(&held)
		rest = held.replay
	}
	if f.Delay > 0 && !sleep(r.Context(), f.Delay) {
		return
	}
	if f.Hold != nil {
		select {
		case <-f.Hold:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case f.Reset:
		reset(a)
	case f.NoHEAD:
		a.WriteHeader(http.StatusMethodNotAllowed)
	case f.Redirect != "":
		a.Header().Set("Location", f.Redirect)
		a.WriteHeader(max(f.Status, http.StatusFound))
	case f.Status != 0:
		switch {
		case strings.HasPrefix(f.Body, "<"):
			a.Header().Set("Content-Type", "text/html; charset=UTF-8")
		case strings.HasPrefix(f.Body, "{"):
			a.Header().Set("Content-Type", "application/problem+json")
		}
		a.WriteHeader(f.Status)
		a.Write([]byte(f.Body))
	default:
		rest(a)
	}
}

// reset drops the connection as a crashed server does.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: resets the stream
	}
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

// record is a ResponseWriter that keeps the answer.
type record struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *record) Header() http.Header {
	if k.header == nil {
		k.header = make(http.Header)
	}
	return k.header
}

func (k *record) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *record) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(p)
}

func (k *record) replay(w http.ResponseWriter) {
	for name, vs := range k.header {
		w.Header()[name] = vs
	}
	w.WriteHeader(max(k.status, http.StatusOK))
	w.Write(k.body.Bytes())
}
