package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is one call of the API, from what is wanted to where the answer goes.
type call struct {
	op     string     // what is attempted, for errors and logs
	method string     // "" means GET
	path   string     // below the base, escaped
	query  url.Values // may be nil
	header http.Header

	body   func() (io.Reader, error) // makes the body anew for each attempt; nil means none
	length int64                     // of the body
	again  func() bool               // reports whether body can be made again; nil means it can

	once  bool                    // must not take effect twice: see ErrAmbiguous
	whole bool                    // once sent, it is not cut by ctx: see Create
	gone  bool                    // not found, after an attempt without an answer, is success
	tries int                     // 0 means as configured
	slow  time.Duration           // for one attempt, counted from the last byte sent; 0 means 30 s
	limit int64                   // of the answer; 0 means MaxObject
	plain bool                    // the answer is text, not JSON
	into  func(body []byte) error // decodes the answer; nil ignores it
	head  func(http.Header)       // sees the header of each answer; nil ignores it
}

const attemptTimeout = 30 * time.Second

var errSlow = errors.New("no complete answer in time")

// do is the pipeline that all calls go through, with what is repeated and what not.
func (c *Client) do(ctx context.Context, k call) error {
	tries := k.tries
	if tries == 0 {
		tries = c.retry.Tries
	}
	var renewed bool
	budget := c.retry.Throttle // what is left for waiting as told
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", k.op, ctx.Err())
		}
		used, reach, err := c.attempt(ctx, k)
		if err == nil {
			return nil
		}
		sent := reach == maybeSent
		var e *Error
		answered := errors.As(err, &e)
		if ctx.Err() != nil && !answered {
			err = fmt.Errorf("%s: %w", k.op, ctx.Err())
			if k.once && sent {
				err = &ambiguous{err}
			}
			return err
		}
		if k.gone && n > 1 && errors.Is(err, iofs.ErrNotExist) {
			return nil
		}
		if answered && e.Status == http.StatusUnauthorized && !renewed && c.auth.renew(used) {
			renewed = true // a refused request had no effect, so this is safe for creates too
			continue
		}
		var u *unreadable
		long := errors.As(err, &u) && u.long
		var pause time.Duration
		switch {
		case answered && e.Status == http.StatusTooManyRequests:
			// Nothing happened. Waiting as told is not an attempt: it is bounded by time.
			pause = c.retry.throttled(n, e.RetryAfter)
			if pause > budget || k.again != nil && !k.again() {
				return err
			}
			budget -= pause
			tries++
		case reach == ours:
			return err
		case answered && !e.Temporary() && e.Status < 500 && e.Status != http.StatusSeeOther:
			return err // refused, or sent elsewhere: nothing happened (303 would be a result)
		case k.once && sent:
			return &ambiguous{err}
		case answered && !e.Temporary(), long, n >= tries, k.again != nil && !k.again():
			return err
		default:
			pause = c.retry.backoff(n)
			if answered {
				pause = max(pause, min(e.RetryAfter, c.retry.Throttle))
			}
		}
		// An answer that says why is worth more than a deadline that passes in our sleep.
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
			return err
		}
		c.log.LogAttrs(ctx, slog.LevelWarn, "calling the API again", slog.String("op", k.op),
			slog.Int("try", n), slog.Duration("pause", pause), slog.String("because", err.Error()))
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// attempt sends k once. It returns the token that was used, and how far it came.
func (c *Client) attempt(ctx context.Context, k call) (used Token, far reach, err error) {
	slow := k.slow
	if slow == 0 {
		slow = attemptTimeout
	}
	caller := ctx
	if k.whole {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, end := context.WithCancelCause(ctx)
	cancel := func() { end(nil) }
	defer cancel()
	timer := time.AfterFunc(slow, func() { end(errSlow) })
	defer timer.Stop()
	req, body, used, err := c.build(ctx, k)
	if err != nil {
		return used, ours, err
	}
	body.moved = func() { timer.Reset(slow) }
	if k.whole {
		defer context.AfterFunc(caller, func() {
			if body.reach() == notSent {
				end(caller.Err())
			}
		})()
	}
	start := time.Now()
	// The transport may go on reading the body after Do has returned. Ending the
	// request and waiting for that keeps two attempts from sharing one file.
	defer body.wait()
	defer cancel()
	resp, err := c.http.Do(req)
	if err != nil {
		c.sent.add(k.op, 0)
		err = c.unreachable(ctx, k.op, err) // before cancel, which would be taken for the cause
		cancel()
		body.wait()
		if body.err != nil {
			return used, ours, fmt.Errorf("%s: %w", k.op, body.err)
		}
		c.log.LogAttrs(ctx, slog.LevelDebug, "call", slog.String("op", k.op), slog.Duration("took", time.Since(start)), slog.String("err", err.Error()))
		return used, body.reach(), err
	}
	defer resp.Body.Close()
	c.sent.add(k.op, resp.StatusCode)
	c.log.LogAttrs(ctx, slog.LevelDebug, "call", slog.String("op", k.op), slog.Duration("took", time.Since(start)), slog.Int("status", resp.StatusCode))
	if there, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.ahead.Store(int64(there.Sub(time.Now().Truncate(time.Second))))
	}
	if k.head != nil {
		k.head(resp.Header)
	}
	return used, maybeSent, c.check(ctx, k, resp)
}

