package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Streams of server-sent events: what comes out of a run, as it comes.

// event is one event of a stream. Its place in the stream is part of its id.
type event struct {
	kind string // output, logs, error, done
	data any    // a string, a *File or another JSON value; nil for done
	at   time.Time
}

// What Replicate says about time.
const (
	streamIdle = 30 * time.Second // how long a stream stays open after done
	streamKept = time.Minute      // how long one can be read after the end
)

// timeoutComment ends a stream that is idle or was deleted.
const timeoutComment = ":408: 408 Request Timeout\n\n"

// emit adds to the stream. A list of outputs is as many events.
func (p *prediction) emit(kind string, v any, at time.Time) {
	if !p.Streams {
		return
	}
	if list, ok := v.([]any); ok && kind == "output" {
		for _, x := range list {
			p.emit(kind, x, at)
		}
		return
	}
	p.events = append(p.events, event{kind, v, at})
}

// emitChange adds what a Set or Add changed.
func (p *prediction) emitChange(before Prediction, at time.Time) {
	if more := strings.TrimPrefix(p.Logs, before.Logs); more != "" {
		p.emit("logs", more, at)
	}
	switch out := p.Output.(type) {
	case []any:
		old, _ := before.Output.([]any)
		if len(out) > len(old) {
			p.emit("output", out[len(old):], at)
		}
	case string:
		old, _ := before.Output.(string)
		if more := strings.TrimPrefix(out, old); more != "" {
			p.emit("output", more, at)
		}
	case nil:
	default:
		if before.Output == nil {
			p.emit("output", out, at)
		}
	}
	if p.Status.Terminal() && !before.Status.Terminal() {
		if p.Status == Failed {
			p.emit("error", p.Error, at)
		}
		p.emit("done", nil, at)
	}
}

// streamPath is where a stream is: those of texts and of files look different.
func (s *Sim) streamPath(p *Prediction, id string) string {
	if m := s.models.named(p.Model); m != nil && m.out != textStream && m.out != textOut && m.out != anyOut {
		prefix := []string{"kzvt", "bcwr", "fddq", "jbxs"}[hash64(id)%4]
		return "/v1/files/" + prefix + "-" + id
	}
	return "/v1/streams/" + id
}

// streamEvents answers for the stream host.
func (s *Sim) streamEvents(w http.ResponseWriter, r *http.Request) {
	p := s.findStream(r.URL.Path)
	if p == nil || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("Access-Control-Allow-Origin", "*")
	w.WriteHeader(http.StatusOK)
	s.mu.Lock()
	s.settleLocked(p, s.now())
	gone := p.Status.Terminal() && s.now().After(p.CompletedAt.Add(streamKept))
	s.mu.Unlock()
	if gone {
		io.WriteString(w, timeoutComment)
		return
	}
	io.WriteString(w, ": hi\n\n")
	s.follow(w, r, p)
}

// follow sends the events after the one that the client has, until done.
func (s *Sim) follow(w http.ResponseWriter, r *http.Request, p *prediction) {
	ctx := r.Context()
	b := basesFrom(r)
	flush := http.NewResponseController(w)
	fault := faultOf(r)
	last := r.Header.Get("Last-Event-ID")
	if fault.Replay || fault.NoIDs {
		last = ""
	}
	sent := 0
	for {
		s.mu.Lock()
		now := s.now()
		s.settleLocked(p, now)
		events := p.events[sent:]
		status := p.Status
		next, more := p.changesLocked()
		tick := s.tick
		s.mu.Unlock()
		if !more {
			next = now.Add(time.Hour) // nothing but a tick changes it
		}
		var buf bytes.Buffer
		ended := false
		for i, e := range events {
			id := fmt.Sprintf("%d:%d", e.at.Unix(), sent+i)
			if last != "" {
				if id == last {
					last = ""
				}
				continue
			}
			e.write(&buf, id, b, status, fault)
			ended = ended || e.kind == "done"
		}
		sent += len(events)
		if _, err := w.Write(buf.Bytes()); err != nil {
			return
		}
		flush.Flush()
		switch {
		case ended || status.Terminal():
			if sleep(ctx, streamIdle) {
				io.WriteString(w, timeoutComment)
			}
			return
		case ctx.Err() != nil:
			return
		}
		s.rest(ctx, tick, next.Sub(now))
	}
}

// write writes the event. Text goes as it is, each of its lines in a data
// field of its own.
func (e *event) write(w *bytes.Buffer, id string, b bases, status Status, f *Fault) {
	var text string
	switch e.kind {
	case "done":
		text = "{}"
		switch status {
		case Failed:
			text = `{"reason":"error"}`
		case Canceled, Aborted:
			text = `{"reason":"canceled"}`
		}
	case "error":
		j, _ := json.Marshal(map[string]any{"detail": fmt.Sprint(e.data)})
		text = string(j)
	default:
		switch v := e.data.(type) {
		case string:
			text = v
		case *File:
			text = b.url(v)
		default:
			j, _ := json.Marshal(b.render(v))
			text = string(j)
		}
	}
	fmt.Fprintf(w, "event: %s\n", e.kind)
	if !f.NoIDs {
		fmt.Fprintf(w, "id: %s\n", id)
	}
	if e.kind != "done" || !f.BareDone {
		for line := range strings.SplitSeq(text, "\n") {
			w.WriteString("data: " + line + "\n")
		}
	}
	w.WriteString("\n")
}

// findStream finds the prediction of /v1/streams/id or /v1/files/abcd-id.
func (s *Sim) findStream(path string) *prediction {
	id, ok := strings.CutPrefix(path, "/v1/streams/")
	if !ok {
		if id, ok = strings.CutPrefix(path, "/v1/files/"); !ok {
			return nil
		}
		_, id, _ = strings.Cut(id, "-")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[id]
}
