package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
)

// Whatever the delivery host does, the bytes are right or there is an error.
func TestSimContentFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		fault sim.Fault
		want  error // nil means the bytes
	}{
		"none":         {sim.Fault{Delay: time.Second}, nil},
		"no HEAD":      {sim.Fault{NoHEAD: true}, nil},
		"no length":    {sim.Fault{NoLength: true, Method: "HEAD"}, nil},
		"no range":     {sim.Fault{NoRange: true, Method: "GET"}, nil},
		"wrong range":  {sim.Fault{WrongRange: true, Method: "GET"}, errAny},
		"cut":          {sim.Fault{CutAfter: 1000, Method: "GET"}, io.ErrUnexpectedEOF},
		"stall":        {sim.Fault{StallAfter: 1000, Method: "GET"}, errAny},
		"other ETag":   {sim.Fault{ChangeETag: true, Method: "GET"}, api.ErrChanged},
		"encoded":      {sim.Fault{Gzip: true, NoRange: true, Method: "GET"}, errAny},
		"reset":        {sim.Fault{Reset: true, Method: "GET"}, errAny},
		"redirect":     {sim.Fault{Redirect: "https://evil.example/x", Method: "GET"}, api.ErrForbidden},
		"gone":         {sim.Fault{Status: 404}, api.ErrGone},
		"throttled":    {sim.Fault{Status: 429, Times: 2}, nil},
		"short outage": {sim.Fault{Status: 503, Times: 2}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{})
			data := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
			id := w.Add(sim.Prediction{Model: flux, Status: api.Succeeded, Output: sim.NewFile("out-0.bin", data)})
			p, err := w.client.Prediction(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			var u string
			if err := json.Unmarshal(p.Output, &u); err != nil {
				t.Fatal(err)
			}
			tt.fault.Host = sim.Delivery
			if tt.fault.Times == 0 {
				tt.fault.Times = -1 // for ever
			}
			w.Inject(tt.fault)
			var got []byte
			info, err := w.content.Stat(t.Context(), u)
			if err == nil {
				var r io.ReadCloser
				if r, err = w.content.Range(t.Context(), u, info, 5000, 100_000); err == nil {
					got, err = io.ReadAll(r)
					r.Close()
				}
			}
			switch {
			case tt.want == nil:
				if err != nil || !bytes.Equal(got, data[5000:105_000]) {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
			case err == nil || tt.want != errAny && !errors.Is(err, tt.want):
				t.Errorf("%s: %d bytes, %v, want %v", name, len(got), err, tt.want)
			case !bytes.HasPrefix(data[5000:], got):
				t.Errorf("%s: wrong bytes before %v", name, err)
			}
			time.Sleep(time.Second)
		})
	}
}

var errAny = errors.New("any error")

func TestSimAfterTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Speed: sim.Instant})
		p, err := w.client.Create(t.Context(), api.Target{Model: flux}, json.RawMessage(`{"prompt":"x"}`), api.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if p, err = w.client.Wait(t.Context(), p, nil); err != nil {
			t.Fatal(err)
		}
		var urls []string
		if err := json.Unmarshal(p.Output, &urls); err != nil {
			t.Fatal(err)
		}
		w.Advance(2 * time.Hour)
		if p, err = w.client.Prediction(t.Context(), p.ID); err != nil || !p.DataRemoved || p.Output != nil || !p.Done() {
			t.Errorf("after the hour: %+v, %v", p, err)
		}
		if _, err := w.content.Stat(t.Context(), urls[0]); !errors.Is(err, api.ErrGone) {
			t.Errorf("its output: %v, want gone", err)
		}
	})
}
