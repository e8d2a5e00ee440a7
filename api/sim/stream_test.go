package sim

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sse is an event as a client sees it.
type sse struct{ kind, id, data string }

// listen reads the stream until done, the end, or a number of events.
func (s *tester) listen(url string, most int, header ...string) (events []sse, comments []string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		s.t.Fatalf("got %d %s, want a stream", res.StatusCode, got)
	}
	var e sse
	var data []string
	in := bufio.NewReader(res.Body)
	for len(events) < most {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			s.t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && e.kind != "":
			e.data = strings.Join(data, "\n")
			events = append(events, e)
			e, data = sse{}, nil
		case line == "":
		case field == "":
			comments = append(comments, line)
		case field == "event":
			e.kind = value
		case field == "id":
			e.id = value
		case field == "data":
			data = append(data, value)
		}
	}
	return events, comments
}

func streamOf(p map[string]any) string { return p["urls"].(map[string]any)["stream"].(string) }

func text(events []sse) string {
	var b strings.Builder
	for _, e := range events {
		if e.kind == "output" {
			b.WriteString(e.data)
		}
	}
	return b.String()
}

func TestStreamOfText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		p := s.create(llama, `{"prompt":"List ideas for a rainy day"}`)
		u := streamOf(p)
		if !strings.HasPrefix(u, "https://stream.replicate.com/v1/streams/") {
			t.Errorf("got %s", u)
		}
		first, comments := s.listen(u, 5)
		if len(comments) == 0 || comments[0] != ": hi" {
			t.Errorf("got comments %q, want a greeting", comments)
		}
		rest, comments := s.listen(u, 1e6, "Last-Event-ID", first[4].id)
		p = s.get(p)
		var whole strings.Builder
		for _, x := range p["output"].([]any) {
			whole.WriteString(x.(string))
		}
		if got := text(first) + text(rest); got != whole.String() || !strings.Contains(got, "\n\n1. ") {
			t.Errorf("got %q\nwant %q", got, whole.String())
		}
		done := rest[len(rest)-1]
		if done.kind != "done" || done.data != "{}" {
			t.Errorf("last: got %+v, want done", done)
		}
		// It stayed open for half a minute after done.
		if len(comments) != 2 || comments[1] != ":408: 408 Request Timeout" {
			t.Errorf("got comments %q, want a timeout at the end", comments)
		}
		time.Sleep(time.Minute)
		events, comments := s.listen(u, 1e6)
		if len(events) != 0 || len(comments) != 1 || comments[0] != ":408: 408 Request Timeout" {
			t.Errorf("deleted stream: got %v %q, want the timeout", events, comments)
		}
		if a := s.do("GET", "https://stream.replicate.com/v1/streams/none", ""); a.status != 404 {
			t.Errorf("unknown stream: got %d, want 404", a.status)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		puppet := func(status Status, err any) []sse {
			p := s.create("acme/puppet", `{}`)
			time.AfterFunc(time.Second, func() {
				s.Set(p["id"].(string), func(p *Prediction) { p.Status, p.Output = Processing, []any{"a", "\n b\n"} })
			})
			time.AfterFunc(2*time.Second, func() {
				s.Set(p["id"].(string), func(p *Prediction) { p.Status, p.Error = status, err })
			})
			events, _ := s.listen(streamOf(p), 1e6)
			return events
		}
		events := puppet(Failed, "out of luck")
		if len(events) != 4 || events[1].data != "\n b\n" || events[2].kind != "error" || events[2].data != `{"detail":"out of luck"}` || events[3].data != `{"reason":"error"}` {
			t.Errorf("failed: got %+v", events)
		}
		s.Inject(Fault{Host: Stream, BareDone: true})
		if events = puppet(Succeeded, nil); len(events) != 3 || events[2].kind != "done" || events[2].data != "" {
			t.Errorf("bare done: got %+v", events)
		}
		if events = puppet(Canceled, nil); events[2].data != `{"reason":"canceled"}` {
			t.Errorf("canceled: got %+v", events)
		}
	})
}

func TestStreamOfFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		p := s.create(flux, `{"prompt":"x","num_outputs":2}`)
		events, _ := s.listen(streamOf(p), 1e6)
		out := s.get(p)["output"].([]any)
		var got []string
		logs := ""
		for _, e := range events {
			switch e.kind {
			case "output":
				got = append(got, e.data)
			case "logs":
				logs += e.data
			}
		}
		if len(got) != 2 || got[0] != out[0] || got[1] != out[1] {
			t.Errorf("got %v, want %v", got, out)
		}
		if logs != s.get(p)["logs"] {
			t.Errorf("got logs %q, want %q", logs, s.get(p)["logs"])
		}
	})
}
