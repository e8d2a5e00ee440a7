package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net/http"
	"sync"
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

// reply is the answer to a request for content, and its body.
type reply struct {
	c      *Content
	op     string
	host   string
	resp   *http.Response
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	untie  func() bool // from the caller's context

	left  int64 // bytes that Read will still give; -1 means until the end
	rest  int64 // bytes that the server will still send; -1 if not told
	whole bool  // the file should end where left does
	timer *time.Timer
	err   error // sticky
	once  sync.Once
}

// Read watches for stalls only while it runs: a reader may take its time.
func (r *reply) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	if r.timer == nil {
		r.timer = time.AfterFunc(stallTimeout, func() { r.cancel(errStall) })
	} else {
		r.timer.Reset(stallTimeout)
	}
	n, err := r.resp.Body.Read(p)
	r.timer.Stop()
	if r.rest >= 0 {
		r.rest -= int64(n)
	}
	if r.left > 0 {
		r.left -= int64(n)
	}
	switch {
	case r.left == 0:
		err = nil // the end that counts is ours
		if r.whole && r.rest < 0 && r.more() {
			err = &ContentError{Op: r.op, Host: r.host, why: "longer than it was", cause: ErrChanged}
		}
	case err == io.EOF && r.left > 0:
		err = &ContentError{Op: r.op, Host: r.host, why: fmt.Sprintf("the answer ended %d bytes early", r.left), cause: io.ErrUnexpectedEOF, again: true}
	case err != nil && err != io.EOF:
		err = r.broken(err)
	}
	r.err = err
	return n, err
}

// more reports whether there is another byte, where no length was told.
func (r *reply) more() bool {
	r.timer.Reset(stallTimeout)
	defer r.timer.Stop()
	var one [1]byte
	n, _ := io.ReadFull(r.resp.Body, one[:])
	return n > 0
}

// Close gives the connection back where that costs little. An HTTP/1 connection
// can be used again only when its answer was read to the end, and is worth more
// than a small rest; over HTTP/2 the stream is simply reset.
func (r *reply) Close() error {
	r.once.Do(func() {
		if r.untie != nil {
			r.untie()
		}
		finish := func() {
			r.resp.Body.Close()
			r.cancel(nil)
		}
		near := r.rest > 0 && r.rest <= bulkSize || r.rest < 0 && r.left == 0 // only the end mark is missing
		if !near || r.err != nil || r.resp.ProtoMajor != 1 || r.resp.Request.Method == http.MethodHead || r.ctx.Err() != nil {
			finish()
			return
		}
		if !r.c.background(func() { defer finish(); r.drain() }) {
			finish()
		}
	})
	return nil
}

// drain reads a body to its end, for as long as a new connection would take, and
// not after the Close of the Content.
func (r *reply) drain() {
	late := time.AfterFunc(connectTimeout, func() { r.cancel(nil) })
	defer late.Stop()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-r.c.closed:
			r.cancel(nil)
		case <-done:
		}
	}()
	io.Copy(io.Discard, io.LimitReader(r.resp.Body, bulkSize+1))
}

// refuse closes r and returns why its answer is not taken.
func (r *reply) refuse(why string) error { return r.fail(nil, why) }

func (r *reply) fail(cause error, why string) error {
	err := r.wrong(why)
	err.cause = cause
	r.Close()
	return err
}

func (r *reply) wrong(why string) *ContentError {
	return &ContentError{Op: r.op, Host: r.host, Status: r.resp.StatusCode, why: why}
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
