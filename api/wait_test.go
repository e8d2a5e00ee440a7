package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// run is one prediction on a server, with a stream if asked for.
type run struct {
	mu     sync.Mutex
	status string
	logs   int
	reads  []time.Time
	fault  func(w http.ResponseWriter, r *http.Request) bool // of reads; true: it answered
	stream func(w http.ResponseWriter, r *http.Request)
	opens  []string // Last-Event-ID of each connection to the stream
}

func (u *run) set(status string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status = status
	u.logs++
}

func (u *run) json() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	stream := ""
	if u.stream != nil {
		stream = `"stream":"http://127.0.0.1:2/v1/streams/abc",`
	}
	return fmt.Sprintf(`{"id":"abc","status":%q,"logs":"%d","urls":{%s"get":"http://127.0.0.1:1/base/v1/predictions/abc"}}`, u.status, u.logs, stream)
}

func (u *run) serve(w http.ResponseWriter, r *http.Request) {
	if r.Host == "127.0.0.1:2" {
		u.mu.Lock()
		u.opens = append(u.opens, r.Header.Get("Last-Event-ID"))
		u.mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		http.NewResponseController(w).Flush()
		u.stream(w, r)
		return
	}
	u.mu.Lock()
	u.reads = append(u.reads, time.Now())
	fault := u.fault
	u.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	answer(w, 200, u.json())
}

func (u *run) prediction(t *testing.T) *Prediction {
	t.Helper()
	p, err := ParsePrediction([]byte(u.json()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (u *run) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.reads)
}

// waits runs Wait in a bubble against u, which script plays, and checks how long
// after the end it returned.
func waits(t *testing.T, name string, u *run, status string, late time.Duration, script func()) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, u.serve)
		var ended time.Time
		go func() {
			script()
			ended = time.Now()
			u.set(status)
		}()
		var states []string
		p, err := n.client(Options{}).Wait(t.Context(), u.prediction(t), func(p *Prediction) { states = append(states, p.Status) })
		if err != nil || p.Status != status {
			t.Errorf("%s: %+v, %v, want %s", name, p, err, status)
			return
		}
		if after := time.Since(ended); after > late {
			t.Errorf("%s: returned %v after the end, want at most %v", name, after, late)
		}
		if len(states) == 0 || states[len(states)-1] != status {
			t.Errorf("%s: progress told %v, want %s last", name, states, status)
		}
		for _, r := range n.requests() {
			if r.Host != "127.0.0.1:1" && r.Header.Get("Authorization") != "" {
				t.Errorf("%s: the token went to %s", name, r.Host)
			}
		}
	})
}

func TestWaitByPolling(t *testing.T) {
	for _, status := range []string{Succeeded, Failed, Canceled, Aborted} {
		waits(t, status, &run{status: Starting}, status, pollFirst, func() { time.Sleep(time.Second) })
	}
	u := &run{status: Starting}
	waits(t, "a long run", u, Succeeded, pollMost, func() {
		time.Sleep(time.Minute)
		u.set(Processing)
		time.Sleep(9 * time.Minute)
	})
	if got := u.count(); got > 250 {
		t.Errorf("%d reads in 10 minutes, want fewer", got)
	}
	u = &run{status: Starting}
	waits(t, "unknown statuses", u, Succeeded, pollMost, func() {
		u.set("queued")
		time.Sleep(20 * time.Second)
		u.set("")
		time.Sleep(20 * time.Second)
	})
}

func TestWaitAlreadyDone(t *testing.T) {
	c := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a request") }).client(Options{})
	p := &Prediction{ID: "abc", Status: Aborted}
	if q, err := c.Wait(t.Context(), p, nil); q != p || err != nil {
		t.Errorf("got %v, %v, want the same", q, err)
	}
}

