package mounted_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// The program in the background, and what ends it.

// program is a command line of the program, on the account of a mount and by
// its user.
func program(t *testing.T, m *mounted.Mount, args ...string) *exec.Cmd {
	cmd := m.Command(mounted.Program(t), args...)
	cmd.Env = append(cmd.Env, "REPLICATE_BASE_URL="+m.Server.BaseURL(), "REPLICATE_API_TOKEN="+sim.DemoToken,
		"REPLICATEFS_OUTPUT_HOST="+m.Server.OutputHost(), "REPLICATEFS_CACHE_DIR="+m.Data)
	return cmd
}

// place is where a program can be mounted that a test starts by itself.
func place(t *testing.T, a *mounted.Account, o mounted.Options) *mounted.Mount {
	m := a.Mount(o)
	m.Stop()
	return m
}

// exits runs a command and returns its exit status and all it says.
func exits(t *testing.T, cmd *exec.Cmd) (status int, said string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// pidOf is the process behind a mount, as it tells itself.
func pidOf(t *testing.T, m *mounted.Mount) int {
	t.Helper()
	var stats struct{ PID int }
	if err := json.Unmarshal([]byte(output(t, m.Command("cat", m.Path(".replicatefs/stats.json")))), &stats); err != nil {
		t.Fatal(err)
	}
	return stats.PID
}

// alive tells whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// A daemon returns when the folder is there, holds on to nothing of whoever
// started it, and is gone when unmount returns.
func TestDaemon(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		_, path := addBlob(a, 100_000)
		m := place(t, a, o)
		// Relative paths are those of where it is started, and a lock of the
		// one who starts it is not kept.
		cmd := program(t, m, "mount", "--daemon", "--log-file", "my.log", "../mnt")
		lock, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		cmd.ExtraFiles = []*os.File{lock}
		if status, said := exits(t, cmd); status != 0 || !strings.Contains(said, "Mounted the account") {
			t.Fatalf("status %d: %s", status, said)
		}
		if got, failed := cat(t, m, path); failed || len(got) != 100_000 {
			t.Errorf("%d bytes, want 100000", len(got))
		}
		pid := pidOf(t, m)
		if sid := strings.Fields(readProc(t, pid, "stat")); sid[5] != strconv.Itoa(pid) {
			t.Errorf("its session is %s, want its own, %d", sid[5], pid)
		}
		for name, want := range map[string]string{"cwd": "/", "fd/0": os.DevNull, "fd/1": os.DevNull, "fd/2": m.Work + "/my.log"} {
			if got, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, name)); err != nil || got != want {
				t.Errorf("its %s is %s (%v), want %s", name, got, err, want)
			}
		}
		fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		for _, fd := range fds {
			if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())); to == lock.Name() {
				t.Error("it keeps a file of the one who started it")
			}
		}
		if env := readProc(t, pid, "environ"); strings.Contains(env, "TERM=") == false {
			t.Errorf("its environment is not that of the one who started it: %q", env)
		}

		// logrotate moves the log away and says so.
		sh(t, m, `mv my.log my.log.1; kill -HUP `+strconv.Itoa(pid))
		mounted.Until(t, "a crash would be told in the log that is opened anew", func() bool {
			got, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/2", pid))
			return got == m.Work+"/my.log"
		})

		if status, said := exits(t, program(t, m, "unmount", m.Dir)); status != 0 {
			t.Errorf("unmount: status %d: %s", status, said)
		}
		if alive(pid) {
			t.Error("the daemon lives on after unmount")
		}
		if log := sh(t, m, `cat my.log`); !strings.Contains(log, "unmounted") {
			t.Errorf("the log says %q", log)
		}
		if log := sh(t, m, `cat my.log.1`); !strings.Contains(log, "msg=mounted") {
			t.Errorf("the old log says %q", log)
		}
	})
}

// A daemon that cannot mount says why, with its exit status, and is gone.
func TestDaemonFails(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := place(t, a, mounted.Options{})
	sh(t, m, `mkdir full; touch full/x`)
	for _, test := range []struct {
		args   string
		status int
		says   string
	}{
		{"mount --daemon full", 1, "has something in it"},
		{"mount --daemon missing", 1, "mkdir"},
		{"mount --daemon --wait never full", 2, "never"},
		{"mount --daemon --token-file /dev/null full", 4, "no usable token"},
		{"mount --daemon --log-file /nonexistent/log " + m.Dir, 1, "/nonexistent/log"},
		{"mount --daemon", 2, "one folder"},
	} {
		status, said := exits(t, program(t, m, strings.Fields(test.args)...))
		if status != test.status || strings.Count(said, test.says) != 1 || strings.Count(said, "replicatefs: ") != 1 {
			t.Errorf("%s: status %d, says %q; want %d and %q, once", test.args, status, said, test.status, test.says)
		}
	}
}

