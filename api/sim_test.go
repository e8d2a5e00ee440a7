package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	iofs "io/fs"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
)

// world is a simulated Replicate with a client of each kind. A token that reaches
// a delivery or stream host fails the test.
type world struct {
	*sim.Sim
	client  *api.Client
	content *api.Content
	log     bytes.Buffer
}

func newWorld(t *testing.T, o sim.Options) *world {
	t.Helper()
	w := &world{Sim: sim.New(o)}
	tr := &http.Transport{DialContext: w.Dial, DialTLSContext: w.DialTLS, MaxIdleConnsPerHost: 32}
	log := slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if w.client, err = api.New(api.Options{Token: sim.DemoToken, Transport: tr, Log: log}); err != nil {
		t.Fatal(err)
	}
	if w.content, err = api.NewContent(api.ContentOptions{Transport: tr, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.content.Close()
		w.client.Close()
		tr.CloseIdleConnections()
		w.Close()
		for _, l := range w.Leaks() {
			t.Errorf("the token leaked: %v", l)
		}
		if strings.Contains(w.log.String(), sim.DemoToken) {
			t.Error("the token is in the log")
		}
	})
	return w
}

func collect[T any](t *testing.T, seq func(func(T, error) bool)) (list []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

const flux = "black-forest-labs/flux-schnell"

// A picture, from the prompt to its bytes.
func TestSimRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{})
		ctx := t.Context()
		p, err := w.client.Create(ctx, api.Target{Model: flux}, json.RawMessage(`{"prompt":"a lighthouse","num_outputs":2,"output_format":"png"}`), api.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if p.Done() || p.URLs.Stream == "" {
			t.Errorf("created %+v, want it unfinished and with a stream", p)
		}
		var states []string
		p, err = w.client.Wait(ctx, p, func(p *api.Prediction) { states = append(states, p.Status) })
		if err != nil || p.Status != api.Succeeded {
			t.Fatalf("Wait: %+v, %v", p, err)
		}
		if late := time.Since(p.Completed); late > 20*time.Millisecond {
			t.Errorf("Wait returned %v after the end, want at most 20ms", late)
		}
		t.Logf("returned %v after the end, states %v", time.Since(p.Completed), states)
		var urls []string
		if err := json.Unmarshal(p.Output, &urls); err != nil || len(urls) != 2 {
			t.Fatalf("output %s, %v", p.Output, err)
		}
		for _, u := range urls {
			if !w.content.Allowed(u) {
				t.Fatalf("%s is not allowed", u)
			}
			info, err := w.content.Stat(ctx, u)
			if err != nil || info.Size <= 0 || info.Type != "image/png" || info.ETag == "" {
				t.Errorf("Stat: %+v, %v", info, err)
			}
			whole := read(t, w.content, u, info, 0, info.Size)
			if !bytes.HasPrefix(whole, []byte("\x89PNG")) {
				t.Errorf("no PNG: %.20q", whole)
			}
			if part := read(t, w.content, u, info, 100, 1000); !bytes.Equal(part, whole[100:1100]) {
				t.Error("a range differs from the whole")
			}
			body, _, err := w.content.Get(ctx, u)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, whole) {
				t.Errorf("Get: %d bytes, %v", len(got), err)
			}
			body.Close()
		}
		got, err := w.client.Prediction(ctx, p.ID)
		if err != nil || got.Status != api.Succeeded || !got.HasLogs {
			t.Errorf("Prediction: %+v, %v", got, err)
		}
		if n := w.Creates(); n != 1 {
			t.Errorf("%v creates, want 1", n)
		}
	})
}

func read(t *testing.T, c *api.Content, u string, info api.ContentInfo, off, n int64) []byte {
	t.Helper()
	r, err := c.Range(t.Context(), u, info, off, n)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != n {
		t.Fatalf("%d of %d bytes, %v", len(b), n, err)
	}
	return b
}

func TestSimPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Past: 350, Speed: sim.Instant})
		list := collect(t, w.client.Predictions(t.Context(), api.Filter{}))
		if len(list) != 350 {
			t.Fatalf("%d predictions, want 350", len(list))
		}
		seen := map[string]bool{}
		for i, p := range list {
			if seen[p.ID] || !p.Done() || p.Created.IsZero() || i > 0 && p.Created.After(list[i-1].Created) {
				t.Errorf("entry %d: %s %s %v, out of order, twice or unfinished", i, p.ID, p.Status, p.Created)
			}
			seen[p.ID] = true
		}
		if got := w.Count("GET", "/v1/predictions"); got != 4 {
			t.Errorf("%d pages, want 4", got)
		}
		after := list[120].Created
		got := collect(t, w.client.Predictions(t.Context(), api.Filter{CreatedAfter: after}))
		if len(got) != 121 {
			t.Errorf("%d predictions since the 121st, want 121", len(got))
		}
		got = collect(t, w.client.Predictions(t.Context(), api.Filter{CreatedBefore: after}))
		if len(got) != 350-121 {
			t.Errorf("%d predictions before the 121st, want %d", len(got), 350-121)
		}
	})
}

