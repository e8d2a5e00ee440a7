package api

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseError(t *testing.T) {
	const validation = `{"detail":"- input: prompt is required\n- input.steps: Must be less than or equal to 4\n","status":422,"title":"Input validation failed",
		"invalid_fields":[{"type":"required","field":"input","description":"prompt is required"},7,{"type":"number_lte","field":"input.steps","description":"Must be less than or equal to 4"}]}` + "\n"
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   string
		is     error
		after  time.Duration
		temp   bool
	}{
		{"no token", 401, nil, `{"title":"Unauthenticated","detail":"You did not pass an authentication token","status":401}`,
			"op: the API answered 401 (Unauthenticated): You did not pass an authentication token", iofs.ErrPermission, 0, false},
		{"forbidden", 403, nil, ``, "op: the API answered 403 (Forbidden)", iofs.ErrPermission, 0, false},
		{"credit", 402, nil, `{"title":"Insufficient credit","detail":"You have insufficient credit to run this model."}`,
			"op: the API answered 402 (Insufficient credit): You have insufficient credit to run this model.", nil, 0, false},
		{"not found", 404, nil, `{"detail":"The requested resource could not be found.","status":404}`,
			"op: the API answered 404 (Not Found): The requested resource could not be found.", iofs.ErrNotExist, 0, false},
		{"gone", 410, nil, ``, "op: the API answered 410 (Gone)", iofs.ErrNotExist, 0, false},
		{"bad", 400, nil, `{"detail":"Query parameter \"query\" is required"}`, `op: the API answered 400 (Bad Request): Query parameter "query" is required`, iofs.ErrInvalid, 0, false},
		{"invalid", 422, nil, validation,
			"op: the API answered 422 (Input validation failed): input: prompt is required; input.steps: Must be less than or equal to 4", iofs.ErrInvalid, 0, false},
		{"throttled", 429, nil, `{"detail":"Request was throttled. Your rate limit resets in ~30s."}`,
			"op: the API answered 429 (Too Many Requests): Request was throttled. Your rate limit resets in ~30s.", nil, 30 * time.Second, true},
		{"edge", 502, http.Header{"Content-Type": {"text/html"}}, `<html><h1>Bad gateway</h1></html>`, "op: the API answered 502 (Bad Gateway)", nil, 0, true},
		{"cloudflare", 524, nil, `<!DOCTYPE html>`, "op: the API answered 524", nil, 0, true},
		{"text", 500, nil, "upstream\x1b[31m broke\n", "op: the API answered 500 (Internal Server Error): upstream [31m broke", nil, 0, true},
		{"JSON of another kind", 500, nil, `["x"]`, `op: the API answered 500 (Internal Server Error): ["x"]`, nil, 0, true},
		{"strange fields", 500, nil, `{"detail":{"a":1},"title":5,"invalid_fields":"x","retry_after":"y"}`, `op: the API answered 500 (Internal Server Error): {"a":1}`, nil, 0, true},
		{"not implemented", 501, nil, ``, "op: the API answered 501 (Not Implemented)", nil, 0, false},
		{"endless text", 500, nil, strings.Repeat("x", 5000), "op: the API answered 500 (Internal Server Error): " + strings.Repeat("x", 300) + "…", nil, 0, true},
	} {
		h := tt.header
		if h == nil {
			h = http.Header{}
		}
		e := parseError("op", h, tt.status, []byte(tt.body))
		if got := e.Error(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		for _, target := range []error{iofs.ErrNotExist, iofs.ErrPermission, iofs.ErrInvalid, ErrAmbiguous, ErrUnreachable} {
			if got, want := errors.Is(fmt.Errorf("wrapped: %w", e), target), target == tt.is; got != want {
				t.Errorf("%s: Is(%v) = %v, want %v", tt.name, target, got, want)
			}
		}
		if e.RetryAfter != tt.after || e.Temporary() != tt.temp {
			t.Errorf("%s: RetryAfter %v, Temporary %v, want %v, %v", tt.name, e.RetryAfter, e.Temporary(), tt.after, tt.temp)
		}
	}
	e := parseError("op", http.Header{"Cf-Ray": {"8f-AMS"}}, 422, []byte(validation))
	want := []InvalidField{{"required", "input", "prompt is required"}, {"number_lte", "input.steps", "Must be less than or equal to 4"}}
	if fmt.Sprint(e.Fields) != fmt.Sprint(want) || e.Ray != "8f-AMS" {
		t.Errorf("fields %v, ray %q, want %v, 8f-AMS", e.Fields, e.Ray, want)
	}
}

func TestRetryAfter(t *testing.T) {
	const text = "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per minute with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit resets in ~7s."
	date := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		header http.Header
		field  float64
		detail string
		want   time.Duration
	}{
		{"nothing", nil, 0, "", 0},
		{"header first", http.Header{"Retry-After": {"3"}}, 5, text, 3 * time.Second},
		{"fraction", http.Header{"Retry-After": {"0.5"}}, 0, "", 500 * time.Millisecond},
		{"date by the server's clock", http.Header{"Retry-After": {date.Add(9 * time.Second).Format(http.TimeFormat)}, "Date": {date.Format(http.TimeFormat)}}, 0, "", 9 * time.Second},
		{"date that has passed", http.Header{"Retry-After": {date.Format(http.TimeFormat)}, "Date": {date.Add(time.Hour).Format(http.TimeFormat)}}, 0, "", 0},
		{"strange header, then field", http.Header{"Retry-After": {"soon"}}, 5, text, 5 * time.Second},
		{"field", nil, 7, text, 7 * time.Second},
		{"text", nil, 0, text, 7 * time.Second},
		{"short text", nil, 0, "Your rate limit resets in ~30s.", 30 * time.Second},
		{"old text", nil, 0, "Request was throttled. Expected available in 1 second.", time.Second},
		{"old text, plural", nil, 0, "Expected available in 12 seconds.", 12 * time.Second},
		{"other numbers", nil, 0, "reduced to 6 requests per minute with a burst of 1 requests", 0},
		{"negative", http.Header{"Retry-After": {"-4"}}, -1, "", 0},
		{"absurd", http.Header{"Retry-After": {"1e300"}}, 0, "", 24 * time.Hour},
		{"not a number", http.Header{"Retry-After": {"NaN"}}, 0, "", 0},
	} {
		h := tt.header
		if h == nil {
			h = http.Header{}
		}
		if got := retryAfter(h, tt.field, tt.detail); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func FuzzParseError(f *testing.F) {
	f.Add("application/json", 429, []byte(`{"detail":"resets in ~30s","retry_after":7}`))
	f.Add("text/html", 502, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, typ string, status int, body []byte) {
		e := parseError("op", http.Header{"Content-Type": {typ}}, status, body)
		if s := e.Error(); strings.ContainsAny(s, "\n\x1b\x00") {
			t.Errorf("the message has control characters: %q", s)
		}
		if e.RetryAfter < 0 || e.RetryAfter > 24*time.Hour {
			t.Errorf("RetryAfter %v", e.RetryAfter)
		}
	})
}
