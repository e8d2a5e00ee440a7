package api

import (
	"context"
	"fmt"
	"io"
	iofs "io/fs"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// maxSkip is how much of a file is read past to get to a range where the server
// does not do ranges.
const maxSkip = 16 << 20

// Range reads the n bytes of a file from off on. The body gives exactly n bytes
// and io.EOF, or an error: io.ErrUnexpectedEOF where it ends before, a *ContentError
// where it breaks or stalls. What want knows (size, ETag, modification time) is
// compared with the answer; where it differs the error is ErrChanged. Range does
// not repeat anything. ctx governs the body too. The caller closes it; a body
// closed before its end may go on for a moment, to save its connection.
func (c *Content) Range(ctx context.Context, rawurl string, want ContentInfo, off, n int64) (io.ReadCloser, error) {
	a := ask{op: "read output", url: rawurl, n: n}
	if off < 0 || n < 0 || n > math.MaxInt64-off || want.Size >= 0 && off+n > want.Size {
		return nil, fmt.Errorf("%s: bytes %d+%d of %d: %w", a.op, off, n, want.Size, iofs.ErrInvalid)
	}
	if n == 0 {
		return http.NoBody, nil
	}
	whole := off == 0 && n == want.Size
	if !whole {
		a.rng = fmt.Sprintf("bytes=%d-%d", off, off+n-1)
		if strongETag(want.ETag) {
			a.ifRange = want.ETag
		}
		a.empty = true
	}
	r, err := c.fetch(ctx, a)
	if err != nil {
		return nil, err
	}
	if err := r.checkRange(want, whole, off, n); err != nil {
		return nil, err
	}
	r.left, r.whole = n, whole
	return r, nil
}

// checkRange compares the answer with what was asked, and brings the body to off.
// With an error the body is closed.
func (r *reply) checkRange(want ContentInfo, whole bool, off, n int64) error {
	h := r.resp.Header
	if !plainEncoding(r.resp) {
		return r.refuse("an encoded file")
	}
	if why := changed(want, infoOf(r.resp)); why != "" {
		return r.fail(ErrChanged, why)
	}
	switch s := r.resp.StatusCode; {
	case s == http.StatusPartialContent && !whole:
		cr, ok := parseContentRange(h.Get("Content-Range"))
		if !ok || cr.first < 0 {
			return r.refuse("a part without saying which")
		}
		if want.Size >= 0 && cr.total >= 0 && cr.total != want.Size {
			return r.fail(ErrChanged, fmt.Sprintf("%d bytes, not %d", cr.total, want.Size))
		}
		if cr.first != off || cr.last < off+n-1 && (cr.total < 0 || cr.last != cr.total-1) {
			return r.refuse(fmt.Sprintf("bytes %d-%d for %d-%d", cr.first, cr.last, off, off+n-1))
		}
		if l := r.resp.ContentLength; l >= 0 && l != cr.last-cr.first+1 {
			return r.refuse("a part whose length is not that of its range")
		}
		return nil
	case s == http.StatusOK:
		if l := r.resp.ContentLength; l >= 0 && want.Size >= 0 && l != want.Size {
			return r.fail(ErrChanged, fmt.Sprintf("%d bytes, not %d", l, want.Size))
		}
		if off > maxSkip {
			return r.fail(ErrNoRange, ErrNoRange.Error())
		}
		if off > 0 {
			r.left = off
			if m, err := io.Copy(io.Discard, r); err != nil {
				r.Close()
				return fmt.Errorf("skip to %d, at %d: %w", off, m, err)
			}
		}
		return nil
	case s == http.StatusRequestedRangeNotSatisfiable:
		return r.fail(ErrChanged, "it has no such bytes any more")
	}
	return r.refuse("a strange answer to a range")
}

// changed says how got contradicts want, or "". Weak ETags are compared too: that
// they are equal proves little, but that they differ is reason enough.
func changed(want, got ContentInfo) string {
	if want.ETag != "" && got.ETag != "" {
		if strings.TrimPrefix(want.ETag, "W/") != strings.TrimPrefix(got.ETag, "W/") {
			return "another ETag"
		}
		return ""
	}
	if !want.Modified.IsZero() && !got.Modified.IsZero() && !want.Modified.Equal(got.Modified) {
		return "another time of modification"
	}
	return ""
}

// strongETag reports whether an ETag may stand in If-Range.
func strongETag(s string) bool {
	return len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"'
}

// contentRange is a Content-Range header: bytes first-last/total. first and last
// are -1 for "*", total is.
type contentRange struct{ first, last, total int64 }

func parseContentRange(s string) (cr contentRange, ok bool) {
	unit, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	if !strings.EqualFold(unit, "bytes") {
		return cr, false
	}
	span, total, ok := strings.Cut(strings.TrimSpace(rest), "/")
	if !ok {
		return cr, false
	}
	cr = contentRange{-1, -1, -1}
	if total != "*" {
		if cr.total, ok = number(total); !ok {
			return cr, false
		}
	}
	if span == "*" {
		return cr, cr.total >= 0
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return cr, false
	}
	var ok1, ok2 bool
	cr.first, ok1 = number(first)
	cr.last, ok2 = number(last)
	return cr, ok1 && ok2 && cr.first <= cr.last && (cr.total < 0 || cr.last < cr.total)
}

// number reads digits only; ParseInt alone would take signs.
func number(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 62)
	return int64(n), err == nil
}