// The answer of a create is lost: no second one, and the run can be found.
func TestSimCreateLost(t *testing.T) {
	for name, fault := range map[string]sim.Fault{
		"reset": {Method: "POST", Path: "*/predictions", Reset: true, Late: true, Times: 1},
		"502":   {Method: "POST", Path: "*/predictions", Status: 502, Body: "<html>", Late: true, Times: 1},
		"cut":   {Method: "POST", Path: "*/predictions", CutAfter: 20, Late: true, Times: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{Speed: sim.Instant})
			fired := w.Inject(fault)
			_, err := w.client.Create(t.Context(), api.Target{Model: flux}, json.RawMessage(`{"prompt":"once"}`), api.CreateOptions{})
			if !errors.Is(err, api.ErrAmbiguous) || fired.Fired() != 1 {
				t.Errorf("%s: %v, want ambiguous", name, err)
			}
			if got := len(collect(t, w.client.Predictions(t.Context(), api.Filter{}))); got != 1 {
				t.Errorf("%s: %d predictions, want 1", name, got)
			}
		})
	}
}

func TestSimCreateRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Speed: sim.Instant})
		create := func(m, input string) error {
			_, err := w.client.Create(t.Context(), api.Target{Model: m}, json.RawMessage(input), api.CreateOptions{})
			return err
		}
		err := create(flux, `{"num_outputs":99}`)
		var e *api.Error
		if !errors.Is(err, iofs.ErrInvalid) || !errors.As(err, &e) || len(e.Fields) != 2 {
			t.Errorf("bad input: %v", err)
		}
		t.Log(err)
		if err := create("acme/nobody", `{}`); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("unknown model: %v", err)
		}
		if err := create("acme/captioner", `{"image":"https://replicate.delivery/x.png"}`); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("a community model by name: %v", err)
		}
		w.SetCredit(false)
		if err := create(flux, `{"prompt":"x"}`); !errors.As(err, &e) || e.Status != http.StatusPaymentRequired {
			t.Errorf("no credit: %v", err)
		}
		w.SetCredit(true)
		// Granted credit: one create in ten seconds.
		w.SetLimits(sim.Limits{Create: 6, Burst: 1, LowCredit: true})
		start := time.Now()
		for range 3 {
			if err := create(flux, `{"prompt":"x"}`); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took < 15*time.Second || took > 40*time.Second {
			t.Errorf("three throttled creates took %v, want some 20s", took)
		}
	})
}

// picture is a small one, as a data: URI.
func picture(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestSimCommunityAndText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{})
		ctx := t.Context()
		m, err := w.client.Model(ctx, "acme", "captioner")
		if err != nil || m.LatestVersion == nil || m.Official || len(m.LatestVersion.Schema) == 0 {
			t.Fatalf("model %+v, %v", m, err)
		}
		v, err := w.client.Version(ctx, "acme", "captioner", m.LatestVersion.ID)
		if err != nil || v.ID != m.LatestVersion.ID {
			t.Errorf("version %+v, %v", v, err)
		}
		if vs := collect(t, w.client.Versions(ctx, "acme", "captioner")); len(vs) == 0 || vs[0].ID != v.ID {
			t.Errorf("versions %v", vs)
		}
		p, err := w.client.Create(ctx, api.Target{Version: v.ID}, json.RawMessage(`{"image":"`+picture(t)+`"}`), api.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if p, err = w.client.Wait(ctx, p, nil); err != nil || p.Status != api.Succeeded {
			t.Errorf("captioner: %+v, %v", p, err)
		}
		// Text comes in events, and as a list in the end.
		p, err = w.client.Create(ctx, api.Target{Model: "meta/meta-llama-3-8b-instruct"}, json.RawMessage(`{"prompt":"tell me"}`), api.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		var last api.Event
		for ev, err := range w.client.Stream(ctx, p.URLs.Stream, "") {
			if err != nil {
				t.Fatal(err)
			}
			if last = ev; ev.Type == "output" {
				text.WriteString(ev.Data)
			}
		}
		if p, err = w.client.Wait(ctx, p, nil); err != nil {
			t.Fatal(err)
		}
		var tokens []string
		if err := json.Unmarshal(p.Output, &tokens); err != nil || strings.Join(tokens, "") != text.String() || last.Type != "done" {
			t.Errorf("streamed %q, the output is %q, the last event %v", text.String(), tokens, last)
		}
		for range w.client.Stream(ctx, p.URLs.Stream, "") { // long over: ends, one way or the other
		}
	})
}

// A wrong token is refused, on sockets as in memory.
func TestSimOverLoopback(t *testing.T) {
	s := sim.New(sim.Options{Speed: sim.Instant})
	t.Cleanup(func() { s.Close() })
	v, err := s.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	c, err := api.New(api.Options{BaseURL: v.BaseURL(), Token: "r8_wrong"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.Account(t.Context()); !errors.Is(err, iofs.ErrPermission) {
		t.Errorf("a wrong token: %v", err)
	}
	if c, err = api.New(api.Options{BaseURL: v.BaseURL(), Token: sim.DemoToken}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	content, err := api.NewContent(api.ContentOptions{Hosts: []string{v.OutputHost()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(content.Close)
	p, err := c.Create(t.Context(), api.Target{Model: flux}, json.RawMessage(`{"prompt":"a boat"}`), api.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = c.Wait(t.Context(), p, nil); err != nil || p.Status != api.Succeeded {
		t.Fatalf("Wait: %+v, %v", p, err)
	}
	var urls []string
	if err := json.Unmarshal(p.Output, &urls); err != nil || len(urls) == 0 {
		t.Fatalf("output %s", p.Output)
	}
	info, err := content.Stat(t.Context(), urls[0])
	if err != nil {
		t.Fatal(err)
	}
	read(t, content, urls[0], info, 0, info.Size)
	if l := s.Leaks(); len(l) > 0 {
		t.Errorf("the token leaked: %v", l)
	}
}
