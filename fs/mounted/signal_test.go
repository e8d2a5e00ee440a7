package mounted_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// A saver is a program of one thread that saves a file, handles every signal,
// and waits in close().
type saver struct {
	cmd   *exec.Cmd
	lines chan string // what it prints
	done  chan error
}

// saverProgram prints its pid, saves, and prints what close() returned and
// which signals it got.
const saverProgram = `
import os, signal, sys
got = []
for s in (signal.SIGWINCH, signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(s, lambda n, _: got.append(n))
print(os.getpid(), flush=True)
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
os.write(fd, b"a lion")
try:
    os.close(fd)
    result = "ok"
except OSError as e:
    result = os.strerror(e.errno)
print(result, flush=True)
`

// save starts one, and waits until its run has been created.
func save(t *testing.T, m *mounted.Mount, path string) (*saver, int) {
	t.Helper()
	mounted.Need(t, needPython, "python3")
	s := &saver{cmd: m.Command("env", "python3", "-c", saverProgram, path), lines: make(chan string, 2), done: make(chan error, 1)}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	before := m.Creates()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.lines <- lines.Text()
		}
		close(s.lines)
		s.done <- s.cmd.Wait()
	}()
	pid, err := strconv.Atoi(s.next(t))
	if err != nil {
		t.Fatal(err)
	}
	mounted.Until(t, "the run is created", func() bool { return m.Creates() > before })
	return s, pid
}

// next is the next line that it prints.
func (s *saver) next(t *testing.T) string {
	t.Helper()
	select {
	case line, more := <-s.lines:
		if !more {
			t.Fatalf("the program that saves ended: %v", <-s.done)
		}
		return line
	case <-time.After(mounted.Patience):
		t.Fatal("the program that saves says nothing")
	}
	return ""
}

// waits fails the test if close() returns in the time that the program at
// work takes to look several times whether it should.
func (s *saver) waits(t *testing.T) {
	t.Helper()
	select {
	case line := <-s.lines:
		t.Errorf("close() returned too early: %q", line)
	case <-time.After(400 * time.Millisecond):
	}
}

// pending tells whether a signal has come to a process that is in a call.
func pending(pid int, s syscall.Signal) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if key, value, _ := strings.Cut(line, ":"); key == "SigPnd" || key == "ShdPnd" {
			mask, _ := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if mask&(1<<(s-1)) != 0 {
				return true
			}
		}
	}
	return false
}

// Signals that ask no program to end do not end the waiting in close():
// the window of an editor may change its size.
func TestHarmlessSignals(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serveSlow(t)
		m := a.Mount(o)
		s, pid := save(t, m, m.Path(puppet, "prompt.txt"))
		for _, sig := range []syscall.Signal{syscall.SIGWINCH, syscall.SIGCHLD, syscall.SIGUSR1, syscall.SIGALRM} {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
			mounted.Until(t, "the signal has come", func() bool { return pending(pid, sig) })
		}
		s.waits(t)
		a.Set(latestWhenThere(t, m, puppet), func(p *sim.Prediction) { p.Status, p.Output = sim.Succeeded, "roar" })
		if got := s.next(t); got != "ok" {
			t.Errorf("close() is %s, want ok", got)
		}
		if got := a.Creates(); got != 1 {
			t.Errorf("%d runs, want 1", got)
		}
	})
}

// Ctrl-C and the like end the waiting, and never the run, which lands in its
// folder. An ended wait is a success: else people would save again.
func TestEndingSignals(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP} {
			t.Run(sig.String(), func(t *testing.T) {
				t.Parallel()
				a := serveSlow(t)
				m := a.Mount(o)
				s, pid := save(t, m, m.Path(puppet, "prompt.txt"))
				id := latestWhenThere(t, m, puppet)
				if err := syscall.Kill(pid, sig); err != nil {
					t.Fatal(err)
				}
				if got := s.next(t); got != "ok" {
					t.Errorf("close() is %s, want ok", got)
				}
				if got := sh(t, m, `cat "$M/`+puppet+`/latest/status"`); got != "starting\n" {
					t.Errorf("the status is %q, want starting", got)
				}
				a.Set(id, func(p *sim.Prediction) { p.Status, p.Output = sim.Succeeded, "roar" })
				mounted.Until(t, "the run lands in its folder", func() bool {
					return sh(t, m, `cat "$M/`+puppet+`/latest/status"`) == "succeeded\n"
				})
				if got := sh(t, m, `cat "$M/`+puppet+`/latest/output.txt"`); got != "roar" {
					t.Errorf("the output is %q", got)
				}
				if a.Count("POST", "*/cancel") != 0 || a.Creates() != 1 {
					t.Errorf("%d cancels and %d runs, want 0 and 1", a.Count("POST", "*/cancel"), a.Creates())
				}
			})
		}
	})
}

