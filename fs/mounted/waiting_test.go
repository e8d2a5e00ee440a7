package mounted_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// desks are folders of each kind in which a run can be started that lasts until
// the test ends it, and what is saved there.
var desks = []struct{ name, folder, prepare, file, text string }{
	{"model", puppet, ":", "prompt.txt", "a lion"},
	{"draft", puppet + "/sketch", `mkdir "$D"; echo "a lion" > "$D/prompt.txt"; : > "$D/run"`, "run", "go"},
	{"deployment", "deployments/you/upscale-fast", ":", "input.json", `{"image": "` + tinyPNG + `"}`},
}

// onDesks runs a test for each of them, on an account whose runs take long.
func onDesks(t *testing.T, o mounted.Options, test func(t *testing.T, m *mounted.Mount, folder, file, text string)) {
	for _, d := range desks {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			m := mounted.Serve(t, sim.Options{Past: 1, Account: "you", Speed: 0.001}).Mount(o)
			prepare := m.Command("sh", "-euc", d.prepare+`; ls "$D" > /dev/null`)
			prepare.Env = append(prepare.Env, "D="+m.Path(d.folder))
			output(t, prepare)
			test(t, m, d.folder, d.file, d.text)
		})
	}
}

// saving starts a program that saves a file and says what close() returned.
func saving(t *testing.T, m *mounted.Mount, path, text string) <-chan string {
	t.Helper()
	before := m.Creates()
	closed := make(chan string, 1)
	cmd := child(m, "save", path, text)
	go func() {
		out, _ := cmd.CombinedOutput()
		closed <- strings.TrimSpace(string(out))
	}()
	mounted.Until(t, "the run is created", func() bool { return m.Creates() > before })
	return closed
}

func closes(t *testing.T, closed <-chan string, want string) {
	t.Helper()
	select {
	case got := <-closed:
		if got != want {
			t.Errorf("close() is %q, want %q", got, want)
		}
	case <-time.After(mounted.Patience):
		t.Fatal("close() does not return")
	}
}

// ends is how a run goes well.
func ends(p *sim.Prediction) { p.Status, p.Output = sim.Succeeded, "roar" }

// created are the answers to the creates so far.
func created(m *mounted.Mount) (posts []sim.Request) {
	for _, r := range m.Requests() {
		if r.Method == "POST" && strings.HasSuffix(r.Path, "/predictions") {
			posts = append(posts, r)
		}
	}
	return posts
}

// The API goes away while a save waits, and comes back: the wait goes on. And
// the program is killed while a save waits: the next mount goes on. Either way
// the run lands in its folder, and is not bought again.
func TestWaitGoesOn(t *testing.T) {
	t.Run("API restarts", func(t *testing.T) {
		onDesks(t, mounted.Options{}, func(t *testing.T, m *mounted.Mount, folder, file, text string) {
			closed := saving(t, m, m.Path(folder, file), text)
			id := latestWhenThere(t, m, folder)
			m.Account.Restart(func() { m.Set(id, ends) })
			closes(t, closed, "ok")
			landed(t, m, folder, id)
		})
	})
	t.Run("killed", func(t *testing.T) {
		onDesks(t, mounted.Options{}, func(t *testing.T, m *mounted.Mount, folder, file, text string) {
			closed := saving(t, m, m.Path(folder, file), text)
			id := latestWhenThere(t, m, folder)
			m.Kill()
			<-closed
			m.Remount()
			m.Set(id, ends)
			landed(t, m, folder, id)
		})
	})
}

// landed waits for the end of a run in the folder where it was saved.
func landed(t *testing.T, m *mounted.Mount, folder, id string) {
	t.Helper()
	mounted.Until(t, "the run lands in its folder", func() bool {
		return sh(t, m, `cat "$M/`+folder+`/latest/status"`) == "succeeded\n"
	})
	if got := latestID(t, m, folder); got != id {
		t.Errorf("latest leads to %s, want %s", got, id)
	}
	if got := sh(t, m, `cat "$M/`+folder+`/latest/output.txt"`); got != "roar" {
		t.Errorf("the output is %q", got)
	}
	if got := len(created(m)); got != 1 {
		t.Errorf("%d creates were sent, want 1", got)
	}
}

