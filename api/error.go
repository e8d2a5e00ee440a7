package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"strings"
	"time"
)

// ErrAmbiguous marks a create whose fate is unknown: the request may have
// reached Replicate, no readable answer came, and since the API has no
// idempotency key it was not sent again. The caller looks in the list.
var ErrAmbiguous = errors.New("the request may have reached Replicate, so it was not sent again")

// ErrUnreachable marks calls that got no answer from the API: no network, no
// such host, a refused or broken connection, a timeout of ours.
var ErrUnreachable = errors.New("the Replicate API cannot be reached")

// ErrUnreadable marks an answer that said success but could not be understood,
// such as the HTML of a captive portal, or one longer than our limits.
var ErrUnreadable = errors.New("the answer of the API cannot be read")

// ErrCursor marks a listing that led back to a page it had already given.
var ErrCursor = errors.New("the API repeated a page")

// InvalidField is one problem of an input that the API refused.
type InvalidField struct {
	Type        string // such as "required" or "number_lte"
	Field       string // such as "input.steps"; "" for the body itself
	Description string // such as "Must be less than or equal to 4"
}

// Error is an answer of the API other than success. It answers errors.Is for
// iofs.ErrNotExist (404, 410), iofs.ErrPermission (401, 403) and
// iofs.ErrInvalid (400, 422); other meanings are read from Status.
type Error struct {
	Op         string // what was attempted, such as "read prediction"
	Status     int    // HTTP status
	Title      string // may be empty
	Detail     string // may be empty; may have several lines
	Fields     []InvalidField
	RetryAfter time.Duration // as told with 429 or 503; 0 where nothing was told
	Ray        string        // Cloudflare's request id, for a report to Replicate
}

// Error returns one line, with all that the API said.
func (e *Error) Error() string {
	title := e.Title
	if title == "" {
		title = http.StatusText(e.Status)
	}
	s := fmt.Sprintf("%s: the API answered %d", e.Op, e.Status)
	if title != "" {
		s += " (" + title + ")"
	}
	if d := oneLine(e.Detail); d != "" {
		s += ": " + d
	}
	return s
}

// Is joins the vocabulary of io/fs.
func (e *Error) Is(target error) bool {
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return target == iofs.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden:
		return target == iofs.ErrPermission
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return target == iofs.ErrInvalid
	}
	return false
}

// Temporary reports whether the same call may succeed later.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return e.Status >= 500
}

// Timeout reports whether somebody on the way gave up waiting.
func (e *Error) Timeout() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusGatewayTimeout, 522, 524: // 52x: Cloudflare's own
		return true
	}
	return false
}

// UnreachableError says that no answer came, why, and what to do about it. It
// hides the error it stems from, keeping its text: an errno or a deadline from
// inside a socket must not be taken for one of the caller's.
type UnreachableError struct {
	Op    string
	Host  string // of the API, as configured
	Cause string
	slow  bool
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s: cannot reach the API at %s: %s (check the network, the base URL and any proxy)",
		e.Op, e.Host, e.Cause)
}

// Is answers for ErrUnreachable.
func (e *UnreachableError) Is(target error) bool { return target == ErrUnreachable }

// Temporary reports true: networks come back.
func (e *UnreachableError) Temporary() bool { return true }

// Timeout reports whether it was a wait that ended.
func (e *UnreachableError) Timeout() bool { return e.slow }

// unreadable is an answer of status 2xx that could not be understood.
type unreadable struct {
	op    string
	cause string
	long  bool // over our limit, and it would be again
}

func (e *unreadable) Error() string {
	return fmt.Sprintf("%s: the answer of the API cannot be read: %s", e.op, e.cause)
}

func (e *unreadable) Is(target error) bool { return target == ErrUnreadable }
func (e *unreadable) Temporary() bool      { return !e.long }

// ambiguous joins ErrAmbiguous to what is known.
type ambiguous struct{ cause error }

func (e *ambiguous) Error() string   { return e.cause.Error() + "; " + ErrAmbiguous.Error() }
func (e *ambiguous) Unwrap() []error { return []error{ErrAmbiguous, e.cause} }

// maxErrorBody bounds what is read of an error's body; real ones have some
// hundred bytes, a refused input with many fields a few thousand.
const maxErrorBody = 64 << 10

// parseError reads an error body of any kind: a problem document with any of
// its fields absent, HTML from the edge, or nothing at all.
func parseError(op string, h http.Header, status int, body []byte) *Error {
	e := &Error{Op: op, Status: status, Ray: h.Get("CF-Ray")}
	var told float64
	var doc struct {
		Title      maybe[string]            `json:"title"`
		Detail     json.RawMessage          `json:"detail"`
		Fields     maybe[[]json.RawMessage] `json:"invalid_fields"`
		RetryAfter maybe[float64]           `json:"retry_after"`
	}
	if json.Unmarshal(body, &doc) == nil {
		e.Title, e.Detail, told = doc.Title.v, text(doc.Detail), doc.RetryAfter.v
		for _, raw := range doc.Fields.v {
			var f struct {
				Type        maybe[string] `json:"type"`
				Field       maybe[string] `json:"field"`
				Description maybe[string] `json:"description"`
			}
			if json.Unmarshal(raw, &f) == nil {
				e.Fields = append(e.Fields, InvalidField{f.Type.v, f.Field.v, f.Description.v})
			}
		}
	} else if !looksHTML(h, body) {
		e.Detail = clip(oneLine(string(body)), 300)
	}
	e.RetryAfter = retryAfter(h, told, e.Detail)
	return e
}

func looksHTML(h http.Header, body []byte) bool {
	return strings.Contains(h.Get("Content-Type"), "html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// oneLine joins lines, as for the problem lists of a 422, and drops what could
// upset a terminal or a log.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimSpace(l), "- ")
	}
	return strings.TrimSpace(strings.Join(lines, "; "))
}

// clip shortens s to at most n bytes, at a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