// An impatient person's Ctrl-C ends the daemon that is not there yet.
func TestDaemonInterrupted(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := place(t, a, mounted.Options{})
	m.Forget() // so that the API is needed
	answer := make(chan struct{})
	defer close(answer)
	held := a.Inject(sim.Fault{Path: "/v1/account", Hold: answer, Times: 1 << 30})
	cmd := program(t, m, "mount", "--daemon", m.Dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	mounted.Until(t, "the API is asked", func() bool { return held.Fired() > 0 })
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		t.Log(err)
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err == nil {
		t.Error("it ended as if it were mounted")
	}
	for _, pid := range strings.Fields(string(children)) {
		if n, _ := strconv.Atoi(pid); alive(n) {
			t.Errorf("the daemon %d is left", n)
		}
	}
}

// What is in use stays, and whoever uses it is named; then there are two ways.
func TestUnmountBusy(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		const size = 10_000
		_, path := addBlob(a, size)
		for _, way := range []string{"--lazy", "--force"} {
			m := place(t, a, o)
			if status, said := exits(t, program(t, m, "mount", "--daemon", m.Dir)); status != 0 {
				t.Fatalf("status %d: %s", status, said)
			}
			pid := pidOf(t, m)
			user := m.Command("sh", "-c", `exec 3<"$M/`+path+`"; echo open; read go; cat <&3`)
			in, err := user.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := user.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := user.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, len("open\n"))); err != nil {
				t.Fatal(err)
			}
			status, said := exits(t, program(t, m, "unmount", m.Dir))
			if status != 1 || !strings.Contains(said, fmt.Sprintf("%d (sh) uses %s", user.Process.Pid, m.Path(path))) || !strings.Contains(said, "--lazy") {
				t.Errorf("status %d, says %q", status, said)
			}
			status, said = exits(t, program(t, m, "unmount", way, m.Dir))
			if status != 0 && !(way == "--force" && strings.Contains(said, "only root")) {
				t.Errorf("%s: status %d: %s", way, status, said)
			}
			forced := status == 0 && way == "--force"
			fmt.Fprintln(in, "go")
			var rest bytes.Buffer
			rest.ReadFrom(out)
			err = user.Wait()
			if forced && err == nil {
				t.Error("the mount was to end by force, and goes on")
			} else if !forced && (err != nil || rest.Len() != size) {
				t.Errorf("%s: %d bytes (%v), want %d", way, rest.Len(), err, size)
			}
			mounted.Until(t, "the daemon has ended", func() bool { return !alive(pid) })
		}
	})
}

// A terminal that is closed takes a mount in the foreground with it, which is
// not left dead; nohup keeps it.
func TestHangup(t *testing.T) {
	t.Parallel()
	mounted.Need(t, "apt install bsdutils", "script")
	a := serve(t)
	m := place(t, a, mounted.Options{})
	// script gives it a terminal, and closes it when killed.
	for _, nohup := range []string{"", "nohup "} {
		run := program(t, m, "mount", m.Dir)
		line := nohup + strings.Join(run.Args, " ")
		terminal := m.Command("script", "-qfec", line, "/dev/null")
		terminal.Env = run.Env
		if err := terminal.Start(); err != nil {
			t.Fatal(err)
		}
		mounted.Until(t, "it is mounted", func() bool {
			return m.Command("test", "-e", m.Path("account.json")).Run() == nil
		})
		pid := pidOf(t, m)
		terminal.Process.Signal(syscall.SIGKILL)
		terminal.Wait()
		if nohup == "" {
			mounted.Until(t, "the program has ended", func() bool { return !alive(pid) })
			if out, err := m.Command("ls", m.Dir).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v: %s", err, out)
			}
			continue
		}
		if !alive(pid) {
			t.Error("the program has ended with the terminal")
		}
		if status, said := exits(t, program(t, m, "unmount", m.Dir)); status != 0 {
			t.Errorf("unmount: status %d: %s", status, said)
		}
	}
}

func readProc(t *testing.T, pid int, name string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
