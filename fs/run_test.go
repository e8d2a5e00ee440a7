package fs

import (
	"context"
	"errors"
	iofs "io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

func TestSaveRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		if err := w.save(painter+"/prompt.txt", "A majestic lion\n"); err != nil {
			t.Fatalf("save: %v", err)
		}
		w.creates(1)
		if got, want := w.read(painter+"/latest/prompt.txt"), "A majestic lion\n"; got != want {
			t.Errorf("prompt.txt is %q, want %q", got, want)
		}
		if got, want := w.read(painter+"/latest/status"), "succeeded\n"; got != want {
			t.Errorf("status is %q, want %q", got, want)
		}
		if got, want := w.names(painter+"/latest"), "input.json logs.txt metrics.json output-0.webp output.json prediction.json prompt.txt status"; got != want {
			t.Errorf("folder has %s\nwant       %s", got, want)
		}
		if picture := w.read(painter + "/latest/output-0.webp"); !strings.HasPrefix(picture, "RIFF") {
			t.Errorf("output-0.webp begins with %q", picture[:min(8, len(picture))])
		}
		if got := w.read(painter + "/prompt.txt"); got != "" {
			t.Errorf("a trigger reads as %q, want it empty", got)
		}
	})
}

// What an editor puts around a text is not the text.
func TestSaveOfPlainText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		for file, content := range map[string]string{"prompt.txt": "\ufeffa lion\r\n", "input.json": "\ufeff{\"prompt\": \"a lion\"}\r\n"} {
			if err := w.save(painter+"/"+file, content); err != nil {
				t.Errorf("save of %s: %v", file, err)
			}
			if got := w.read(painter + "/latest/input.json"); got != "{\n  \"prompt\": \"a lion\"\n}\n" {
				t.Errorf("of %s the input is %s", file, got)
			}
		}
	})
}

func TestSaveOfNothingRunsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		for _, content := range []string{"", "\n", "\r\n", "\ufeff\n"} {
			if err := w.save(painter+"/prompt.txt", content); err != nil {
				t.Errorf("save of %q: %v", content, err)
			}
		}
		if err := w.save(painter+"/input.json", " \n"); err != nil {
			t.Errorf("save of an empty input: %v", err)
		}
		w.creates(0)
	})
}

func TestRefusedSave(t *testing.T) {
	tests := []struct {
		name, path, content string
		fault               *sim.Fault
		is                  error
		says                string
	}{
		{"bad JSON", painter + "/input.json", "{\n  \"prompt\": lion }", nil, iofs.ErrInvalid, "line 2, column 13"},
		{"no object", painter + "/input.json", `["a"]`, nil, iofs.ErrInvalid, "must be an object"},
		{"no text", painter + "/prompt.txt", "\xff\xd8\xff", nil, iofs.ErrInvalid, "not text"},
		{"schema", painter + "/input.json", `{"prompt": "x", "num_outputs": 99}`, nil, iofs.ErrInvalid, "num_outputs must be at most 4, not 99."},
		{"payment", painter + "/prompt.txt", "x", &sim.Fault{Method: "POST", Path: "*", Status: 402, Body: `{"detail":"Go and pay."}`}, tree.ErrQuota, "Go and pay."},
		{"token", painter + "/prompt.txt", "x", &sim.Fault{Method: "POST", Path: "*", Status: 401, Body: `{"title":"Unauthenticated"}`}, iofs.ErrPermission, "token"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
				if err := w.save(painter+"/prompt.txt", "yesterday's picture"); err != nil {
					t.Fatal(err)
				}
				if test.fault != nil {
					w.sim.Inject(*test.fault)
				}
				err := w.save(test.path, test.content)
				if !errors.Is(err, test.is) {
					t.Fatalf("close() gives %v, want %v", err, test.is)
				}
				w.creates(1)
				if said := w.read(painter + "/error.txt"); !strings.Contains(said, test.says) {
					t.Errorf("error.txt says %q, want something with %q", said, test.says)
				}
				if got, want := w.names(painter+"/latest"), "error.txt status"; got != want {
					t.Errorf("latest has %q, want %q: no picture of yesterday", got, want)
				}
				if err := w.save(painter+"/prompt.txt", "better"); test.fault == nil && err != nil {
					t.Errorf("the next save: %v", err)
				} else if test.fault == nil && strings.Contains(w.names(painter), "error.txt") {
					t.Errorf("error.txt is still there after a save that went well")
				}
			})
		})
	}
}

func TestSaveTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		if err := w.save(painter+"/prompt.txt", "yesterday's picture"); err != nil {
			t.Fatal(err)
		}
		node, err := w.at(painter + "/prompt.txt")
		if err != nil {
			t.Fatal(err)
		}
		d, err := node.(tree.Saver).Save(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.WriteAt(t.Context(), []byte("x"), maxSave); !errors.Is(err, tree.ErrTooLarge) {
			t.Errorf("past the limit: %v", err)
		}
		if got := w.read(painter + "/error.txt"); !strings.Contains(got, "prompt.txt is too large: at most 100 MB") {
			t.Errorf("error.txt says %q", got)
		}
		if got := w.names(painter + "/latest"); got != "error.txt status" {
			t.Errorf("latest leads to %q", got)
		}

		// Nor is a temporary file sent that was cut, whoever moves it there.
		dir := w.place(painter)
		tmp, err := dir.Create(t.Context(), "prompt.txt.tmp")
		if err != nil {
			t.Fatal(err)
		}
		cut, err := tmp.Save(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer cut.Close()
		cut.WriteAt(t.Context(), []byte("half"), 0)
		cut.WriteAt(t.Context(), []byte("x"), maxSave)
		if err := dir.Rename(t.Context(), "prompt.txt.tmp", dir, "prompt.txt"); !errors.Is(err, tree.ErrTooLarge) {
			t.Errorf("the renaming of what was cut: %v", err)
		}
		w.creates(1)
	})
}

func TestFailedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		if err := w.save(broken+"/prompt.txt", "anything"); err == nil {
			t.Error("close() gives no error for a run that failed")
		}
		w.creates(1)
		if got, want := w.read(broken+"/latest/status"), "failed\n"; got != want {
			t.Errorf("status is %q, want %q", got, want)
		}
		if w.read(broken+"/latest/error.txt") == "" || w.read(broken+"/error.txt") == "" {
			t.Error("error.txt says nothing")
		}
	})
}

func TestWaitEnds(t *testing.T) {
	run := func(t *testing.T, o Options, leave time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, o)
			ctx := t.Context()
			if leave > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, leave)
				defer cancel()
			}
			start := time.Now()
			if err := w.saveIn(ctx, slow+"/input.json", `{"prompt": "x", "seconds": 100}`); err != nil {
				t.Fatalf("an ended wait is success once the run was accepted, got %v", err)
			}
			if waited := time.Since(start); waited > 31*time.Second {
				t.Errorf("waited %v", waited)
			}
			if got := w.read(slow + "/latest/status"); got != "processing\n" && got != "starting\n" {
				t.Errorf("status is %q while it runs", got)
			}
			time.Sleep(3 * time.Minute)
			if got := w.read(slow + "/latest/status"); got != "succeeded\n" {
				t.Errorf("status is %q after the run, which went on", got)
			}
			w.creates(1)
		})
	}
	t.Run("time", func(t *testing.T) { run(t, Options{Wait: 30 * time.Second}, 0) })
	t.Run("not at all", func(t *testing.T) { run(t, Options{}, 0) })
	t.Run("interrupt", func(t *testing.T) { run(t, Options{Wait: 10 * time.Minute}, 20*time.Second) })
}

