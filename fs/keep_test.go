package fs

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/cache/catalog"
)

// keptOf tells how many of a prediction's files on a delivery host are kept,
// and how many it has.
func (w *world) keptOf(id string) (kept, all int) {
	w.t.Helper()
	known, err := w.folder(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	facts, err := w.catalog.Outputs(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, it := range known.all {
		if it.kind == remote {
			all++
			if fact, ok := facts[it.name]; ok && w.cache.Kept(key(id, it.name, fact)) {
				kept++
			}
		}
	}
	return kept, all
}

// wantKept checks it.
func (w *world) wantKept(id string, want bool) {
	w.t.Helper()
	kept, all := w.keptOf(id)
	if all == 0 || want && kept != all || !want && kept != 0 {
		w.t.Errorf("%d of %d files of %s are kept, want all: %v; %+v", kept, all, id, want, w.Stats().Keep)
	}
}

// What is kept by which mode, with its input, outlives the hour.
func TestKeep(t *testing.T) {
	for _, mode := range []Keeping{KeepMine, KeepAll, KeepNone, ""} {
		synctest.Test(t, func(t *testing.T) {
			s := sim.New(sim.Options{})
			w := mountWorld(t, s, t.TempDir(), Options{Wait: time.Minute, Keep: mode})
			t.Cleanup(func() { s.Close() })
			elsewhere := s.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Source: "api",
				Output: []any{sim.NewBlob("a.bin", 1<<20), sim.NewBlob("b.bin", 10)}})
			old := s.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Source: "web",
				Output: sim.NewBlob("old.bin", 10), CreatedAt: time.Now().Add(-3 * time.Hour)})
			w.Start()
			if err := w.save(painter+"/input.json", `{"prompt":"a lion","num_outputs":3}`); err != nil {
				t.Fatal(err)
			}
			mine := w.latest(painter)
			picture, err := w.api.Prediction(t.Context(), mine)
			if err != nil {
				t.Fatal(err)
			}
			var urls []string
			for _, m := range members(picture.Output) {
				urls = append(urls, m.text)
			}
			if err := w.save("models/acme/upscaler/input.json", `{"image":"`+urls[0]+`"}`); err != nil {
				t.Fatal(err)
			}
			upscaled := w.latest("models/acme/upscaler")
			time.Sleep(time.Minute)
			synctest.Wait()
			w.wantKept(mine, mode == KeepMine || mode == KeepAll)
			w.wantKept(upscaled, mode == KeepMine || mode == KeepAll)
			w.wantKept(elsewhere, mode == KeepAll)
			w.wantKept(old, false)
			if _, all := w.keptOf(upscaled); all != 2 {
				t.Errorf("an upscaled picture has %d files, want its input and its output", all)
			}
			before := w.names("predictions/" + mine)
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			if after := w.names("predictions/" + mine); (after == before) != (mode == KeepMine || mode == KeepAll) {
				t.Errorf("keeping %q, after the hour: %s", mode, after)
			}
			st := w.Stats().Keep
			if st.Pending != 0 || len(st.Missed) != 0 || st.Stopped != "" {
				t.Errorf("at the end: %+v", st)
			}
			w.wantKept(old, false)
		})
	}
}

// A network that is away for long, bytes that are wrong, a clock that is
// hours ahead: what can be had before the deadline is kept, and is right.
func TestKeepThroughFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault sim.Fault
		lasts time.Duration
		ahead time.Duration
	}{
		"no content for 50 minutes": {fault: sim.Fault{Host: sim.Delivery, Reset: true, Times: -1}, lasts: 50 * time.Minute},
		"nothing for 50 minutes":    {fault: sim.Fault{Reset: true, Times: -1}, lasts: 50 * time.Minute},
		"errors for 10 minutes":     {fault: sim.Fault{Host: sim.Delivery, Status: 503, Times: -1}, lasts: 10 * time.Minute},
		"wrong bytes":               {fault: sim.Fault{Host: sim.Delivery, Method: "GET", Corrupt: true, Times: 7}},
		"short answers":             {fault: sim.Fault{Host: sim.Delivery, Method: "GET", CutAfter: 1000, Times: 9}},
		"a clock that is ahead":     {ahead: 5 * time.Hour, fault: sim.Fault{Host: sim.Delivery, Reset: true, Times: 3}},
		"a clock that is behind":    {ahead: -5 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Options{}, Options{Wait: time.Minute, Keep: KeepMine, Now: func() time.Time { return time.Now().Add(test.ahead) }})
				w.Start()
				synctest.Wait()
				var broken *sim.Injection
				if test.fault.Host == sim.Delivery || test.lasts == 0 {
					broken = w.sim.Inject(test.fault)
				}
				if err := w.save(painter+"/input.json", `{"prompt":"a lion","num_outputs":2}`); err != nil {
					t.Fatal(err)
				}
				if broken == nil {
					broken = w.sim.Inject(test.fault)
				}
				id := w.latest(painter)
				if test.lasts > 0 {
					time.Sleep(test.lasts)
					broken.Stop()
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				w.wantKept(id, true)
				if missed := w.Stats().Keep.Missed; len(missed) > 0 {
					t.Errorf("missed: %+v", missed)
				}
			})
		})
	}
}

