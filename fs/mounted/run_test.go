package mounted_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// Ctrl-C ends the waiting of run, not the run: it says which one goes on, and
// nothing is cancelled. A mount of the same data sees the run, and no draft.
func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	a := serveSlow(t)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=100ms"}})
	cmd := program(t, m, "run", "acme/puppet", "prompt=x")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var id string
	mounted.Until(t, "the mount shows the run", func() bool {
		out, err := m.Command("ls", m.Path("predictions")).Output()
		id = strings.TrimSpace(string(out))
		return err == nil && id != ""
	})
	// It is watched from when it was accepted, and the draft is gone by then.
	mounted.Until(t, "the draft is gone", func() bool { return !strings.Contains(sh(t, m, `ls "$M/`+puppet+`"`), "run-") })
	cmd.Process.Signal(os.Interrupt)
	err := cmd.Wait()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 1 || !strings.Contains(said.String(), "the run "+id+" goes on") {
		t.Errorf("%v: %s", err, said.String())
	}
	if n := a.Count("POST", "*/cancel"); n != 0 {
		t.Errorf("%d cancels", n)
	}
	if status := sh(t, m, `cat "$M/predictions/`+id+`/status"`); strings.TrimSpace(status) == string(sim.Canceled) {
		t.Errorf("the run is %s", status)
	}
	sh(t, m, `echo x > "$M/predictions/`+id+`/cancel"`)
}
