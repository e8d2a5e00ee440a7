package api

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Ahead is by how much the API's clock is ahead of this machine's, as its last
// answer told: to about a second, and 0 before there was one.
func (c *Client) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// Clock returns by how much this machine's clock is ahead of the API's, to
// about a second. Any answer tells, also the refusal of a token.
func (c *Client) Clock(ctx context.Context) (ahead time.Duration, err error) {
	var there, here time.Time
	asked := time.Now()
	err = c.do(ctx, call{op: "read the API's clock", path: "/account", tries: 1, head: func(h http.Header) {
		there, _ = http.ParseTime(h.Get("Date"))
		here = asked.Add(time.Since(asked) / 2)
	}})
	switch {
	case !there.IsZero():
		return here.Sub(there).Truncate(time.Second), nil
	case err == nil:
		err = errors.New("read the API's clock: it tells no date")
	}
	return 0, err
}