// --cancel-after lets Replicate end the run.
func TestCancelAfter(t *testing.T) {
	onDesks(t, mounted.Options{Flags: []string{"--wait=0", "--cancel-after=5m"}}, func(t *testing.T, m *mounted.Mount, folder, file, text string) {
		closes(t, saving(t, m, m.Path(folder, file), text), "ok")
		if got := created(m)[0].Header.Get("Cancel-After"); got != "300s" {
			t.Errorf("Cancel-After is %q, want 300s", got)
		}
		m.Advance(5 * time.Minute)
		mounted.Until(t, "it was ended", func() bool {
			status := sh(t, m, `cat "$M/`+folder+`/latest/status"`)
			return status == "aborted\n" || status == "canceled\n"
		})
	})
}

// --prefer-wait lets the API hold the create. Whatever its answer shows, close()
// returns with the end of the run.
func TestPreferWait(t *testing.T) {
	tests := []struct {
		name   string
		o      sim.Options
		flag   string
		prefer string
		path   string
		text   string
		status int    // of the answer
		output string // file that must be there when close() returns
	}{
		// Held until there is output: the run itself is still processing then.
		{"output before the end", sim.Options{Speed: 4}, "60s", "wait=60", painter + "/prompt.txt", "a lion", 201, "output-0.webp"},
		{"expired, 202", sim.Options{Speed: 1, WaitExpired: 202}, "1s", "wait=1", "models/acme/slow/input.json", `{"prompt": "x", "seconds": 600}`, 202, "output.txt"},
		{"expired, 201", sim.Options{Speed: 1, WaitExpired: 201}, "1s", "wait=1", "models/acme/slow/input.json", `{"prompt": "x", "seconds": 600}`, 201, "output.txt"},
		{"slow start", sim.Options{Speed: 1}, "1s", "wait=1", "models/acme/slow/input.json", `{"prompt": "x", "boot": 600, "seconds": 1}`, 202, "output.txt"},
		{"part of a second", sim.Options{Speed: 1}, "1500ms", "wait=2", "models/acme/slow/input.json", `{"prompt": "x", "seconds": 600}`, 202, "output.txt"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := mounted.Serve(t, test.o).Mount(mounted.Options{Flags: []string{"--prefer-wait=" + test.flag, "--wait=5m"}})
			closed := saving(t, m, m.Path(test.path), test.text)
			if test.status == 202 || test.o.WaitExpired != 0 {
				mounted.Until(t, "the create is answered", func() bool { p := created(m); return len(p) > 0 && p[0].Status != 0 })
				m.Advance(20 * time.Minute)
			}
			closes(t, closed, "ok")
			folder := test.path[:strings.LastIndex(test.path, "/")]
			if got := sh(t, m, `cat "$M/`+folder+`/latest/status"`); got != "succeeded\n" {
				t.Errorf("after close() the run is %q", got)
			}
			sh(t, m, `test -s "$M/`+folder+`/latest/`+test.output+`"`)
			posts := created(m)
			if len(posts) != 1 || posts[0].Header.Get("Prefer") != test.prefer || posts[0].Status != test.status {
				t.Errorf("%d creates, Prefer: %q, answered %d; want 1, %q, %d", len(posts), posts[0].Header.Get("Prefer"), posts[0].Status, test.prefer, test.status)
			}
		})
	}
}

