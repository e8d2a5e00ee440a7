package mounted_test

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// places are where a run can be started, with what is saved there.
var places = []struct{ name, folder, prepare, file, text string }{
	{"prompt", painter, "", "prompt.txt", "a lion"},
	{"input", painter, "", "input.json", `{"prompt": "a lion", "seed": 7}`},
	{"draft", painter + "/sketch", `mkdir "$D"; echo "a lion" > "$D/prompt.txt"; echo 7 > "$D/seed.txt"; : > "$D/run"`, "run", "go"},
	{"deployment", "deployments/you/upscale-fast", "", "input.json", `{"image": "` + tinyPNG + `"}`},
	{"version", upscaler + "/versions/VERSION", "", "input.json", `{"image": "` + tinyPNG + `"}`},
}

// Under every fault a save buys one run at most, and tells what became of it:
// either close() is good and latest leads to the run, or error.txt says why not.
func TestMoney(t *testing.T) {
	throttle := sim.Throttle(time.Second, sim.InHeader)
	late := func(f sim.Fault) sim.Fault {
		f.Late = true
		return f
	}
	faults := []struct {
		name  string
		fault sim.Fault
		runs  int // of one save
	}{
		{"none", sim.Fault{}, 1},
		{"reset before", sim.Fault{Reset: true}, 0},
		{"reset after", sim.Fault{Reset: true, Late: true}, 1},
		{"cut answer", sim.Fault{CutAfter: 20}, 1},
		{"429", throttle, 1},
		{"500 before", sim.Fault{Status: 500, Body: `{"detail":"oops"}`}, 0},
		{"500 after", sim.Fault{Status: 500, Body: `{"detail":"oops"}`, Late: true}, 1},
		{"502 before", sim.HTML(502), 0},
		{"502 after", late(sim.HTML(502)), 1},
		{"killed after", sim.Fault{Late: true}, 1},
		{"killed before", sim.Fault{}, 0},
		{"refused", sim.Fault{}, 0},
		{"restart before", sim.Fault{}, 0},
		{"restart after", sim.Fault{Late: true}, 1},
		// A request is given up after half a minute.
		{"silence before", sim.Fault{}, 0},
		{"silence after", sim.Fault{Late: true}, 1},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			for _, at := range places {
				if strings.HasPrefix(f.name, "silence") && at.name != "prompt" && at.name != "draft" {
					continue // each takes half a minute, and all are sent by the same code
				}
				t.Run(at.name, func(t *testing.T) {
					a := mounted.Serve(t, sim.Options{Past: 1, Account: "you"})
					m := a.Mount(mounted.Options{Flags: []string{"--wait=5m"}})
					version := strings.Fields(sh(t, m, `ls "$M/`+upscaler+`/versions"`))[0]
					folder := strings.ReplaceAll(at.folder, "VERSION", version)
					prepare := m.Command("sh", "-euc", at.prepare)
					prepare.Env = append(prepare.Env, "D="+m.Path(folder))
					output(t, prepare)
					sh(t, m, `ls "$M/`+folder+`" > /dev/null; cat "$M/`+painter+`/schema.json" "$M/`+upscaler+`/schema.json" > /dev/null`)
					before, posts := a.Creates(), a.Count("POST", "*/predictions")
					fault := f.fault
					fault.Host, fault.Method, fault.Path = sim.API, "POST", "*/predictions"
					hold := make(chan struct{})
					release := sync.OnceFunc(func() { close(hold) })
					defer release()
					what, _, _ := strings.Cut(f.name, " ")
					killed := what == "killed"
					if killed || what == "restart" || what == "silence" {
						fault.Hold = hold
					}
					var injected *sim.Injection
					if f.name != "none" && f.name != "refused" {
						injected = a.Inject(fault)
					}
					if f.name == "refused" {
						a.Server.Close()
					}
					saver := child(m, "save", m.Path(folder, at.file), at.text)
					closed := ""
					switch {
					case what == "restart":
						said, err := saver.StdoutPipe()
						if err != nil {
							t.Fatal(err)
						}
						if err := saver.Start(); err != nil {
							t.Fatal(err)
						}
						mounted.Until(t, "the create has come", func() bool { return injected.Fired() == 1 && a.Creates()-before == f.runs })
						a.Restart(func() {})
						word, err := io.ReadAll(said)
						if closed = string(word); err != nil || saver.Wait() != nil {
							t.Fatalf("the program that saves: %q, %v", closed, err)
						}
					case killed:
						if err := saver.Start(); err != nil {
							t.Fatal(err)
						}
						mounted.Until(t, "the create has come", func() bool { return injected.Fired() == 1 && a.Creates()-before == f.runs })
						m.Kill()
						saver.Wait()
						if fault.Late {
							release() // else it never gets further
						}
						m.Remount()
					default:
						closed = output(t, saver)
					}
					tell := `cd "$M/` + folder + `"; cat error.txt 2>/dev/null || cat latest/status 2>/dev/null || true`
					told := func() string { return sh(t, m, tell) }
					mounted.Until(t, "it is told what became of it", func() bool { return told() != "" })
					if got := a.Creates() - before; got != f.runs {
						t.Errorf("%d runs, want %d; close() is %q, and it says %q", got, f.runs, closed, told())
					}
					if got := a.Count("POST", "*/predictions") - posts; got > 1 && f.name != "429" {
						t.Errorf("%d creates were sent, want 1", got)
					}
					if !killed && (closed == "ok\n") != (f.runs == 1) {
						t.Errorf("close() is %q with %d runs", closed, f.runs)
					}
					if closed == "ok\n" && told() != "succeeded\n" {
						t.Errorf("close() is ok, and it says %q", told())
					}
				})
			}
		})
	}
}

