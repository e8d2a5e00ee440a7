package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	pollFirst = 250 * time.Millisecond // between reads at first, growing with the time waited
	pollMost  = 3 * time.Second
	pollLive  = 5 * time.Second        // beside a stream, which may lie
	pollNews  = 500 * time.Millisecond // between reads when a stream brings output
	pollEnded = 10 * time.Millisecond  // after a stream's end, doubling
	readLimit = 10 * time.Second       // for one read
	lostLimit = 5 * time.Second        // a 404 may be a replica that lags so long
)

// Wait returns when the prediction or training p has ended, with its last state.
// It follows the event stream of p where there is one and polls otherwise, and
// it outlives restarts of the API and losses of the network until ctx ends. In
// the end it is always a read of the prediction that decides, not an event.
//
// progress, which may be nil, is called with each new state, the last one too,
// from the goroutine of Wait. With an error comes the last state that was seen.
func (c *Client) Wait(ctx context.Context, p *Prediction, progress func(*Prediction)) (*Prediction, error) {
	if p.Done() {
		return p, nil
	}
	w := waiting{c: c, p: p, start: time.Now(), progress: progress}
	w.k = call{op: "wait for prediction", path: "/predictions/" + p.ID, tries: 1, slow: readLimit}
	if u, err := url.Parse(p.URLs.Get); err == nil && strings.HasSuffix(u.Path, "/trainings/"+p.ID) {
		w.k.path = "/trainings/" + p.ID
	}
	defer w.unfollow()
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	for {
		w.follow(ctx)
		timer.Reset(w.pause())
		select {
		case <-ctx.Done():
			return w.p, fmt.Errorf("wait for prediction %s: %w", p.ID, ctx.Err())
		case <-timer.C:
		case <-w.wake():
			if w.tail.state.Load() == streamLive {
				w.news = true // pause then says when
				continue
			}
		}
		if err := w.read(ctx); err != nil {
			return w.p, err
		}
		if w.p.Done() {
			return w.p, nil
		}
	}
}

// waiting is one call of Wait.
type waiting struct {
	c        *Client
	k        call
	p        *Prediction
	progress func(*Prediction)
	tail     *tail // nil: no stream

	start    time.Time
	last     time.Time // when the last read ended
	lost     time.Time // since when reads answer 404; zero if they do not
	failures int       // reads that failed in a row
	told     time.Duration
	settling int  // reads since the stream ended
	news     bool // the stream brought something that was not read yet
}

// pause is the time until the next read.
func (w *waiting) pause() time.Duration {
	ordinary := min(max(pollFirst, time.Since(w.start)/10), pollMost)
	state := streamOff
	if w.tail != nil {
		state = w.tail.state.Load()
	}
	switch {
	case w.failures > 0:
		return max(w.told, min(pollFirst<<min(w.failures-1, 10), pollLive))
	case state == streamDone && w.settling < 8:
		return min(pollEnded<<w.settling, ordinary)
	case state == streamLive && w.news:
		return max(0, pollNews-time.Since(w.last))
	case state == streamLive:
		return pollLive
	}
	return ordinary
}

// read brings the state up to date. It returns an error only where waiting longer is of no use.
func (w *waiting) read(ctx context.Context) error {
	w.news = false
	if w.tail != nil && w.tail.state.Load() == streamDone {
		w.settling++
	}
	q, err := fetch(ctx, w.c, w.k, ParsePrediction)
	w.last = time.Now()
	w.told = 0
	var e *Error
	switch {
	case err == nil:
		w.failures, w.lost = 0, time.Time{}
		if q.ID != w.p.ID {
			return fmt.Errorf("wait for prediction %s: the API answered with %s: %w", w.p.ID, q.ID, ErrUnreadable)
		}
		changed := !bytes.Equal(q.Raw, w.p.Raw)
		w.p = q
		if changed && w.progress != nil {
			w.progress(q)
		}
		return nil
	case ctx.Err() != nil:
		return nil // Wait sees it at once
	case errors.Is(err, iofs.ErrNotExist):
		if w.lost.IsZero() {
			w.lost = w.last
		}
		if w.last.Sub(w.lost) >= lostLimit {
			return err
		}
	case errors.As(err, &e) && !e.Temporary():
		return err
	case errors.As(err, &e) && e.Status == http.StatusTooManyRequests:
		w.told = w.c.retry.throttled(1, e.RetryAfter)
	}
	w.failures++
	w.c.log.LogAttrs(ctx, slog.LevelDebug, "waiting goes on", slog.String("id", w.p.ID), slog.String("because", err.Error()))
	return nil
}

// States of a tail.
const (
	streamOff  int32 = iota // not connected: poll as if there were none
	streamLive              // connected
	streamDone              // it said so, or is gone
)

// tail follows a stream in a goroutine of its own and says when to read.
type tail struct {
	state  atomic.Int32
	wake   chan struct{} // holds one; sent after every change of state, and for output if wanted
	cancel context.CancelFunc
	ended  chan struct{}
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
	t := &tail{wake: make(chan struct{}, 1), cancel: cancel, ended: make(chan struct{})}
	w.tail = t
	go func() {
		defer close(t.ended)
		t.run(ctx, w.c, u.String(), w.progress != nil)
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
func (t *tail) run(ctx context.Context, c *Client, address string, output bool) {
	id := ""
	for failures := 0; ; {
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
				if t.state.Load() != streamLive {
					t.become(streamLive)
				} else if output {
					t.signal()
				}
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