// build makes the request. The body can be read once only and has no GetBody, so
// that net/http cannot send it a second time behind our back, as it would on a
// reused connection or an HTTP/2 stream that broke.
func (c *Client) build(ctx context.Context, k call) (*http.Request, *payload, Token, error) {
	method := k.method
	if method == "" {
		method = http.MethodGet
	}
	u := *c.base
	path, err := url.PathUnescape(k.path)
	if err != nil {
		return nil, nil, "", fmt.Errorf("%s: %w", k.op, iofs.ErrInvalid)
	}
	u.Path, u.RawPath = c.base.Path+path, c.base.EscapedPath()+k.path
	u.RawQuery = k.query.Encode()
	body := &payload{closed: make(chan struct{})}
	body.left.Store(k.length)
	var r io.Reader
	if k.body != nil {
		if body.r, err = k.body(); err != nil {
			return nil, nil, "", fmt.Errorf("%s: %w", k.op, err)
		}
		r = body
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), r)
	if err != nil {
		return nil, nil, "", fmt.Errorf("%s: %w", k.op, err)
	}
	if k.body != nil {
		req.ContentLength = k.length
	}
	for name, v := range k.header {
		req.Header[name] = v
	}
	req.Header.Set("User-Agent", c.agent)
	if !k.plain {
		req.Header.Set("Accept", "application/json")
	}
	t, err := c.auth.current()
	if err != nil {
		return nil, nil, "", fmt.Errorf("%s: %w", k.op, err)
	}
	if t != "" {
		req.Header.Set("Authorization", "Bearer "+string(t))
	}
	return req, body, t, nil
}

// check turns an answer into nothing or an error, and decodes it.
func (c *Client) check(ctx context.Context, k call, resp *http.Response) error {
	if s := resp.StatusCode; s < 200 || s > 299 {
		// A broken body leaves an error that says less, not another error.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		e := parseError(k.op, resp.Header, s, body)
		if s >= 300 && s <= 399 {
			e.Title, e.Detail = "redirect refused", "the token is sent to "+c.base.Host+" only; check the base URL"
		}
		e.Title, e.Detail = c.auth.scrub(e.Title), c.auth.scrub(e.Detail)
		for i := range e.Fields {
			e.Fields[i].Description = c.auth.scrub(e.Fields[i].Description)
		}
		return e
	}
	if k.into == nil {
		return nil
	}
	limit := k.limit
	if limit == 0 {
		limit = MaxObject
	}
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && n < 1<<20 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return c.unreachable(ctx, k.op, err)
	case n > limit:
		return &unreadable{op: k.op, cause: fmt.Sprintf("longer than %d MiB", limit>>20), long: true}
	}
	if err := k.into(buf.Bytes()); err != nil {
		why := err.Error()
		if looksHTML(resp.Header, buf.Bytes()) {
			why = "it is a web page, not JSON"
		}
		return &unreadable{op: k.op, cause: c.auth.scrub(why)}
	}
	return nil
}

// unreachable describes a failure of the network, without the URL and without
// passing on what is inside: see UnreachableError.
func (c *Client) unreachable(ctx context.Context, op string, err error) error {
	slow := errors.Is(context.Cause(ctx), errSlow)
	var t interface{ Timeout() bool }
	if errors.As(err, &t) && t.Timeout() {
		slow = true
	}
	return &UnreachableError{Op: op, Host: c.base.Host, Cause: c.auth.scrub(cause(ctx, err).Error()), slow: slow}
}

// cause strips the URL that net/http puts before its errors, and prefers our own
// reason for ending a request to the context's.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err
}

func notExist(op, name string) error {
	return fmt.Errorf("%s %q: %w", op, clip(name, 80), iofs.ErrNotExist)
}

// validName reports whether s can be an owner, a model, a deployment or a
// collection: what cannot be one needs no request.
func validName(s string) bool {
	return validID(s) && !strings.HasPrefix(s, ".")
}
