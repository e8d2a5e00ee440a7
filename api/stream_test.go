package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// readEvents returns what a stream says, comments as events of type "#".
func readEvents(r io.Reader) (string, error) {
	e := newEvents(r, "")
	var b strings.Builder
	for {
		ev, comment, err := e.next()
		if err != nil {
			return b.String(), err
		}
		if comment != "" {
			fmt.Fprintf(&b, "#%q ", comment)
		} else if ev != (Event{}) {
			fmt.Fprintf(&b, "%s|%s|%q ", ev.Type, ev.ID, ev.Data)
		}
	}
}

func TestEvents(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a run", ": hi\n\nevent: output\nid: 1700000000:0\ndata: Once\n\nevent: output\nid: 1700000000:1\ndata:  upon\n\nevent: done\nid: 1700000001:0\ndata: {}\n\n",
			`#"hi" output|1700000000:0|"Once" output|1700000000:1|" upon" done|1700000001:0|"{}" `},
		{"several lines", "event: output\ndata: a\ndata:\ndata:  b \n\n", `output||"a\n\n b " `},
		{"a newline token", "event: output\ndata: \ndata: \n\n", `output||"\n" `},
		{"no data", "event: done\n\n", `done||"" `},
		{"no type", "data: x\n\n", `||"x" `},
		{"no space", "event:output\ndata:x\n\n", `output||"x" `},
		{"fields without colon", "event\ndata\n\n", ``},
		{"CRLF", "event: output\r\ndata: x\r\n\r\nevent: done\r\n\r\n", `output||"x" done||"" `},
		{"CR", "event: output\rdata: x\r\revent: done\r\r", `output||"x" done||"" `},
		{"id lasts", "id: 1\nevent: a\n\nevent: b\n\nid: 2\n\nevent: c\n\nid\nevent: d\n\n", `a|1|"" b|1|"" c|2|"" d||"" `},
		{"id with NUL", "id: 1\x00\nevent: a\n\n", `a||"" `},
		{"byte order mark", "\ufeffevent: a\n\n", `a||"" `},
		{"unknown fields", "retry: 5\nfoo: bar\nevents: x\nevent: a\n\n", `a||"" `},
		{"many blank lines", "\n\n\nevent: a\n\n\n\n", `a||"" `},
		{"incomplete", "event: a\ndata: x\n", ``},
		{"incomplete line", "event: a\n\nevent: b", `a||"" `},
		{"408", ":408: 408 Request Timeout\n\n", `#"408: 408 Request Timeout" `},
		{"comment inside", "event: a\n: note\ndata: x\n\n", `a||"x" `},
		{"colons in data", "data: https://h/x: y\n\n", `||"https://h/x: y" `},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader} {
			got, err := readEvents(wrap(strings.NewReader(tt.in)))
			if got != tt.want || err != io.EOF {
				t.Errorf("%s, %s: %s, %v, want %s", tt.name, name, got, err, tt.want)
			}
		}
	}
}

func TestEventsBounded(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"one line":   io.MultiReader(strings.NewReader("data: "), endless("x")),
		"many lines": endless("data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"),
		"no name":    endless("x"),
	} {
		if _, err := readEvents(r); !errors.Is(err, errLongEvent) {
			t.Errorf("%s: %v, want %v", name, err, errLongEvent)
		}
	}
	big := strings.Repeat("x", 8<<20)
	if ev, _, err := newEvents(strings.NewReader("data: "+big+"\n\n"), "").next(); err != nil || ev.Data != big {
		t.Errorf("an event of 8 MiB: %d bytes, %v", len(ev.Data), err)
	}
}

type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e) <= len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// The way in which bytes arrive must not matter.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(": hi\n\nevent: output\r\nid: 1\rdata: x\n\ndata\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, err1 := readEvents(strings.NewReader(string(in)))
		single, err2 := readEvents(iotest.OneByteReader(strings.NewReader(string(in))))
		if whole != single || err1 != err2 {
			t.Errorf("%s, %v, byte by byte %s, %v", whole, err1, single, err2)
		}
	})
}

