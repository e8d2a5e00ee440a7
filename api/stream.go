package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	iofs "io/fs"
)

// ErrStreamGone says that a stream has ended and has no more to say; connecting
// again is of no use. What became of the prediction is told by a read of it.
var ErrStreamGone = errors.New("the event stream is gone")

// streamTimeout is for the answer to begin. The stream itself is as long as the
// run, which is often silent for minutes: it is bounded by the context only.
const streamTimeout = 30 * time.Second

var errSilent = errors.New("no answer in time")

// Stream connects once to a prediction's event stream (URLs.Stream) and yields
// what comes. A lastID that is not empty asks to go on after that event. The
// token is not sent. After "done" the iteration ends; else with an error:
// ErrStreamGone, io.ErrUnexpectedEOF or another failure of the connection, after
// which one may connect again with the ID of the last event.
func (c *Client) Stream(ctx context.Context, address, lastID string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		body, err := c.openStream(ctx, address, lastID)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer body.Close()
		for r := newEvents(body, lastID); ; {
			ev, comment, err := r.next()
			switch {
			case err != nil:
				yield(Event{}, c.streamError(ctx, err))
				return
			case strings.HasPrefix(strings.TrimLeft(comment, ": "), "408"):
				// ":408: 408 Request Timeout": the stream was deleted, or idle after its end.
				yield(Event{}, fmt.Errorf("read event stream: %w", ErrStreamGone))
				return
			case comment != "" || ev.Type == "" && ev.Data == "":
				continue
			}
			if !yield(ev, nil) || ev.Type == "done" {
				return
			}
		}
	}
}

// openStream returns the body of a stream.
func (c *Client) openStream(ctx context.Context, address, lastID string) (io.ReadCloser, error) {
	const op = "open event stream"
	u, err := url.Parse(address)
	if err != nil || !c.streamable(u) {
		return nil, fmt.Errorf("%s: not an address for it: %w", op, iofs.ErrInvalid)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(streamTimeout, func() { cancel(errSilent) })
	defer timer.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("%s: %w", op, iofs.ErrInvalid)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "identity") // compressors hold events back
	req.Header.Set("Cache-Control", "no-store")
	req.Header.Set("User-Agent", c.agent)
	if lastID != "" && strings.IndexFunc(lastID, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0 {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := c.bare.Do(req)
	if err != nil {
		c.sent.add(op, 0)
		defer cancel(nil)
		return nil, c.streamError(ctx, err)
	}
	c.sent.add(op, resp.StatusCode)
	fail := func(err error) (io.ReadCloser, error) {
		resp.Body.Close()
		cancel(nil)
		return nil, err
	}
	switch s := resp.StatusCode; {
	case s == http.StatusNotFound, s == http.StatusGone, s == http.StatusRequestTimeout, s == http.StatusNoContent:
		return fail(fmt.Errorf("%s: answered %d: %w", op, s, ErrStreamGone))
	case s != http.StatusOK:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return fail(parseError(op, resp.Header, s, body))
	}
	if t := resp.Header.Get("Content-Type"); !strings.HasPrefix(t, "text/event-stream") || resp.Header.Get("Content-Encoding") != "" {
		return fail(&unreadable{op: op, cause: fmt.Sprintf("it is %q, not an event stream", clip(t, 60))})
	}
	return resp.Body, nil
}

// streamable reports whether a stream address may be called: https anywhere, and
// plain http on loopback where the API itself is there.
func (c *Client) streamable(u *url.URL) bool {
	if u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && c.base.Scheme == "http" && loopback(u.Hostname())
}

func (c *Client) streamError(ctx context.Context, err error) error {
	const op = "read event stream"
	switch {
	case ctx.Err() != nil && context.Cause(ctx) != errSilent:
		return fmt.Errorf("%s: %w", op, ctx.Err())
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: %w", op, io.ErrUnexpectedEOF)
	case errors.Is(err, errLongEvent):
		return &unreadable{op: op, cause: err.Error(), long: true}
	}
	return c.unreachable(ctx, op, err)
}
