package api_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
)

func TestSimWaitOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{})
		for _, status := range []string{api.Succeeded, api.Failed, api.Canceled, api.Aborted} {
			id := w.Add(sim.Prediction{Model: "acme/puppet", Status: api.Starting, Input: json.RawMessage(`{}`)})
			p, err := w.client.Prediction(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(30*time.Second, func() { w.Set(id, func(p *sim.Prediction) { p.Status = sim.Status(status) }) })
			start := time.Now()
			p, err = w.client.Wait(t.Context(), p, nil)
			if late := time.Since(start) - 30*time.Second; err != nil || p.Status != status || late < 0 || late > 3*time.Second {
				t.Errorf("%s: %+v, %v, late by %v", status, p, err, late)
			}
		}
		// Cancelled by us; a community model's run.
		m, err := w.client.Model(t.Context(), "acme", "slow")
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.client.Create(t.Context(), api.Target{Version: m.LatestVersion.ID}, json.RawMessage(`{"prompt":"x","seconds":600}`), api.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.client.Cancel(t.Context(), p.ID); err != nil {
			t.Error(err)
		}
		if p, err = w.client.Wait(t.Context(), p, nil); err != nil || p.Status != api.Canceled {
			t.Errorf("cancelled: %+v, %v", p, err)
		}
		// And by the deadline.
		p, err = w.client.Create(t.Context(), api.Target{Version: m.LatestVersion.ID}, json.RawMessage(`{"prompt":"x","seconds":600}`), api.CreateOptions{CancelAfter: 10 * time.Second})
		if err != nil || p.Deadline.IsZero() {
			t.Fatalf("created %+v, %v, want a deadline", p, err)
		}
		if p, err = w.client.Wait(t.Context(), p, nil); err != nil || !p.Done() || p.Status == api.Succeeded {
			t.Errorf("past its deadline: %+v, %v", p, err)
		}
		// Held by the request.
		p, err = w.client.Create(t.Context(), api.Target{Version: m.LatestVersion.ID}, json.RawMessage(`{"prompt":"x","seconds":20}`), api.CreateOptions{PreferWait: 60 * time.Second})
		if err != nil || p.Status != api.Succeeded {
			t.Errorf("with Prefer: wait: %+v, %v", p, err)
		}
	})
}

// The stream breaks, the API restarts, reads fail: Wait still ends in time.
func TestSimWaitThroughFaults(t *testing.T) {
	for name, faults := range map[string][]sim.Fault{
		"bare done":     {{Host: sim.Stream, BareDone: true}},
		"stream cut":    {{Host: sim.Stream, CutAfter: 300}},
		"stream stalls": {{Host: sim.Stream, StallAfter: 200}},
		"stream 500":    {{Host: sim.Stream, Status: 500}},
		"stream gone":   {{Host: sim.Stream, Status: 404}},
		"reads fail":    {{Host: sim.API, Method: "GET", Path: "/v1/predictions/*", Status: 503, Times: 3}, {Host: sim.API, Method: "GET", Path: "/v1/predictions/*", Reset: true, Times: 2}},
		"throttled":     {sim.Throttle(time.Second, sim.InText)},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			p, err := w.client.Create(t.Context(), api.Target{Model: flux}, json.RawMessage(`{"prompt":"a lighthouse"}`), api.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range faults {
				if f.Times == 0 && f.Host == sim.Stream {
					f.Times = -1 // for ever
				}
				w.Inject(f)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if p, err = w.client.Wait(ctx, p, nil); err != nil || p.Status != api.Succeeded {
				t.Errorf("%s: %+v, %v", name, p, err)
				return
			}
			t.Logf("%s: %v after the end", name, time.Since(p.Completed))
		})
	}
}
