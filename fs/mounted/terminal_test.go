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
	const model = "meta/meta-llama-3-8b-instruct"
	line := strings.Join(program(t, m, "run").Args, " ") + " " + model + " prompt=Why?"
	terminal := m.Command("script", "-qec", line, "/dev/null")
	terminal.Env = program(t, m, "run").Env
	screen := output(t, terminal)
	want := strings.ReplaceAll(output(t, program(t, m, "cat", "models/"+model+"/latest/output.txt")), "\n", "\r\n") + "\r\n"
	before, found := strings.CutSuffix(screen, want)
	if begun := strings.Contains(before, "starting") || strings.Contains(before, "processing"); !found || !begun || !strings.HasSuffix(before, "\r") {
		t.Errorf("the screen shows\n%q, want it to end with\n%q", screen, want)
	}
}

// On a terminal, the first mount of an account shows how its list is read.
func TestMountOnTerminal(t *testing.T) {
	t.Parallel()
	mounted.Need(t, "apt install bsdutils", "script")
	m := place(t, mounted.Serve(t, sim.Options{Past: 300, Limits: sim.Limits{Other: -1}}), mounted.Options{})
	mount := program(t, m, "mount", "--cache-dir", filepath.Join(m.Work, "new"), m.Dir)
	terminal := m.Command("script", "-qefc", strings.Join(mount.Args, " "), filepath.Join(m.Work, "screen"))
	terminal.Env = mount.Env
	if err := terminal.Start(); err != nil {
		t.Fatal(err)
	}
	var screen string
	mounted.Until(t, "the list is complete", func() bool {
		b, _ := os.ReadFile(filepath.Join(m.Work, "screen"))
		screen = string(b)
		return strings.Contains(screen, "is complete\" predictions=300\r\n")
	})
	if !strings.Contains(screen, "reading the list of predictions, ") || !strings.Contains(screen, "\r\x1b[Ktime=") {
		t.Errorf("the screen shows %q", screen)
	}
	if status, said := exits(t, program(t, m, "unmount", m.Dir)); status != 0 {
		t.Errorf("unmount: %s", said)
	}
	if err := terminal.Wait(); err != nil {
		t.Error(err)
	}
}