// The clock of this machine is set while a run is under way and while what it
// made is being kept: the run ends, is kept, and later saves run once each.
func TestClockJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"a day ahead": 24 * time.Hour, "two hours ahead": 2 * time.Hour, "a minute back": -time.Minute, "two hours back": -2 * time.Hour, "a year back": -365 * 24 * time.Hour,
	} {
		for _, when := range []string{"under way", "being kept"} {
			t.Run(name+", "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var offset atomic.Int64
					w := newWorld(t, sim.Options{}, Options{Wait: time.Minute, Keep: KeepMine, Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }})
					w.Start()
					synctest.Wait()
					var broken *sim.Injection
					if when == "being kept" {
						broken = w.sim.Inject(sim.Fault{Host: sim.Delivery, Reset: true, Times: -1})
					}
					saved := make(chan error)
					go func() { saved <- w.save(painter+"/prompt.txt", "a lion") }()
					time.Sleep(time.Second)
					if when == "under way" {
						offset.Store(int64(jump))
					}
					if err := <-saved; err != nil {
						t.Fatal(err)
					}
					id := w.latest(painter)
					if broken != nil {
						time.Sleep(10 * time.Second)
						offset.Store(int64(jump))
						time.Sleep(10 * time.Second)
						broken.Stop()
					}
					time.Sleep(5 * time.Minute)
					synctest.Wait()
					w.wantKept(id, true)
					for _, prompt := range []string{"a fox", "an owl"} {
						if err := w.save(painter+"/prompt.txt", prompt); err != nil {
							t.Fatal(err)
						}
					}
					if n := w.sim.Count("POST", "/v1/models/*/predictions"); n != 3 {
						t.Errorf("3 saves made %d runs", n)
					}
				})
			})
		}
	}
}

// What could not be had in time is said, also by the next mount.
func TestKeepMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.New(sim.Options{})
		t.Cleanup(func() { s.Close() })
		dir := t.TempDir()
		w := mountWorld(t, s, dir, Options{Wait: time.Minute, Keep: KeepMine})
		w.Start()
		broken := s.Inject(sim.Fault{Host: sim.Delivery, Reset: true, Times: -1})
		if err := w.save(painter+"/prompt.txt", "a lion"); err != nil {
			t.Fatal(err)
		}
		id := w.latest(painter)
		time.Sleep(10 * time.Minute)
		if st := w.Stats().Keep; st.Pending != 1 || len(st.Missed) != 0 {
			t.Errorf("after ten minutes: %+v", st)
		}
		time.Sleep(time.Hour)
		broken.Stop()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		missed := w.Stats().Keep
		if missed.Pending != 0 || len(missed.Missed) != 1 || missed.Missed[0].Prediction != id || missed.Missed[0].Reason == "" {
			t.Errorf("after the hour: %+v", missed)
		}
		w.Close()
		again := mountWorld(t, s, dir, Options{Keep: KeepMine})
		again.Start()
		time.Sleep(time.Minute)
		if st := again.Stats().Keep; len(st.Missed) != 1 || st.Missed[0] != missed.Missed[0] {
			t.Errorf("after a remount: %+v", st)
		}
	})
}

