package api

import (
	"io"
	"sync"
	"sync/atomic"
)

// reach is how far an attempt that failed has come.
type reach int

const (
	ours      reach = iota // it failed on this side, and would again
	notSent                // the server cannot have got the request
	maybeSent              // it may have, or has
)

// payload is the body of a request. It knows whether its last byte was handed to
// the transport: before that no server can have acted on the request. (The other
// direction is not certain, and treated as "may have".)
type payload struct {
	r     io.Reader
	left  atomic.Int64 // bytes not handed out
	err   error        // of r
	moved func()       // called at each read
	once  sync.Once
	// closed is closed when the transport is done with the body; only then may err
	// be read.
	closed chan struct{}
}

func (b *payload) Read(p []byte) (int, error) {
	b.moved()
	n, err := b.r.Read(p)
	b.left.Add(-int64(n))
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

func (b *payload) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// wait returns when the transport no longer reads. RoundTrippers promise to close
// the body; this must follow the end of the request's context.
func (b *payload) wait() {
	if b.r != nil {
		<-b.closed
	}
}

// reach is for a request that got no answer. Without a body it makes no
// difference, since all such calls may be repeated.
func (b *payload) reach() reach {
	if b.r != nil && b.left.Load() > 0 {
		return notSent
	}
	return maybeSent
}
