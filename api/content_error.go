package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net/http"
	"time"
)

var (
	// ErrGone marks outputs that the server no longer has, or no longer gives away
	// (403, 404, 410). It is an iofs.ErrNotExist too.
	ErrGone = fmt.Errorf("the output is gone: %w", iofs.ErrNotExist)

	// ErrChanged marks outputs that are not what they were when first asked for.
	ErrChanged = errors.New("the output has changed")

	// ErrNoRange marks servers that answer a range with the whole file, where the
	// range is too far inside to read past what comes before.
	ErrNoRange = errors.New("the server does not do ranges")

	errFirstByte = errors.New("no answer in time")
	errStall     = fmt.Errorf("no byte for %v", stallTimeout)
)

// ContentError is a failure to read an output. It names the host but not the URL,
// which is all that protects the output.
type ContentError struct {
	Op         string
	Host       string
	Status     int           // HTTP status; 0 where there was no usable answer
	RetryAfter time.Duration // as told; 0 where nothing was told

	why   string
	cause error // what errors.Is finds: a sentinel or an error of the context; may be nil
	again bool  // broken or stalled: may be tried again
	slow  bool  // a wait that ended
}

func (e *ContentError) Error() string {
	s := e.Op + " from " + e.Host
	if e.Status != 0 && (e.Status < 200 || e.Status > 299) {
		s += fmt.Sprintf(": answered %d (%s)", e.Status, http.StatusText(e.Status))
	}
	if e.why != "" {
		s += ": " + e.why
	}
	return s
}

// Unwrap lets errors.Is find ErrGone, ErrChanged, ErrNoRange, ErrForbidden,
// io.ErrUnexpectedEOF and the errors of a context.
func (e *ContentError) Unwrap() error { return e.cause }

// Temporary reports whether the same request may succeed later.
func (e *ContentError) Temporary() bool { return e.again }

// Timeout reports whether it was a wait that ended.
func (e *ContentError) Timeout() bool {
	return e.slow || e.Status == http.StatusGatewayTimeout
}

// status is the error for an answer that is not 2xx.
func (r *reply) status(resp *http.Response) *ContentError {
	e := r.wrong("")
	e.RetryAfter = retryAfter(resp.Header, 0, "")
	switch s := resp.StatusCode; {
	case s == http.StatusForbidden, s == http.StatusNotFound, s == http.StatusGone:
		e.cause = ErrGone
	case s == http.StatusUnauthorized:
		e.cause = iofs.ErrPermission
	case s >= 300 && s <= 399:
		e.cause, e.why = ErrForbidden, "redirected to a host that is not an output host"
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500 && s != http.StatusNotImplemented:
		e.again = true
	}
	return e
}

// broken is the error for a connection that failed. An error of the caller's
// context stays itself; others keep their text only: see UnreachableError.
func (r *reply) broken(err error) error {
	e := &ContentError{Op: r.op, Host: r.host, again: true}
	why := context.Cause(r.ctx)
	switch {
	case errors.Is(err, ErrForbidden):
		e.cause, e.again = ErrForbidden, false
	case why == errFirstByte || why == errStall:
		err, e.slow = why, true
	case why != nil:
		e.cause, e.again = why, false
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.cause = io.ErrUnexpectedEOF
	}
	e.why = cause(context.Background(), err).Error()
	return e
}
