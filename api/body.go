package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

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

	deserted atomic.Pointer[error] // why the caller's context ended, where that does not cut the body
	closed   atomic.Bool
}

// Read watches for stalls only while it runs: a reader may take its time.
func (r *reply) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if why := r.deserted.Load(); why != nil {
		return 0, *why
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

// leaveGrace is how long a Read under way may last after its caller has left.
const leaveGrace = time.Second

// leave notes that the caller has left, and leaves it to Close what becomes of
// the body. A Read that gets nothing is cut after all.
func (r *reply) leave(why error) {
	r.deserted.Store(&why)
	time.AfterFunc(leaveGrace, func() {
		if !r.closed.Load() {
			r.cancel(why)
		}
	})
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
		r.closed.Store(true)
		if r.untie != nil {
			r.untie()
		}
		if r.resp.ProtoMajor == 2 && r.resp.ContentLength > streamWindow && r.resp.Request.Method == http.MethodGet {
			r.c.whole.Store(r.left == 0 || r.rest == 0)
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
