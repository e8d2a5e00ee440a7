package cache

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrGone says that the origin no longer has the bytes. It is never retried: Replicate deletes outputs an hour after they
// were made, and asking again brings nothing back.
var ErrGone = errors.New("content is gone")

// ErrTooLarge says that a spooled body went on beyond its limit.
var ErrTooLarge = errors.New("content is larger than allowed")

// ErrFull says that the disk tier has no room for what had to be stored: its limit is reached by data that may not be
// evicted, or the disk under it is nearly full.
var ErrFull = errors.New("cache is full")

// ErrClosed is the answer to a read after Close.
var ErrClosed = errors.New("cache is closed")

// Source is one immutable remote file. Its methods may be called at once from several goroutines.
type Source interface {
	// Key is the identity of the bytes, never a URL (those expire): equal keys mean equal bytes.
	Key() string
	// Size is exact, in bytes.
	Size() int64
	// ETag is as the origin told it, or "". One of 32 hex digits is taken for the MD5 of the whole file, and the file is
	// checked against it before it counts as complete.
	ETag() string
	// Fetch opens the bytes [off, off+n), n > 0. The body gives exactly n bytes, then io.EOF, or an error. With bulk the
	// request should go over a connection of its own (several HTTP/1.1 connections carry more than one); otherwise over a
	// shared one (HTTP/2), where a cancelled stream costs nothing. Fetch and the body's Read return soon after ctx is done.
	//
	// An error that has a method Permanent() bool answering true, or that is ErrGone, ends the read at once. One that has a
	// method RetryAfter() time.Duration is retried no sooner than that.
	Fetch(ctx context.Context, off, n int64, bulk bool) (io.ReadCloser, error)
}

// Preparer is a Source that can open connections before there are requests for them.
type Preparer interface {
	// Prepare says that there will probably be n bulk requests at once. It does not wait.
	Prepare(n int)
}

// permanent tells whether err will come again however often we ask.
func permanent(err error) bool {
	if errors.Is(err, ErrGone) {
		return true
	}
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// retryAfter is how long the origin asked us to wait, or 0.
func retryAfter(err error) time.Duration {
	var r interface{ RetryAfter() time.Duration }
	if errors.As(err, &r) {
		return r.RetryAfter()
	}
	return 0
}
