package api

import (
	"context"
	"errors"
	iofs "io/fs"
	"log/slog"
	"net/url"
	"sync/atomic"
)

// States of a tail.
const (
	streamOff  int32 = iota // not connected: poll as if there were none
	streamLive              // connected
	streamDone              // it said so, or is gone
)

// tail follows a stream in a goroutine of its own and says when to read.
type tail struct {
	state  atomic.Int32
	news   bool              // whether output and logs are a reason to read
	output func(string) bool // hears output; nil: nobody does
	wake   chan struct{}     // holds one; sent after every change of state, and for news
	cancel context.CancelFunc
	ended  chan struct{}
	heard  heard
}

// follow begins to follow the stream as soon as one is known; once only.
func (w *waiting) follow(ctx context.Context) {
	if w.tail != nil || w.p.URLs.Stream == "" {
		return
	}
	u, err := url.Parse(w.p.URLs.Stream)
	if err != nil || !w.c.streamable(u) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &tail{wake: make(chan struct{}, 1), cancel: cancel, ended: make(chan struct{}), news: w.progress != nil, output: w.output}
	w.tail = t
	go func() {
		defer close(t.ended)
		t.run(ctx, w.c, u.String())
	}()
}

func (w *waiting) unfollow() {
	if w.tail != nil {
		w.tail.cancel()
		<-w.tail.ended
	}
}

// wake is the channel to select on; nil without a stream.
func (w *waiting) wake() <-chan struct{} {
	if w.tail == nil {
		return nil
	}
	return w.tail.wake
}

// run reads the stream, again and again where it breaks, until it is over.
func (t *tail) run(ctx context.Context, c *Client, address string) {
	id := ""
	for failures := 0; ; {
		t.heard.connect()
		for ev, err := range c.Stream(ctx, address, id) {
			switch {
			case errors.Is(err, ErrStreamGone), err == nil && ev.Type == "done":
				t.become(streamDone)
				return
			case err != nil:
				c.log.LogAttrs(ctx, slog.LevelDebug, "event stream broke", slog.String("because", err.Error()))
				if errors.Is(err, ErrUnreadable) || errors.Is(err, iofs.ErrPermission) || errors.Is(err, iofs.ErrInvalid) {
					t.become(streamOff) // it would be so again
					return
				}
			default:
				id, failures = ev.ID, 0
				t.take(ev)
			}
		}
		failures++
		if ctx.Err() != nil {
			return
		}
		if t.state.Load() == streamLive {
			t.become(streamOff)
		}
		if sleep(ctx, min(pollFirst<<min(failures-1, 10), pollLive)) != nil {
			return
		}
	}
}

// take does what an event asks for.
func (t *tail) take(ev Event) {
	enough := t.heard.before(ev)
	if !enough && ev.Type == "output" && t.output != nil {
		enough = t.output(ev.Data)
	}
	if t.state.Load() != streamLive {
		t.become(streamLive)
	} else if !enough && t.news {
		t.signal()
	}
}

func (t *tail) become(state int32) {
	t.state.Store(state)
	t.signal()
}

func (t *tail) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// heard knows which events were heard, over all connections. A server that does
// not honour Last-Event-ID begins anew with each, and one that gives several
// events the same id, or none, can only be told from itself by counting them.
type heard struct {
	ever map[string]int // how many events of an id
	now  map[string]int // how many on this connection
}

func (h *heard) connect() {
	h.now = map[string]int{}
	if h.ever == nil {
		h.ever = map[string]int{}
	}
}

// before tells whether the event was heard on an earlier connection.
func (h *heard) before(ev Event) bool {
	h.now[ev.ID]++
	if h.now[ev.ID] <= h.ever[ev.ID] {
		return true
	}
	h.ever[ev.ID]++
	return false
}
