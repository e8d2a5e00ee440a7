package mounted_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// A token that is typed is not shown, and Ctrl-C at the prompt leaves a
// terminal that shows what is typed.
func TestLoginPrompt(t *testing.T) {
	t.Parallel()
	mounted.Need(t, "apt install bsdutils", "script")
	m := place(t, serve(t), mounted.Options{})
	typed := func(keys string) (screen string) {
		login := program(t, m, "login")
		line := "trap : INT; env -u REPLICATE_API_TOKEN " + strings.Join(login.Args, " ") + "; echo status $?; stty -a | grep -o '.echo '"
		terminal := m.Command("script", "-qec", line, "/dev/null")
		terminal.Env = login.Env
		in, err := terminal.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := terminal.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := terminal.Start(); err != nil {
			t.Fatal(err)
		}
		var all bytes.Buffer
		for b := make([]byte, 1); !strings.Contains(all.String(), "Get a token"); { // a quick hand
			if _, err := out.Read(b); err != nil {
				t.Fatalf("%v: %s", err, all.String())
			}
			all.Write(b)
		}
		io.WriteString(in, keys)
		if _, err := io.Copy(&all, out); err != nil && !os.IsTimeout(err) {
			t.Log(err)
		}
		terminal.Wait()
		return all.String()
	}
	if screen := typed(sim.DemoToken + "\r"); !strings.Contains(screen, "Logged in as") || !strings.Contains(screen, "status 0") || strings.Contains(screen, sim.DemoToken) {
		t.Errorf("the screen shows %q", screen)
	}
	if screen := typed("r8_abc\x03"); strings.Contains(screen, "Logged in as") || !strings.Contains(screen, "interrupted\r\nstatus 1") || strings.Contains(screen, "-echo") {
		t.Errorf("after Ctrl-C the screen shows %q", screen)
	}
}

// On a terminal, a run shows that it goes on, and then nothing but its answer.
func TestRunOnTerminal(t *testing.T) {
	t.Parallel()
	mounted.Need(t, "apt install bsdutils", "script")
	m := place(t, serveSlow(t), mounted.Options{})
	run := program(t, m, "run", "acme/puppet", "prompt=Why?")
	file := filepath.Join(m.Work, "screen")
	terminal := m.Command("script", "-qefc", strings.Join(run.Args, " "), file)
	terminal.Env = run.Env
	if err := terminal.Start(); err != nil {
		t.Fatal(err)
	}
	screen := func() string {
		b, _ := os.ReadFile(file)
		return string(b)
	}
	mounted.Until(t, "it is seen going on", func() bool {
		return strings.Contains(screen(), "starting") || strings.Contains(screen(), "processing")
	})
	id := ""
	mounted.Until(t, "it is listed", func() bool {
		id = strings.TrimSpace(output(t, program(t, m, "ls", "predictions")))
		return id != ""
	})
	add(m, id, "Because\n")
	mounted.Until(t, "it begins to answer", func() bool { return strings.Contains(screen(), "Because") })
	for range 5 { // in the meantime the spinner would turn
		output(t, program(t, m, "ls", "predictions"))
	}
	add(m, id, "of the sea.")
	m.Set(id, func(p *sim.Prediction) { p.Status = sim.Succeeded })
	if err := terminal.Wait(); err != nil {
		t.Fatalf("%v: %q", err, screen())
	}
	const want = "\rBecause\r\nof the sea.\r\n"
	if got, _, _ := strings.Cut(screen(), "\nScript done"); !strings.HasSuffix(got, want) {
		t.Errorf("the screen shows\n%q, want it to end with\n%q", got, want)
	}
}

// On a terminal, the first mount of an account shows how its list is read.
func TestMountOnTerminal(t *testing.T) {
	t.Parallel()
	mounted.Need(t, "apt install bsdutils", "script")
	a := mounted.Serve(t, sim.Options{Past: 300, Limits: sim.Limits{Other: -1}})
	m := place(t, a, mounted.Options{})
	hold := make(chan struct{})
	a.Inject(sim.Fault{Method: "GET", Path: "/v1/predictions", After: 1, Times: -1, Hold: hold})
	mount := program(t, m, "mount", "--cache-dir", filepath.Join(m.Work, "new"), m.Dir)
	terminal := m.Command("script", "-qefc", strings.Join(mount.Args, " "), filepath.Join(m.Work, "screen"))
	terminal.Env = mount.Env
	if err := terminal.Start(); err != nil {
		t.Fatal(err)
	}
	var screen string
	shows := func(what string) {
		mounted.Until(t, "the screen shows "+what, func() bool {
			b, _ := os.ReadFile(filepath.Join(m.Work, "screen"))
			screen = string(b)
			return strings.Contains(screen, what)
		})
	}
	shows("reading the list of predictions, ")
	close(hold)
	shows("is complete\" predictions=300\r\n")
	if !strings.Contains(screen, "\r\x1b[Ktime=") {
		t.Errorf("the screen shows %q", screen)
	}
	if status, said := exits(t, program(t, m, "unmount", m.Dir)); status != 0 {
		t.Errorf("unmount: %s", said)
	}
	if err := terminal.Wait(); err != nil {
		t.Error(err)
	}
}
