package fs

import (
	"errors"
	iofs "io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/cache/catalog"
)

// remount ends a mount and begins the next on the same data.
func remount(t *testing.T, w *world) *world {
	t.Helper()
	w.Close()
	w.catalog.Close()
	w.cache.Close()
	next := mountWorld(t, w.sim, w.dir, Options{Wait: time.Minute})
	next.Start()
	time.Sleep(30 * time.Second)
	return next
}

// That nobody knows whether a run was started is said once. It is looked for
// until its hour is over.
func TestToldOnce(t *testing.T) {
	for _, by := range []string{"the save", "the next mount"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
			w.sim.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Status: 502, Body: "<html>"})
			if err := w.save(painter+"/prompt.txt", "a lighthouse"); !errors.Is(err, errAmbiguous) {
				t.Fatalf("close() gives %v", err)
			}
			if by == "the next mount" {
				runs, err := w.catalog.Runs(t.Context())
				if err != nil || len(runs) != 1 {
					t.Fatalf("runs are %v, %v", runs, err)
				}
				runs[0].State = "" // as it is after a crash
				if err := w.catalog.PutRun(t.Context(), runs[0]); err != nil {
					t.Fatal(err)
				}
				w = remount(t, w)
				if got := w.read(painter + "/error.txt"); !strings.Contains(got, "Look into predictions/") {
					t.Errorf("error.txt says %q", got)
				}
			}
			w = remount(t, w)
			if _, err := w.at(painter + "/error.txt"); !errors.Is(err, iofs.ErrNotExist) {
				t.Errorf("said by %s, and once more: %v", by, err)
			}
			if runs, err := w.catalog.Runs(t.Context()); err != nil || len(runs) != 1 {
				t.Errorf("runs that are looked for: %v, %v; want one", runs, err)
			}
			time.Sleep(retention)
			w = remount(t, w)
			if runs, err := w.catalog.Runs(t.Context()); err != nil || len(runs) != 0 {
				t.Errorf("runs that are looked for after the hour: %v, %v; want none", runs, err)
			}
			w.creates(0)
		})
	}
}

// A run whose answer is lost, and then the network, is found later, by the
// same mount or the next. It takes the place of what was said of it, but not of
// what was saved since.
func TestFoundLater(t *testing.T) {
	for _, by := range []string{"the same mount", "the next mount"} {
		for _, at := range []string{painter, painter + "/sketch"} {
			t.Run(by+" at "+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
					w.Start()
					save := func() error { return w.save(at+"/prompt.txt", "a lighthouse") }
					if at != painter {
						w.mkdir(at)
						if err := w.fill(at+"/prompt.txt", "a lighthouse"); err != nil {
							t.Fatal(err)
						}
						save = func() error { return w.fill(at+"/run", "go") }
					}
					w.sim.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Reset: true, Late: true})
					away := w.sim.Inject(sim.Fault{Host: sim.API, Method: "GET", Path: "/v1/predictions", Status: 500, Times: -1})
					if err := save(); !errors.Is(err, errAmbiguous) {
						t.Fatalf("close() gives %v", err)
					}
					if got := w.read(at + "/error.txt"); !strings.Contains(got, "could not be read") {
						t.Errorf("error.txt says %q", got)
					}
					away.Stop()
					if by == "the next mount" {
						w = remount(t, w)
					} else {
						time.Sleep(2 * time.Minute)
					}
					if got := w.read(at + "/latest/status"); got != "succeeded\n" {
						t.Errorf("the run that was found is %q", got)
					}
					if _, err := w.at(at + "/error.txt"); !errors.Is(err, iofs.ErrNotExist) {
						t.Errorf("error.txt is still there: %v", err)
					}
					if runs, err := w.catalog.Runs(t.Context()); err != nil || len(runs) != 0 {
						t.Errorf("runs that are looked for: %v, %v; want none", runs, err)
					}
					for p := range w.catalog.Between(time.Unix(0, 1), time.Now()) {
						if !p.Mine {
							t.Errorf("%s is not known to be ours, and would not be kept", p.ID)
						}
					}
					w.creates(1)
				})
			})
		}
	}
}

func TestFoundAfterANewerSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		w.Start()
		w.sim.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Reset: true, Late: true})
		away := w.sim.Inject(sim.Fault{Host: sim.API, Method: "GET", Path: "/v1/predictions", Status: 500, Times: -1})
		if err := w.save(painter+"/prompt.txt", "a lighthouse"); !errors.Is(err, errAmbiguous) {
			t.Fatalf("close() gives %v", err)
		}
		if err := w.save(painter+"/prompt.txt", "a lion"); err != nil {
			t.Fatalf("close() gives %v", err)
		}
		away.Stop()
		time.Sleep(2 * time.Minute)
		if got := w.read(painter + "/latest/prompt.txt"); got != "a lion\n" {
			t.Errorf("latest leads to %q", got)
		}
		if runs, err := w.catalog.Runs(t.Context()); err != nil || len(runs) != 0 {
			t.Errorf("runs that are looked for: %v, %v; want none", runs, err)
		}
		w.creates(2)
	})
}

// A mount that is killed after a create was sent, and begins again without the
// network, looks for the run when there is one. What it made is kept.
func TestResumedOffline(t *testing.T) {
	for _, written := range []string{"nothing", "the id"} {
		t.Run(written, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Options{}, Options{Keep: KeepMine})
				input := raw(t, map[string]string{"prompt": "a lion"})
				run := catalog.Run{ID: "r", Started: time.Now(), Model: official, Input: input, Note: painter}
				p, err := w.api.Create(t.Context(), api.Target{Model: official}, input, api.CreateOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if written == "the id" {
					run.Prediction = p.ID
				}
				if err := w.catalog.PutRun(t.Context(), run); err != nil {
					t.Fatal(err)
				}
				away := w.sim.Inject(sim.Fault{Reset: true, Times: -1})
				w.Start()
				time.Sleep(20 * time.Minute)
				away.Stop()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				w.wantKept(p.ID, true)
				w.creates(1)
			})
		})
	}
}
