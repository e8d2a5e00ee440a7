package mounted_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// batch are drafts that are equal, each in a folder of its own, so that each
// tells what became of it.
var batch = []string{"a", "b", "c"}

// prepareBatch makes them.
func prepareBatch(t *testing.T, m *mounted.Mount) {
	t.Helper()
	sh(t, m, `cd "$M/`+painter+`"; cat schema.json > /dev/null; for d in `+strings.Join(batch, " ")+`; do mkdir $d; echo "a lion" > $d/prompt.txt; : > $d/run; done`)
}

// Equal drafts are run at the same time, and a fault strikes one of them. Each
// has one run or none, none has that of another, and each tells what became of
// it.
func TestMoneyOfABatch(t *testing.T) {
	for name, test := range map[string]struct {
		fault sim.Fault
		runs  int
	}{
		"reset before":   {sim.Fault{Reset: true}, 2},
		"reset after":    {sim.Fault{Reset: true, Late: true}, 3},
		"cut answer":     {sim.Fault{CutAfter: 20}, 3},
		"429":            {sim.Throttle(time.Second, sim.InHeader), 3},
		"500 before":     {sim.Fault{Status: 500, Body: `{"detail":"oops"}`}, 2},
		"500 after":      {sim.Fault{Status: 500, Body: `{"detail":"oops"}`, Late: true}, 3},
		"502 before":     {sim.HTML(502), 2},
		"silence before": {sim.Fault{Delay: time.Minute, Reset: true}, 2},
		"silence after":  {sim.Fault{Delay: time.Minute, Late: true}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			m := a.Mount(mounted.Options{Flags: []string{"--poll=1s"}})
			prepareBatch(t, m)
			fault := test.fault
			fault.Host, fault.Method, fault.Path = sim.API, "POST", "*/predictions"
			a.Inject(fault)
			closed := map[string]string{}
			results := make(chan [2]string)
			for _, d := range batch {
				save := child(m, "save", m.Path(painter, d, "run"), "go")
				go func() {
					out, _ := save.CombinedOutput()
					results <- [2]string{d, strings.TrimSpace(string(out))}
				}()
			}
			for range batch {
				r := <-results
				closed[r[0]] = r[1]
			}
			owners := map[string]string{}
			for _, d := range batch {
				id, said := latestOf(m, painter+"/"+d), sh(t, m, `cd "$M/`+painter+`/`+d+`"; cat error.txt 2>/dev/null || cat latest/status`)
				switch {
				case (closed[d] == "ok") != (said == "succeeded\n"):
					t.Errorf("close() of %s is %q, and it says %q", d, closed[d], said)
				case closed[d] == "ok" && owners[id] != "":
					t.Errorf("the drafts %s and %s both have the run %s", owners[id], d, id)
				case closed[d] == "ok":
					owners[id] = d
				}
			}
			if got := a.Creates(); got != test.runs || len(owners) != test.runs {
				t.Errorf("%d runs for %d drafts, want %d; close() is %q", got, len(owners), test.runs, closed)
			}
			if got := a.Count("POST", "*/predictions"); got > len(batch) && name != "429" {
				t.Errorf("%d creates were sent, want %d", got, len(batch))
			}
		})
	}
}

// The program is killed while equal drafts are being sent. None is sent again,
// and each tells of all runs that may be its own.
func TestKilledDuringABatch(t *testing.T) {
	for name, runs := range map[string]int{"before": 0, "after": len(batch)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			m := a.Mount(mounted.Options{})
			prepareBatch(t, m)
			hold := make(chan struct{})
			defer close(hold)
			sent := a.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Hold: hold, Late: runs > 0, Times: -1})
			for _, d := range batch {
				save := child(m, "save", m.Path(painter, d, "run"), "go")
				if err := save.Start(); err != nil {
					t.Fatal(err)
				}
				defer save.Wait()
			}
			mounted.Until(t, "all have come", func() bool { return sent.Fired() == len(batch) && a.Creates() == runs })
			m.Kill()
			m.Remount()
			for _, d := range batch {
				said := ""
				mounted.Until(t, "it is told what became of "+d, func() bool {
					said = sh(t, m, `cat "$M/`+painter+`/`+d+`/error.txt" 2>/dev/null || true`)
					return said != ""
				})
				if got := strings.Count(said, "\npredictions/"); got != runs {
					t.Errorf("error.txt of %s names %d runs, want %d:\n%s", d, got, runs, said)
				}
			}
			if a.Creates() != runs || a.Count("POST", "*/predictions") != len(batch) {
				t.Errorf("%d runs by %d requests, want %d by %d", a.Creates(), a.Count("POST", "*/predictions"), runs, len(batch))
			}
		})
	}
}

// Equal drafts are started at the same time, and each of their answers is lost.
// What cannot be told apart is not guessed at: each names all that may be its
// run, and none is run again.
func TestLostAnswersOfDrafts(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1h"}})
	ready(t, m)
	prepareBatch(t, m)
	// One that is lost or listed before the next is sent would be told apart
	// from it.
	hold := make(chan struct{})
	a.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Hold: hold, Reset: true, Late: true, Times: -1})
	results := make(chan string, len(batch))
	for _, d := range batch {
		save := child(m, "save", m.Path(painter, d, "run"), "go")
		go func() {
			out, _ := save.CombinedOutput()
			results <- strings.TrimSpace(string(out))
		}()
	}
	mounted.Until(t, "all are started", func() bool { return a.Creates() == len(batch) })
	close(hold)
	for range batch {
		if got := <-results; got == "ok" {
			t.Error("close() of a run whose answer was lost says ok")
		}
	}
	if a.Creates() != len(batch) || a.Count("POST", "*/predictions") != len(batch) {
		t.Errorf("%d runs by %d requests, want %d by as many", a.Creates(), a.Count("POST", "*/predictions"), len(batch))
	}
	for _, d := range batch {
		if id := latestOf(m, painter+"/"+d); id != "" && !strings.HasPrefix(id, ".") {
			t.Errorf("the draft %s leads to %s by chance", d, id)
		}
		said := sh(t, m, fmt.Sprintf(`cat "$M/%s/%s/error.txt"`, painter, d))
		named := regexp.MustCompile(`(?m)^predictions/(\w+) `).FindAllStringSubmatch(said, -1)
		for _, n := range named {
			if p, ok := a.Prediction(n[1]); !ok || p.Model != strings.TrimPrefix(painter, "models/") {
				t.Errorf("error.txt of %s names %s, which is none of them", d, n[1])
			}
		}
		if len(named) != len(batch) {
			t.Errorf("error.txt of %s names %d runs, want %d:\n%s", d, len(named), len(batch), said)
		}
	}
}
