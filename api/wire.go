package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"
)

// maybe decodes a field that is allowed to be absent, null or of another type
// than promised: one strange field must not hide a whole prediction. ok tells
// that there was a value of the right type.
type maybe[T any] struct {
	v  T
	ok bool
}

func (m *maybe[T]) UnmarshalJSON(b []byte) error {
	*m = maybe[T]{}
	if s, ok := any(&m.v).(*string); ok {
		*s, m.ok = unquote(b)
		return nil
	}
	var v T
	if !isNull(b) && json.Unmarshal(b, &v) == nil {
		*m = maybe[T]{v, true}
	}
	return nil
}

// unquote is json.Unmarshal of a string, with a short cut for those without
// escapes: a prediction has a dozen, and a listing many thousand predictions.
func unquote(b []byte) (s string, ok bool) {
	if len(b) < 2 || b[0] != '"' {
		return "", false
	}
	if inner := b[1 : len(b)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	err := json.Unmarshal(b, &s)
	return s, err == nil
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// orNil turns JSON's null into nil, so that "nothing" has one form.
func orNil(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || isNull(raw) {
		return nil
	}
	return raw
}

// text is the string in raw, or raw itself where it is something else.
func text(raw json.RawMessage) string {
	if orNil(raw) == nil {
		return ""
	}
	if s, ok := unquote(raw); ok {
		return s
	}
	return string(raw)
}

// when decodes the API's times. Fractions have 0 to 9 digits; the layouts without a
// zone and with a blank have been seen in Django-made cursors and cost nothing here.
type when struct{ t time.Time }

func (w *when) UnmarshalJSON(b []byte) error {
	w.t = time.Time{}
	s, _ := unquote(b)
	if s == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00"} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		// Outside of these years UnixNano and the kernel's times overflow.
		if y := t.Year(); y >= 1970 && y < 2200 {
			w.t = t.UTC()
		}
		return nil
	}
	return nil
}

// object reports whether raw is a JSON object, cheaply and without validating it.
func object(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{'
}

// decode reads one JSON object.
func decode[T any](raw []byte) (w T, err error) {
	if !object(raw) {
		return w, errors.New("not a JSON object")
	}
	return w, json.Unmarshal(raw, &w)
}

// fetch makes a call that answers with one thing.
func fetch[T any](ctx context.Context, c *Client, k call, parse func(raw []byte) (T, error)) (v T, err error) {
	k.into = func(body []byte) (err error) {
		v, err = parse(body)
		return err
	}
	err = c.do(ctx, k)
	return v, err
}

// keep copies what a Raw field holds on to.
func keep(raw []byte) json.RawMessage { return bytes.Clone(bytes.TrimSpace(raw)) }

func missing(field string) error { return errors.New("the field " + field + " is missing") }

// whole is a count that may have come as a float, or absurdly large.
func whole(f float64) int64 {
	if !(f > 0) {
		return 0
	}
	return int64(min(f, 1<<53))
}
