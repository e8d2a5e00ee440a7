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
	return c.Follow(ctx, p, progress, nil)
}

// Follow is Wait for who also wants the output as it is made. Each output event
// of the stream is given to output once and in order, whatever the connection
// went through, from one goroutine that ends before Follow does. Output tells
// whether that was enough; if not, the prediction is read because of it. What
// the stream left out or said wrong is in no event: the state that is read
// decides here too.
func (c *Client) Follow(ctx context.Context, p *Prediction, progress func(*Prediction), output func(data string) bool) (*Prediction, error) {
	if p.Done() {
		return p, nil
	}
	w := waiting{c: c, p: p, start: time.Now(), progress: progress, output: output}
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
	output   func(data string) bool
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
