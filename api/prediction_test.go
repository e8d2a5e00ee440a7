package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Replicate has two producers of prediction objects, and one id goes from one
// form to the other between two reads.
func TestParsePredictionGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/prediction-*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("samples: %v, %v", files, err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePrediction(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, ".json") + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		if got := show(p); got != string(want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
		if !bytes.Equal(p.Raw, bytes.TrimSpace(raw)) {
			t.Errorf("%s: Raw is not as received", name)
		}
	}
}

func show(p *Prediction) string {
	var b strings.Builder
	at := func(t time.Time) string { return t.Format(time.RFC3339Nano) }
	fmt.Fprintf(&b, "ID %s\nModel %s\nVersion %s\nStatus %s, done %v\nSource %s\nDeployment %s\n", p.ID, p.Model, p.Version, p.Status, p.Done(), p.Source, p.Deployment)
	fmt.Fprintf(&b, "Input %s\nOutput %s\nMetrics %s\nLogs %v %q\nError %v %q\n", p.Input, p.Output, p.Metrics, p.HasLogs, p.Logs, p.HasError, p.Error)
	fmt.Fprintf(&b, "Created %s\nStarted %s\nCompleted %s\nDeadline %s\nDataRemoved %v\n", at(p.Created), at(p.Started), at(p.Completed), at(p.Deadline), p.DataRemoved)
	fmt.Fprintf(&b, "Get %s\nCancel %s\nStream %s\nWeb %s\n", p.URLs.Get, p.URLs.Cancel, p.URLs.Stream, p.URLs.Web)
	return b.String()
}

func TestParsePredictionTolerates(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		check    func(p *Prediction) bool
	}{
		{"only an id", `{"id":"a"}`, func(p *Prediction) bool {
			return p.ID == "a" && !p.Done() && p.Input == nil && p.Output == nil && !p.HasLogs && !p.HasError && p.Created.IsZero()
		}},
		{"nulls", `{"id":"a","model":null,"version":null,"input":null,"output":null,"logs":null,"error":null,"metrics":null,"urls":null,"created_at":null,"data_removed":null,"status":null}`, func(p *Prediction) bool {
			return p.Input == nil && p.Output == nil && p.Metrics == nil && !p.HasLogs && !p.HasError && p.URLs == URLs{}
		}},
		{"wrong types", `{"id":"a","model":1,"version":[],"status":"succeeded","logs":{},"source":7,"metrics":"x","urls":"y","created_at":3,"started_at":"soon","data_removed":"no","deployment":[]}`, func(p *Prediction) bool {
			return p.Done() && p.Model == "" && !p.HasLogs && p.Created.IsZero() && p.Started.IsZero() && !p.DataRemoved && p.URLs == URLs{}
		}},
		{"one wrong url", `{"id":"a","urls":{"get":"g","stream":5,"web":"w"}}`, func(p *Prediction) bool { return p.URLs == URLs{Get: "g", Web: "w"} }},
		{"error object", `{"id":"a","status":"failed","error":{"detail":"E1001"}}`, func(p *Prediction) bool { return p.HasError && p.Error == `{"detail":"E1001"}` }},
		{"error text", `{"id":"a","status":"failed","error":"out of memory"}`, func(p *Prediction) bool { return p.HasError && p.Error == "out of memory" }},
		{"big numbers", `{"id":"a","input":{"seed":12345678901234567890},"output":[1e400,3.0]}`, func(p *Prediction) bool {
			return string(p.Input) == `{"seed":12345678901234567890}` && string(p.Output) == `[1e400,3.0]`
		}},
		{"false output", `{"id":"a","output":false}`, func(p *Prediction) bool { return string(p.Output) == "false" }},
		{"empty text output", `{"id":"a","output":""}`, func(p *Prediction) bool { return string(p.Output) == `""` }},
		{"removed", `{"id":"a","status":"succeeded","data_removed":true,"output":null,"input":{}}`, func(p *Prediction) bool { return p.DataRemoved && p.Output == nil }},
		{"aborted", `{"id":"a","status":"aborted"}`, func(p *Prediction) bool { return p.Done() }},
		{"a new status", `{"id":"a","status":"queued"}`, func(p *Prediction) bool { return !p.Done() && p.Status == "queued" }},
		{"processing with output", `{"id":"a","status":"processing","output":["x"]}`, func(p *Prediction) bool { return !p.Done() }},
		{"offset time", `{"id":"a","created_at":"2026-01-02T03:04:05.6+02:00"}`, func(p *Prediction) bool { return p.Created.Format(time.RFC3339Nano) == "2026-01-02T01:04:05.6Z" }},
		{"no zone", `{"id":"a","created_at":"2026-01-02T03:04:05.678"}`, func(p *Prediction) bool {
			return p.Created.Equal(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC))
		}},
		{"year 9999", `{"id":"a","created_at":"9999-01-02T03:04:05Z"}`, func(p *Prediction) bool { return p.Created.IsZero() }},
		{"unknown fields", `{"id":"a","future":{"x":[1,2,{}]}}`, func(p *Prediction) bool { return strings.Contains(string(p.Raw), "future") }},
		{"space around", " \n{\"id\":\"a\"}\n", func(p *Prediction) bool { return string(p.Raw) == `{"id":"a"}` }},
	} {
		p, err := ParsePrediction([]byte(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if !tt.check(p) {
			t.Errorf("%s: got %+v", tt.name, p)
		}
	}
}

func TestParsePredictionRefuses(t *testing.T) {
	for _, in := range []string{
		``, `null`, `[]`, `"x"`, `{`, `{}`, `{"id":""}`, `{"id":null}`, `{"id":7}`, `{"id":".."}`, `{"id":"a/b"}`, `{"id":"a\u0000"}`,
		`{"id":"` + strings.Repeat("a", 129) + `"}`, `{"id":"a"}{"id":"b"}`, `{"id":"a"} x`, `<html>`, `{"id":"a","input":` + strings.Repeat("[", 20000),
	} {
		if p, err := ParsePrediction([]byte(in)); err == nil {
			t.Errorf("ParsePrediction(%.60q) = %+v, want an error", in, p)
		}
	}
	if _, err := ParsePrediction(make([]byte, MaxObject+1)); err == nil {
		t.Error("an endless object was accepted")
	}
}

// The parsed prediction must not change with a buffer that is used again.
func TestParsePredictionCopies(t *testing.T) {
	raw := []byte(`{"id":"abc","input":{"p":"x"},"output":["y"],"status":"succeeded"}`)
	p, err := ParsePrediction(raw)
	if err != nil {
		t.Fatal(err)
	}
	before := show(p) + string(p.Raw)
	for i := range raw {
		raw[i] = '!'
	}
	if after := show(p) + string(p.Raw); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
}

func FuzzParsePrediction(f *testing.F) {
	files, _ := filepath.Glob("testdata/prediction-*.json")
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"id":"a","urls":[],"error":{"x":1},"created_at":"0000-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := ParsePrediction(raw)
		if err != nil {
			return
		}
		if !json.Valid(p.Raw) || !validID(p.ID) {
			t.Errorf("accepted %q", raw)
		}
		for _, m := range []json.RawMessage{p.Input, p.Output, p.Metrics} {
			if m != nil && (!json.Valid(m) || string(m) == "null") {
				t.Errorf("member %q of %q", m, raw)
			}
		}
		q, err := ParsePrediction(p.Raw)
		if err != nil || show(p) != show(q) {
			t.Errorf("parsed again: %v, %+v, want %+v", err, q, p)
		}
	})
}