func TestWaitByStream(t *testing.T) {
	for name, last := range map[string]string{
		"done":        "event: done\ndata: {}\n\n",
		"done, bare":  "event: done\n\n",
		"canceled":    "event: done\ndata: {\"reason\":\"canceled\"}\n\n",
		"error, done": "event: error\ndata: {\"detail\":\"x\"}\n\nevent: done\ndata: {\"reason\":\"error\"}\n\n",
		"408":         ":408: 408 Request Timeout\n\n",
		"closed":      "",
		"incomplete":  "event: done\n",
	} {
		u := &run{status: Starting}
		u.stream = func(w http.ResponseWriter, r *http.Request) {
			flush := http.NewResponseController(w).Flush
			io.WriteString(w, ": hi\n\n")
			flush()
			time.Sleep(90 * time.Second) // a cold boot
			u.set(Processing)
			for i := range 20 {
				fmt.Fprintf(w, "event: output\nid: 7:%d\ndata: x\n\n", i)
				flush()
				time.Sleep(777 * time.Millisecond)
			}
			io.WriteString(w, last)
			flush()
			if strings.HasPrefix(name, "done") || name == "408" {
				<-r.Context().Done() // it stays open
			}
		}
		// A moment before the stream says so, since what happens at once has no order.
		waits(t, name, u, Succeeded, time.Millisecond, func() { time.Sleep(90*time.Second + 20*777*time.Millisecond - time.Millisecond) })
	}
}

// The object may lag behind the stream's "done".
func TestWaitLag(t *testing.T) {
	u := &run{status: Processing}
	u.stream = func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(9900 * time.Millisecond)
		io.WriteString(w, "event: done\n\n")
	}
	waits(t, "lag", u, Succeeded, 90*time.Millisecond, func() { time.Sleep(10 * time.Second) })
}

// A stream that breaks is continued after its last event.
func TestWaitReconnects(t *testing.T) {
	u := &run{status: Processing}
	u.stream = func(w http.ResponseWriter, r *http.Request) {
		flush := http.NewResponseController(w).Flush
		u.mu.Lock()
		n := len(u.opens)
		u.mu.Unlock()
		if n == 5 {
			time.Sleep(10 * time.Second)
			io.WriteString(w, "event: done\n\n")
			return
		}
		for i := range 3 {
			time.Sleep(time.Second)
			fmt.Fprintf(w, "event: output\nid: %d:%d\ndata: x\n\n", n, i)
			flush()
		}
		panic(http.ErrAbortHandler)
	}
	waits(t, "breaks", u, Succeeded, time.Millisecond, func() { time.Sleep(4*(3*time.Second+pollFirst) + 10*time.Second - time.Millisecond) })
	if got, want := fmt.Sprint(u.opens), "[ 1:2 2:2 3:2 4:2]"; got != want {
		t.Errorf("connected after events %s, want %s", got, want)
	}
}

// A stream that says nothing, or nonsense, or cannot be had, must not make the wait longer than polling.
func TestWaitBadStream(t *testing.T) {
	for name, stream := range map[string]func(w http.ResponseWriter, r *http.Request){
		"silent":  func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"garbage": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("\x00\xff\n\n", 1000)) },
		"not a stream": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>")
		},
		"early done": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "event: done\n\n") },
		"gone":       func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, ":408: 408 Request Timeout\n\n") },
		"cut":        cuts,
	} {
		u := &run{status: Processing, stream: stream}
		waits(t, name, u, Succeeded, pollMost, func() { time.Sleep(time.Minute) })
		if got := u.count(); got > 150 {
			t.Errorf("%s: %d reads in a minute, want fewer", name, got)
		}
		if got := len(u.opens); got > 20 {
			t.Errorf("%s: %d connections in a minute, want fewer", name, got)
		}
	}
	// Live, with events, and then nothing more: the read beside it finds the end.
	u := &run{status: Processing}
	u.stream = func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "event: output\ndata: x\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	waits(t, "falls silent", u, Succeeded, pollLive, func() { time.Sleep(time.Minute) })
}