func TestLostAnswer(t *testing.T) {
	lost := sim.Fault{Method: "POST", Path: "*/predictions", Reset: true, Late: true, Times: 1}
	t.Run("one run of that moment is adopted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
			w.sim.Inject(lost)
			if err := w.save(painter+"/prompt.txt", "a lighthouse"); err != nil {
				t.Fatalf("save: %v", err)
			}
			w.creates(1)
			if got := w.read(painter + "/latest/status"); got != "succeeded\n" {
				t.Errorf("status is %q", got)
			}
		})
	})
	for name, wrong := range map[string]time.Duration{"ahead": -20 * time.Minute, "behind": 20 * time.Minute} {
		t.Run("our clock is far "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
				w.sim.Advance(wrong)
				w.sim.Inject(lost)
				if err := w.save(painter+"/prompt.txt", "a lighthouse"); err != nil {
					t.Fatalf("save: %v", err)
				}
				w.creates(1)
			})
		})
	}
	t.Run("of two nobody knows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
			both := lost
			both.Times, both.Delay = 2, 5*time.Second // both are under way when the first is lost
			w.sim.Inject(both)
			done := make(chan error, 2)
			for range 2 {
				go func() { done <- w.save(painter+"/prompt.txt", "a lighthouse") }()
			}
			for range 2 {
				if err := <-done; !errors.Is(err, errAmbiguous) {
					t.Errorf("close() gives %v, want it to be unknown", err)
				}
			}
			w.creates(2)
			if said := w.read(painter + "/error.txt"); strings.Count(said, "predictions/") != 3 {
				t.Errorf("error.txt does not name both candidates: %s", said)
			}
		})
	})
	t.Run("one that is being sent is another save's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
			w.sim.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Reset: true})
			w.sim.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Delay: 5 * time.Second, Late: true})
			first := make(chan error, 1)
			go func() { first <- w.save(painter+"/prompt.txt", "a lighthouse") }()
			time.Sleep(500 * time.Millisecond) // the first has looked once, and will again
			if err := w.save(painter+"/input.json", `{ "prompt": "a lighthouse" }`); err != nil {
				t.Errorf("the second save: %v", err)
			}
			if err := <-first; !errors.Is(err, errAmbiguous) {
				t.Errorf("the first save, of which nothing came, gives %v, want it to be unknown", err)
			}
			w.creates(1)
		})
	})
	t.Run("none was made", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
			w.sim.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Status: 502, Body: "<html>", Times: 1})
			if err := w.save(painter+"/prompt.txt", "a lighthouse"); !errors.Is(err, errAmbiguous) {
				t.Errorf("close() gives %v, want it to be unknown", err)
			}
			w.creates(0)
		})
	})
}

// The API lets a create go when the time to prefer is over; its answer then
// takes its way. It is not given up just before that: of equal runs nobody could
// tell which is whose.
func TestPreferWaitAsLongAsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: 20 * time.Second, PreferWait: time.Minute})
		w.sim.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Delay: 300 * time.Millisecond, Late: true, Times: -1})
		start := time.Now()
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- w.save(slow+"/input.json", `{"prompt": "x", "seconds": 100}`) }()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("close() gives %v", err)
			}
		}
		if took := time.Since(start); took > 21*time.Second {
			t.Errorf("close() took %v of a wait of 20 s", took)
		}
		w.creates(2)
	})
}

func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: 10 * time.Second, MaxRuns: 1})
		if err := w.save(slow+"/input.json", `{"prompt": "x", "seconds": 60}`); err != nil {
			t.Fatal(err)
		}
		if err := w.save(slow+"/prompt.txt", "another"); !errors.Is(err, tree.ErrBusy) {
			t.Errorf("the second of one run at a time gives %v, want busy", err)
		}
		w.creates(1)
		time.Sleep(2 * time.Minute)
		if err := w.save(painter+"/prompt.txt", "another"); err != nil {
			t.Errorf("after the first has ended: %v", err)
		}
		w.creates(2)
	})
}