func TestPredictionCalls(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+string(testToken) {
			t.Errorf("Authorization %q", got)
		}
		if got := r.Header.Get("User-Agent"); got != "replicatefs/1" {
			t.Errorf("User-Agent %q", got)
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /base/v1/predictions/abc":
			answer(w, 200, `{"id":"abc","status":"processing"}`)
		case "POST /base/v1/predictions/abc/cancel":
			answer(w, 200, `{"id":"abc","status":"canceled"}`)
		case "GET /base/v1/trainings/tr":
			answer(w, 200, `{"id":"tr","output":{"version":"a/b:c","weights":"https://replicate.delivery/w.tar"}}`)
		case "POST /base/v1/trainings/tr/cancel":
			answer(w, 200, `{"id":"tr","status":"canceled"}`)
		default:
			answer(w, 404, `{"detail":"The requested resource could not be found.","status":404}`)
		}
	})
	c := n.client(Options{UserAgent: "replicatefs/1"})
	ctx := t.Context()
	if p, err := c.Prediction(ctx, "abc"); err != nil || p.Status != Processing {
		t.Errorf("Prediction: %+v, %v", p, err)
	}
	if p, err := c.Cancel(ctx, "abc"); err != nil || p.Status != Canceled {
		t.Errorf("Cancel: %+v, %v", p, err)
	}
	if p, err := c.Training(ctx, "tr"); err != nil || p.ID != "tr" {
		t.Errorf("Training: %+v, %v", p, err)
	}
	if p, err := c.CancelTraining(ctx, "tr"); err != nil || p.Status != Canceled {
		t.Errorf("CancelTraining: %+v, %v", p, err)
	}
	_, err := c.Prediction(ctx, "nope")
	if want := "read prediction: the API answered 404 (Not Found): The requested resource could not be found."; err == nil || err.Error() != want || !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("got %v, want %s", err, want)
	}
	before := len(n.requests())
	for _, id := range []string{"", ".", "..", "a/b", "a?b", "a%2fb", "a b", "é", strings.Repeat("x", 200)} {
		if _, err := c.Prediction(ctx, id); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("Prediction(%q): %v, want not-exist", id, err)
		}
	}
	if after := len(n.requests()); after != before {
		t.Errorf("%d requests for ids that cannot be", after-before)
	}
}

func BenchmarkParsePrediction(b *testing.B) {
	raw, err := os.ReadFile("testdata/prediction-finished.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePrediction(raw); err != nil {
			b.Fatal(err)
		}
	}
}
