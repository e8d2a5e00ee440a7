package api

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

// again repeats a request that has given nothing yet.
func (c *Content) again(ctx context.Context, try func() error) error {
	policy := Retry{First: 200 * time.Millisecond, Most: 5 * time.Second}.filled()
	for n := 1; ; n++ {
		err := try()
		var e *ContentError
		if err == nil || n == contentTries || !errors.As(err, &e) || !e.Temporary() {
			return err
		}
		pause := policy.backoff(n)
		if e.RetryAfter > pause {
			if pause = e.RetryAfter; pause > 10*time.Second {
				return err
			}
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) <= pause {
			return err
		}
		c.log.LogAttrs(ctx, slog.LevelDebug, "asking for content again", slog.Int("try", n), slog.Duration("pause", pause), slog.String("because", err.Error()))
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// ask is one request for content.
type ask struct {
	op      string
	method  string // "" means GET
	url     string
	n       int64  // bytes wanted, to pick a lane; 0 if few or unknown
	rng     string // Range header
	ifRange string
	empty   bool // 416 is an answer, not an error
}

// fetch sends one request and returns the answer to it, if it is one: any 2xx.
func (c *Content) fetch(ctx context.Context, a ask) (*reply, error) {
	u, err := url.Parse(a.url)
	if err != nil || !c.hosts.allowed(u) {
		host := ""
		if u != nil {
			host = u.Host
		}
		return nil, &ContentError{Op: a.op, Host: host, cause: ErrForbidden, why: ErrForbidden.Error()}
	}
	if a.method == "" {
		a.method = http.MethodGet
	}
	// The request lives as long as its body, and a body that is closed may still be
	// read to its end: so it ends by its own cancel, to which ctx is tied until then.
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	untie := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })
	wait := time.AfterFunc(queueTimeout, func() { cancel(errFirstByte) })
	own = httptrace.WithClientTrace(own, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { wait.Reset(firstByte) },
	})
	r := &reply{c: c, op: a.op, host: u.Host, ctx: own, cancel: cancel, untie: untie, left: -1}
	fail := func(err error) (*reply, error) {
		untie()
		cancel(nil)
		return nil, err
	}
	req, err := http.NewRequestWithContext(own, a.method, u.String(), nil)
	if err != nil {
		wait.Stop()
		return fail(&ContentError{Op: a.op, Host: u.Host, why: "not a URL", cause: iofs.ErrInvalid})
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept-Encoding", "identity")
	if a.rng != "" {
		req.Header.Set("Range", a.rng)
	}
	if a.ifRange != "" {
		req.Header.Set("If-Range", a.ifRange)
	}
	start := time.Now()
	resp, err := c.lane(u, a.n).Do(req)
	// From here on silence is a stall, which Read watches.
	late := !wait.Stop() && context.Cause(own) == errFirstByte
	if err != nil || late {
		if err == nil {
			resp.Body.Close()
			err = errFirstByte
		}
		c.sent.add(a.op, 0)
		return fail(r.broken(err))
	}
	c.sent.add(a.op, resp.StatusCode)
	r.resp, r.rest = resp, resp.ContentLength
	if resp.ProtoMajor == 1 && resp.ContentLength >= 0 && resp.ContentLength <= bulkSize && untie() {
		// Who leaves such a body costs a connection if it is cut, and few bytes if
		// it is not: Close reads it to its end.
		r.untie = context.AfterFunc(ctx, func() { r.leave(ctx.Err()) })
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, "content", slog.String("op", a.op), slog.String("host", u.Host), slog.String("range", a.rng),
		slog.Int("status", resp.StatusCode), slog.Duration("took", time.Since(start)))
	if s := resp.StatusCode; s >= 200 && s <= 299 || a.empty && s == http.StatusRequestedRangeNotSatisfiable {
		return r, nil
	}
	defer r.Close()
	return nil, r.status(resp)
}