func TestWaitThroughTrouble(t *testing.T) {
	for name, fault := range map[string]func(w http.ResponseWriter, r *http.Request){
		"restart":     says(503, ``),
		"edge":        says(502, `<html>`, "Content-Type", "text/html"),
		"cut":         cuts,
		"hangs":       hangs,
		"garbage":     says(200, `{"id":`),
		"replica lag": says(404, `{}`),
	} {
		u := &run{status: Starting}
		long := 60 * time.Second
		if name == "replica lag" {
			long = 2 * time.Second
		}
		var end time.Time
		u.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if end.IsZero() {
				end = time.Now().Add(long)
			}
			if time.Now().After(end) {
				return false
			}
			fault(w, r)
			return true
		}
		waits(t, name, u, Succeeded, readLimit, func() { time.Sleep(65 * time.Second) }) // a read may have begun to hang
	}
	// The machine is cut off altogether.
	synctest.Test(t, func(t *testing.T) {
		u := &run{status: Processing}
		n := newNetwork(t, u.serve)
		n.transport.DisableKeepAlives = true
		back := time.Now().Add(10 * time.Minute)
		n.fault = func(int64) (net.Conn, error) {
			if time.Now().Before(back) {
				return nil, errors.New("network is unreachable")
			}
			return nil, nil
		}
		u.set(Succeeded)
		p, err := n.client(Options{}).Wait(t.Context(), &Prediction{ID: "abc", Status: Processing}, nil)
		if after := time.Since(back); err != nil || !p.Done() || after > pollLive {
			t.Errorf("got %+v, %v, %v after the network came back", p, err, after)
		}
	})
}

func TestWaitThrottled(t *testing.T) {
	u := &run{status: Processing}
	n := 0
	u.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if n++; n > 1 {
			return false
		}
		answer(w, 429, `{"retry_after":20}`)
		return true
	}
	waits(t, "429", u, Succeeded, time.Second+pollMost, func() { time.Sleep(22 * time.Second) })
	if got := u.reads[1].Sub(u.reads[0]); got < 20*time.Second {
		t.Errorf("read again after %v, told to wait 20 s", got)
	}
}

func TestWaitEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		fault func(w http.ResponseWriter, r *http.Request)
		after time.Duration
	}{
		"refused token": {says(401, `{}`), time.Second},
		"not found":     {says(404, `{}`), 15 * time.Second},
		"another id":    {says(200, `{"id":"xyz","status":"succeeded"}`), time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := &run{status: Processing}
			u.fault = func(w http.ResponseWriter, r *http.Request) bool { tt.fault(w, r); return true }
			n := newNetwork(t, u.serve)
			start := time.Now()
			p, err := n.client(Options{}).Wait(t.Context(), u.prediction(t), nil)
			if took := time.Since(start); err == nil || p == nil || took > tt.after {
				t.Errorf("%s: %+v, %v after %v, want an error within %v", name, p, err, took, tt.after)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		u := &run{status: Processing, stream: func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
		n := newNetwork(t, u.serve)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		start := time.Now()
		p, err := n.client(Options{}).Wait(ctx, u.prediction(t), nil)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || p.Status != Processing || took != 90*time.Second {
			t.Errorf("got %+v, %v after %v, want the deadline after 90s", p, err, took)
		}
	})
}

// Trainings are read where they are.
func TestWaitForTraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{"id":"abc","status":"succeeded"}`) })
		c := n.client(Options{})
		for url, path := range map[string]string{
			"https://api.replicate.com/v1/trainings/abc":   "/base/v1/trainings/abc",
			"https://api.replicate.com/v1/predictions/abc": "/base/v1/predictions/abc",
			"https://evil.example/x":                       "/base/v1/predictions/abc",
		} {
			if _, err := c.Wait(t.Context(), &Prediction{ID: "abc", URLs: URLs{Get: url}}, nil); err != nil {
				t.Error(err)
			}
			list := n.requests()
			if got := list[len(list)-1]; got.URL.Path != path || got.Host != "127.0.0.1:1" {
				t.Errorf("for %s read %s%s, want %s", url, got.Host, got.URL.Path, path)
			}
		}
	})
}