// A model may stream a file as a data: URI, in packets.
func BenchmarkEvents(b *testing.B) {
	in := "event: output\ndata: " + strings.Repeat("x", 3<<20) + "\n\n"
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		e := &events{r: bufio.NewReaderSize(packets{strings.NewReader(in)}, 32<<10)}
		if _, _, err := e.next(); err != nil {
			b.Fatal(err)
		}
	}
}

type packets struct{ r io.Reader }

func (p packets) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), 1400)]) }

func TestStream(t *testing.T) {
	var head http.Header
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		head = r.Header
		switch r.URL.Path {
		case "/v1/streams/ok":
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			io.WriteString(w, ": hi\n\nevent: output\nid: 5:0\ndata:  a\n\nevent: done\n\nevent: output\ndata: after the end\n\n")
		case "/v1/streams/cut":
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "event: output\nid: 5:0\ndata: a\n\nevent: outp")
		case "/v1/streams/old":
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, ":408: 408 Request Timeout\n\n")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "/v1/streams/json":
			answer(w, 200, `{}`)
		case "/v1/streams/moved":
			http.Redirect(w, r, "http://evil.example/", http.StatusFound)
		case "/v1/streams/500":
			answer(w, 500, ``)
		default:
			answer(w, 404, ``)
		}
	})
	c := n.client(Options{})
	for _, tt := range []struct {
		path, want string
		err        error
	}{
		{"ok", `[{output 5:0  a} {done 5:0 }]`, nil},
		{"cut", `[{output 5:0 a}]`, io.ErrUnexpectedEOF},
		{"old", `[]`, ErrStreamGone},
		{"json", `[]`, ErrUnreadable},
		{"gone", `[]`, ErrStreamGone},
	} {
		var got []Event
		var last error
		for ev, err := range c.Stream(t.Context(), "http://127.0.0.1:9/v1/streams/"+tt.path, "4:7") {
			if last = err; err == nil {
				got = append(got, ev)
			}
		}
		if s := fmt.Sprint(got); s != tt.want || !errors.Is(last, tt.err) || (tt.err == nil) != (last == nil) {
			t.Errorf("%s: %s, %v, want %s, %v", tt.path, s, last, tt.want, tt.err)
		}
		if head.Get("Last-Event-ID") != "4:7" || head.Get("Accept") != "text/event-stream" {
			t.Errorf("%s: header %v", tt.path, head)
		}
		if head.Get("Authorization") != "" {
			t.Errorf("%s: the token went to the stream host", tt.path)
		}
	}
	for path, status := range map[string]int{"500": 500, "moved": 302} {
		for _, err := range c.Stream(t.Context(), "http://127.0.0.1:9/v1/streams/"+path, "") {
			var e *Error
			if !errors.As(err, &e) || e.Status != status {
				t.Errorf("%s: %v, want status %d", path, err, status)
			}
		}
	}
	for _, bad := range []string{"", "x", "http://stream.replicate.com/v1", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "file:///etc/passwd", "https://"} {
		before := len(n.requests())
		for _, err := range c.Stream(t.Context(), bad, "") {
			if !errors.Is(err, iofs.ErrInvalid) || len(n.requests()) != before {
				t.Errorf("stream %q: %v, want invalid without a request", bad, err)
			}
		}
	}
	for _, addr := range n.dialed {
		if strings.Contains(addr, "evil") {
			t.Errorf("dialed %s", addr)
		}
	}
	if c, _ := New(Options{}); c.streamable(parsed("http://127.0.0.1/x")) || !c.streamable(parsed("https://stream.replicate.com/x")) {
		t.Error("with an https base, streams must be https too")
	}
}

func TestStreamDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, hangs)
		start := time.Now()
		for _, err := range n.client(Options{}).Stream(t.Context(), "http://127.0.0.1:9/s", "") {
			if took := time.Since(start); !errors.Is(err, ErrUnreachable) || took != streamTimeout {
				t.Errorf("%v after %v, want unreachable after %v", err, took, streamTimeout)
			}
		}
	})
	// Once it has begun a stream may be silent for long.
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Minute)
			io.WriteString(w, "event: done\n\n")
		})
		for ev, err := range n.client(Options{}).Stream(t.Context(), "http://127.0.0.1:9/s", "") {
			if err != nil || ev.Type != "done" {
				t.Errorf("got %v, %v, want done", ev, err)
			}
		}
	})
}

func parsed(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}