// A run that ended, and was deleted, while nobody was there to see it is missed
// as well, and its folder says so.
func TestKeepMissedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.New(sim.Options{Speed: 1})
		t.Cleanup(func() { s.Close() })
		dir := t.TempDir()
		w := mountWorld(t, s, dir, Options{Wait: time.Minute, Keep: KeepMine})
		w.Start()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		w.saveIn(ctx, painter+"/prompt.txt", "a lion")
		id := w.latest(painter)
		if st := w.Stats().Keep; st.Pending != 0 {
			t.Errorf("while it runs: %+v", st)
		}
		w.Close()
		time.Sleep(3 * time.Hour)
		for range 2 {
			again := mountWorld(t, s, dir, Options{Keep: KeepMine})
			again.Start()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			if st := again.Stats().Keep; st.Pending != 0 || len(st.Missed) != 1 || st.Missed[0].Prediction != id || st.Missed[0].Reason == "" {
				t.Errorf("after it was deleted: %+v", st)
			}
			if names := again.names("predictions/" + id); !strings.Contains(names, expiredName) {
				t.Errorf("its folder does not say that it was deleted: %s", names)
			}
			again.Close()
		}
	})
}

// A mount that is killed at any moment of a run leaves it to the next one: the
// run is still ours, is watched, and what it made is kept.
func TestKeepResumed(t *testing.T) {
	for _, when := range []string{"created", "running", "ended", "half kept"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sim.New(sim.Options{})
				t.Cleanup(func() { s.Close() })
				dir := t.TempDir()
				// The first mount fetches nothing of what it should keep.
				w := mountWorld(t, s, dir, Options{Wait: time.Minute, Keep: KeepMine})
				hold := make(chan struct{})
				held := s.Inject(sim.Fault{Host: sim.Delivery, Method: "GET", Hold: hold, Times: -1})
				var id string
				if when == "created" { // killed between the answer and the writing down
					p, err := w.api.Create(t.Context(), api.Target{Model: official}, raw(t, map[string]string{"prompt": "a lion"}), api.CreateOptions{})
					if err != nil {
						t.Fatal(err)
					}
					id = p.ID
					run := catalog.Run{ID: "r", Started: time.Now(), Model: official, Input: raw(t, map[string]string{"prompt": "a lion"}), Prediction: id}
					if err := w.catalog.PutRun(t.Context(), run); err != nil {
						t.Fatal(err)
					}
				} else {
					w.Start()
					ctx, cancel := context.WithCancel(t.Context())
					if when == "running" {
						time.AfterFunc(100*time.Millisecond, cancel)
					}
					w.saveIn(ctx, painter+"/prompt.txt", "a lion")
					cancel()
					id = w.latest(painter)
				}
				if when == "half kept" {
					time.Sleep(time.Minute)
				}
				w.Close()
				held.Stop()
				close(hold)
				again := mountWorld(t, s, dir, Options{Keep: KeepMine})
				again.Start()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				again.wantKept(id, true)
				again.creates(1)
			})
		})
	}
}

// What somebody has forgotten is not kept again, and what somebody asks for
// is kept whatever the mode.
func TestKeepForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.New(sim.Options{})
		t.Cleanup(func() { s.Close() })
		dir := t.TempDir()
		w := mountWorld(t, s, dir, Options{Wait: time.Minute, Keep: KeepMine})
		w.Start()
		if err := w.save(painter+"/input.json", `{"prompt":"a lion","num_outputs":2}`); err != nil {
			t.Fatal(err)
		}
		id := w.latest(painter)
		time.Sleep(time.Minute)
		w.wantKept(id, true)
		if err := w.Forget(t.Context(), painter+"/latest/output-0.webp"); err != nil {
			t.Fatal(err)
		}
		w.Close()
		again := mountWorld(t, s, dir, Options{Keep: KeepMine})
		again.Start()
		time.Sleep(time.Minute)
		synctest.Wait()
		if kept, all := again.keptOf(id); kept != 1 || all != 2 {
			t.Errorf("%d of %d files are kept, one was forgotten", kept, all)
		}
		if err := again.Keep(t.Context(), "predictions/"+id, nil); err != nil {
			t.Fatal(err)
		}
		again.wantKept(id, true)
		elsewhere := s.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Source: "api", Output: sim.NewBlob("a.bin", 1<<20)})
		if err := again.Keep(t.Context(), "predictions/"+elsewhere, nil); err != nil {
			t.Fatal(err)
		}
		again.wantKept(elsewhere, true)
		if rep, err := again.ClearCache(t.Context()); err != nil || rep.Kept != 3 {
			t.Errorf("clear: %+v, %v", rep, err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if names := again.names("predictions/" + elsewhere); !strings.Contains(names, "output.bin") || strings.Contains(names, expiredName) {
			t.Errorf("after the hour: %s", names)
		}
	})
}