// A program that is killed while it waits in close() had saved.
func TestKilledWhileWaiting(t *testing.T) {
	t.Parallel()
	a := serveSlow(t)
	m := a.Mount(mounted.Options{})
	s, pid := save(t, m, m.Path(puppet, "prompt.txt"))
	id := latestWhenThere(t, m, puppet)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(mounted.Patience):
		t.Fatal("the program cannot be killed while it waits")
	}
	a.Set(id, func(p *sim.Prediction) { p.Status, p.Output = sim.Succeeded, "roar" })
	mounted.Until(t, "the run lands in its folder", func() bool {
		return sh(t, m, `cat "$M/`+puppet+`/latest/status"`) == "succeeded\n"
	})
	if got := a.Creates(); got != 1 {
		t.Errorf("%d runs, want 1", got)
	}
}

// The wait ends by --wait, and the run goes on.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	a := serveSlow(t)
	m := a.Mount(mounted.Options{Flags: []string{"--wait=500ms"}})
	if got := output(t, child(m, "save", m.Path(puppet, "prompt.txt"), "x")); got != "ok\n" {
		t.Errorf("close() is %q, want ok", got)
	}
	a.Set(latestID(t, m, puppet), func(p *sim.Prediction) { p.Status = sim.Failed; p.Error = "no lion" })
	mounted.Until(t, "its end is seen", func() bool { return sh(t, m, `cat "$M/`+puppet+`/latest/status"`) == "failed\n" })
	if got := sh(t, m, `cat "$M/`+puppet+`/latest/error.txt"`); !strings.Contains(got, "no lion") {
		t.Errorf("error.txt is %q", got)
	}
}

// A run can be watched, and ended by writing to cancel.
func TestWatchAndCancel(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serveSlow(t)
		o.Flags = []string{"--wait=5m"}
		m := a.Mount(o)
		s, _ := save(t, m, m.Path(puppet, "prompt.txt"))
		id := latestWhenThere(t, m, puppet)
		a.Set(id, func(p *sim.Prediction) { p.Status, p.Logs = sim.Processing, "10%\n" })
		mounted.Until(t, "the logs are seen", func() bool { return sh(t, m, `cat "$M/`+puppet+`/latest/logs.txt"`) == "10%\n" })
		a.Set(id, func(p *sim.Prediction) { p.Logs = "10%\n20%\n" })
		mounted.Until(t, "the logs grow", func() bool { return sh(t, m, `tail -n 1 "$M/`+puppet+`/latest/logs.txt"`) == "20%\n" })
		sh(t, m, `echo x | tee "$M/`+puppet+`/latest/cancel" > /dev/null`)
		if got := s.next(t); got != "Input/output error" {
			t.Errorf("close() is %s, want Input/output error", got)
		}
		if got := sh(t, m, `cat "$M/`+puppet+`/latest/status"; ls "$M/`+puppet+`/latest/"`); !strings.HasPrefix(got, "canceled\n") || has(got, "cancel") {
			t.Errorf("after the cancel: %q", got)
		}
	})
}

// latestWhenThere waits for latest to lead to a prediction.
func latestWhenThere(t *testing.T, m *mounted.Mount, folder string) (id string) {
	t.Helper()
	mounted.Until(t, "latest leads to the run", func() bool {
		out, err := m.Command("readlink", m.Path(folder, "latest")).Output()
		link := strings.TrimSpace(string(out))
		id = link[strings.LastIndex(link, "/")+1:]
		return err == nil && strings.Contains(link, "predictions/")
	})
	return id
}
