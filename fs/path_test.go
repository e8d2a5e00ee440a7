package fs

import (
	"context"
	"errors"
	iofs "io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
)

// Whatever leads to a run is waited for: folders, files in them, links, and
// the places where models are run, of which it is the newest run.
func TestWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		w.Start()
		id := w.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Processing, CreatedAt: time.Now()})
		training := w.sim.Add(sim.Prediction{Training: true, Model: "acme/trainer", Status: sim.Processing, CreatedAt: time.Now()})
		if err := w.save(slow+"/input.json", `{"seconds": 90}`); err != nil {
			t.Fatal(err)
		}
		w.names("predictions/" + id) // so that the mount knows of it
		start := time.Now()
		time.AfterFunc(time.Minute, func() {
			w.sim.Set(id, func(p *sim.Prediction) { p.Status, p.Error = sim.Failed, "no luck" })
			w.sim.Set(training, func(p *sim.Prediction) { p.Status = sim.Succeeded })
		})
		for _, tt := range []struct {
			path, status string
			after        time.Duration
		}{
			{"predictions/" + id, "failed", time.Minute},
			{"/predictions/" + id + "/", "failed", 0},
			{"predictions/" + id + "/status", "failed", 0},
			{"models/acme/puppet", "failed", 0},
			{"models/acme/puppet/latest/logs.txt", "failed", 0},
			{"models/acme/puppet/prompt.txt", "failed", 0},
			{"by-status/failed/" + id, "failed", 0},
			{"trainings/" + training, "succeeded", 0},
			{slow, "succeeded", 30 * time.Second},
		} {
			before := time.Now()
			run, err := w.WaitFor(t.Context(), tt.path)
			if err != nil || run.Status != tt.status {
				t.Errorf("%s: %+v, %v, want %s", tt.path, run, err, tt.status)
			}
			// What has ended is known within a poll.
			if took := time.Since(before); took < tt.after || took > tt.after+15*time.Second {
				t.Errorf("%s: it took %v, want %v (%v after the start)", tt.path, took, tt.after, time.Since(start))
			}
			if tt.status == "failed" && run.Error != "no luck" {
				t.Errorf("%s: the error is %q", tt.path, run.Error)
			}
		}
		for path, want := range map[string]error{
			"":                     ErrNoRun,
			"README.md":            ErrNoRun,
			"models":               ErrNoRun,
			"models/acme/blob":     ErrNoRun,
			"predictions":          ErrNoRun,
			"predictions/nothing":  iofs.ErrNotExist,
			"models/acme/no-model": iofs.ErrNotExist,
		} {
			if run, err := w.WaitFor(t.Context(), path); !errors.Is(err, want) {
				t.Errorf("%q: %+v, %v, want %v", path, run, err, want)
			}
		}
		// Who stops waiting stops nothing.
		if err := w.save(slow+"/input.json", `{"seconds": 90}`); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.WaitFor(ctx, slow); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait of a second ends with %v", err)
		}
		if run, err := w.WaitFor(t.Context(), slow); err != nil || run.Status != "succeeded" {
			t.Errorf("the next wait ends with %+v, %v", run, err)
		}
	})
}

// A save that was refused has no run, and says why.
func TestWaitForRefused(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	if err := w.save(painter+"/input.json", `{"prompt": `); err == nil {
		t.Fatal("it was not refused")
	}
	if _, err := w.WaitFor(t.Context(), painter); !errors.Is(err, ErrNoRun) || !strings.Contains(err.Error(), "not valid JSON") {
		t.Errorf("the wait ends with %v", err)
	}
}

// URLs are those of outputs, also of what is not listed any more.
func TestURLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		picture := sim.NewBlob("out.png", 1000)
		id := w.sim.Add(sim.Prediction{
			Model: "acme/blob", Status: sim.Succeeded, Source: "api", CreatedAt: time.Now(), CompletedAt: time.Now(),
			Input: []byte(`{"image": "https://replicate.delivery/xezq/none/in.png"}`), Output: []any{picture, picture},
		})
		w.Start()
		synctest.Wait()
		urls := func(path string) []URL {
			t.Helper()
			got, err := w.URLs(t.Context(), path)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			return got
		}
		dir := "predictions/" + id
		all := urls(dir)
		if len(all) != 2 || all[1].Path != dir+"/output-1.png" || all[1].Expired || !strings.HasPrefix(all[1].URL, "https://replicate.delivery/") {
			t.Errorf("the URLs are %+v", all)
		}
		if got := urls("by-status/succeeded"); len(got) != 2 {
			t.Errorf("those of a folder of it are %+v", got)
		}
		if got := urls(dir + "/output-0.png"); len(got) != 1 || got[0] != all[0] {
			t.Errorf("that of a file is %+v, want %+v", got, all[0])
		}
		for _, path := range []string{"", "README.md", dir + "/status", dir + "/output-2.png", "predictions/nothing"} {
			if got, err := w.URLs(t.Context(), path); err == nil && path != "" {
				t.Errorf("%s: %+v, want an error", path, got)
			}
		}
		time.Sleep(2 * time.Hour)
		for _, path := range []string{dir, dir + "/output-0.png"} {
			if got := urls(path); len(got) == 0 || !got[0].Expired {
				t.Errorf("after the hour that of %s is %+v, want it expired", path, got)
			}
		}
	})
}

func TestFailure(t *testing.T) {
	for _, test := range []struct {
		run  Run
		want string
	}{
		{Run{"x", api.Succeeded, ""}, ""},
		{Run{"x", api.Failed, "no GPU"}, "The run x ended as failed: no GPU"},
		{Run{"x", api.Canceled, ""}, "The run x ended as canceled: its logs.txt may tell more."},
	} {
		if got := test.run.Failure(); got != test.want {
			t.Errorf("%+v: %q, want %q", test.run, got, test.want)
		}
	}
}