// Runs that the last mount left under way count as well.
func TestGuardAfterRemount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{MaxRuns: 1})
		if err := w.save(slow+"/input.json", `{"prompt": "x", "seconds": 600}`); err != nil {
			t.Fatal(err)
		}
		w.Close()
		again := mountWorld(t, w.sim, w.dir, Options{MaxRuns: 1, Wait: time.Second})
		again.Start()
		synctest.Wait()
		if err := again.save(painter+"/prompt.txt", "another"); !errors.Is(err, tree.ErrBusy) {
			t.Errorf("the second of one run at a time gives %v, want busy", err)
		}
		again.creates(1)
		time.Sleep(20 * time.Minute)
		if err := again.save(painter+"/prompt.txt", "another"); err != nil {
			t.Errorf("after the first has ended: %v", err)
		}
	})
}

func TestSaveByRename(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		node, err := w.at(painter)
		if err != nil {
			t.Fatal(err)
		}
		dir := node.(interface {
			tree.Dir
			tree.Creator
			tree.Renamer
			tree.Remover
		})
		if _, err := dir.Create(t.Context(), "notes.txt"); !errors.Is(err, tree.ErrReadOnly) {
			t.Errorf("creating a name that is nobody's gives %v, want read-only", err)
		}
		tmp, err := dir.Create(t.Context(), ".goutputstream-ABC123")
		if err != nil {
			t.Fatal(err)
		}
		d, err := tmp.Save(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.WriteAt(t.Context(), []byte("a cat\n"), 0)
		if err := d.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.creates(0)
		if err := dir.Rename(t.Context(), ".goutputstream-ABC123", dir, "prompt.txt"); err != nil {
			t.Fatal(err)
		}
		w.creates(1)
		if got, want := w.read(painter+"/latest/prompt.txt"), "a cat\n"; got != want {
			t.Errorf("prompt is %q, want %q", got, want)
		}
		if names := w.names(painter); strings.Contains(names, "goutput") {
			t.Errorf("the temporary file is still there: %s", names)
		}
	})
}

func TestReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{ReadOnly: true})
		if err := w.save(painter+"/prompt.txt", "x"); !errors.Is(err, tree.ErrReadOnly) {
			t.Errorf("save gives %v, want read-only", err)
		}
		w.creates(0)
	})
}

func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Second})
		if err := w.save(slow+"/input.json", `{"prompt": "x", "seconds": 100}`); err != nil {
			t.Fatal(err)
		}
		w.Close() // the mount ends, the run goes on
		again := mountWorld(t, w.sim, w.dir, Options{})
		again.Start()
		synctest.Wait()
		time.Sleep(5 * time.Minute)
		if got := again.read(slow + "/latest/status"); got != "succeeded\n" {
			t.Errorf("status is %q after the next mount watched on", got)
		}
		w.creates(1)
	})
}

// scribeFunc is told which prediction a save has become.
type scribeFunc func(id string)

func (f scribeFunc) accepted(id string) { f(id) }
func (f scribeFunc) refused(string)     {}

// Where a save was made its prediction is written down before the run is off
// the list of those in flight: after a crash between the two, the next mount
// does it.
func TestAcceptedBeforeForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		d := must(w.at(painter)).(*deskDir).desk
		told := 0
		err := d.save(t.Context(), given(`{"prompt": "a lion"}`), scribeFunc(func(id string) {
			told++
			if runs, err := w.catalog.Runs(t.Context()); err != nil || len(runs) != 1 || runs[0].Prediction != id {
				t.Errorf("when %s is told, the runs in flight are %+v, %v", id, runs, err)
			}
		}))
		if runs, _ := w.catalog.Runs(t.Context()); err != nil || told != 1 || len(runs) != 0 {
			t.Errorf("save: %v; told %d times; then the runs in flight are %+v", err, told, runs)
		}
	})
}