// While the API holds the create, nobody here knows the id of the run. A wait
// that is ended then, or is shorter, ends all the same, and the run lands in
// its folder.
func TestPreferWaitEnded(t *testing.T) {
	t.Run("signal", func(t *testing.T) {
		t.Parallel()
		a := serveSlow(t)
		m := a.Mount(mounted.Options{Flags: []string{"--prefer-wait=60s"}})
		s, pid := save(t, m, m.Path(puppet, "prompt.txt"))
		if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if got := s.next(t); got != "ok" {
			t.Errorf("close() is %s, want ok: the run was accepted", got)
		}
		id := latestWhenThere(t, m, puppet)
		a.Set(id, ends)
		landed(t, m, puppet, id)
	})
	t.Run("shorter wait", func(t *testing.T) {
		t.Parallel()
		a := serveSlow(t)
		m := a.Mount(mounted.Options{Flags: []string{"--prefer-wait=60s", "--wait=1s"}})
		closes(t, saving(t, m, m.Path(puppet, "prompt.txt"), "a lion"), "ok")
		// Where it takes a second to be sent, nothing of the wait is left.
		if got := created(m)[0].Header.Get("Prefer"); got != "wait=1" && got != "" {
			t.Errorf("Prefer is %q, want it no longer than the wait", got)
		}
		id := latestWhenThere(t, m, puppet)
		a.Set(id, ends)
		landed(t, m, puppet, id)
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		a := serveSlow(t)
		m := a.Mount(mounted.Options{Flags: []string{"--prefer-wait=60s"}})
		closed := saving(t, m, m.Path(puppet, "prompt.txt"), "a lion")
		m.Kill()
		<-closed
		m.Remount()
		id := latestWhenThere(t, m, puppet)
		a.Set(id, ends)
		landed(t, m, puppet, id)
	})
}

// Beyond --max-runs a save waits for its turn, wherever the others were saved;
// if that does not come within --wait, it is refused.
func TestTurns(t *testing.T) {
	onDesks(t, mounted.Options{Flags: []string{"--max-runs=1"}}, func(t *testing.T, m *mounted.Mount, folder, file, text string) {
		first := saving(t, m, m.Path(puppet, "prompt.txt"), "first")
		id := latestWhenThere(t, m, puppet)
		second := make(chan string, 1)
		cmd := child(m, "save", m.Path(folder, file), text)
		go func() {
			out, _ := cmd.CombinedOutput()
			second <- strings.TrimSpace(string(out))
		}()
		mounted.Until(t, "the second waits", func() bool {
			status, err := m.Command("cat", m.Path(folder, "latest", "status")).Output()
			return err == nil && string(status) == "starting\n" && latestOf(m, folder) != id
		})
		if got := m.Creates(); got != 1 {
			t.Errorf("%d runs while the first goes on, want 1", got)
		}
		m.Set(id, ends)
		closes(t, first, "ok")
		mounted.Until(t, "the second has its turn", func() bool { return m.Creates() == 2 })
		m.Set(latestWhenThere(t, m, folder), ends)
		closes(t, second, "ok")
	})
	for name, limit := range map[string]string{"at once": "--max-runs=1", "a minute": "--max-runs-per-minute=1"} {
		t.Run(name, func(t *testing.T) {
			for _, wait := range []string{"0", "1s"} {
				onDesks(t, mounted.Options{Flags: []string{limit, "--wait=" + wait}}, func(t *testing.T, m *mounted.Mount, folder, file, text string) {
					closes(t, saving(t, m, m.Path(puppet, "prompt.txt"), "first"), "ok")
					begin := time.Now()
					if got := output(t, child(m, "save", m.Path(folder, file), text)); got != "EBUSY\n" {
						t.Errorf("beyond the limit close() is %q, want EBUSY", got)
					}
					if took := time.Since(begin); took > 50*time.Second { // as without the flag, a minute
						t.Errorf("it was refused after %v, with --wait=%s", took, wait)
					}
					says, _, _ := strings.Cut(limit, "=")
					if got := sh(t, m, `cat "$M/`+folder+`/error.txt"`); !strings.Contains(got, says) {
						t.Errorf("error.txt says %q, want it to name %s", got, says)
					}
					if got := m.Creates(); got != 1 {
						t.Errorf("%d runs, want 1", got)
					}
				})
			}
		})
	}
}

// latestOf is where latest leads, "" if nowhere.
func latestOf(m *mounted.Mount, folder string) string {
	link, _ := m.Command("readlink", m.Path(folder, "latest")).Output()
	at := strings.TrimSpace(string(link))
	return at[strings.LastIndex(at, "/")+1:]
}