// The API takes connections and reads nothing from them, neither the create nor
// the questions after it: nothing was bought, and that nobody can know this is
// told before anybody's patience ends.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{Flags: quiet})
	sh(t, m, `cat "$M/`+painter+`/schema.json" > /dev/null`)
	at, err := url.Parse(a.Server.URL())
	if err != nil {
		t.Fatal(err)
	}
	a.Server.Close()
	ln, err := net.Listen("tcp", at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	if got := output(t, child(m, "save", m.Path(painter, "prompt.txt"), "a lion")); got != "EIO\n" {
		t.Errorf("close() is %q, want EIO", got)
	}
	if got := sh(t, m, `cat "$M/`+painter+`/error.txt"`); !strings.Contains(got, "before saving again") {
		t.Errorf("error.txt says %q", got)
	}
}

// The answer to a create is lost, and then the list cannot be read for longer
// than close() waits. With the news the run is found, shown where it was saved,
// and kept.
func TestLostAnswerFoundLater(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=100ms"}})
	sh(t, m, `cat "$M/`+painter+`/schema.json" > /dev/null`)
	a.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Reset: true, Late: true})
	away := a.Inject(sim.Fault{Host: sim.API, Method: "GET", Path: "/v1/predictions", Status: 400, Times: -1})
	if got := output(t, child(m, "save", m.Path(painter, "prompt.txt"), "a lion")); got != "EIO\n" {
		t.Errorf("close() is %q, want EIO", got)
	}
	if got := sh(t, m, `cat "$M/`+painter+`/error.txt"; ls "$M/`+painter+`/latest"`); !strings.Contains(got, "before saving again") || has(got, "output-0.webp") {
		t.Errorf("of a run that was not found: %q", got)
	}
	away.Stop()
	mounted.Until(t, "the run is shown", func() bool {
		return m.Command("cp", "-f", m.Path(painter, "latest", "output-0.webp"), m.Work).Run() == nil
	})
	if got := sh(t, m, `ls "$M/`+painter+`"`); has(got, "error.txt") {
		t.Errorf("error.txt is still there: %q", got)
	}
	mounted.Until(t, "it is kept", func() bool {
		return m.Command("sh", "-c", `test -n "$(find "$1" -path '*kept*' -type f -size +0)"`, "sh", m.Data).Run() == nil
	})
	if a.Creates() != 1 || a.Count("POST", "*/predictions") != 1 {
		t.Errorf("%d runs by %d requests, want 1 by 1", a.Creates(), a.Count("POST", "*/predictions"))
	}
}
