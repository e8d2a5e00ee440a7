package fuse

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKilledDaemonsMountIsTakenOver(t *testing.T) {
	canMount(t)
	f := mountFar(t)
	open, err := os.Open(f.path("run", "status"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	f.cmd.Process.Kill()
	f.cmd.Wait()
	for range f.events {
	}
	// Its root is still there for stat, because the kernel was told that it may
	// believe it for a while.
	var fs syscall.Statfs_t
	if err := syscall.Statfs(f.dir, &fs); err != syscall.ENOTCONN {
		t.Fatalf("statfs of a killed daemon's mount = %v, want ENOTCONN", err)
	}
	g := mountFarOn(t, f.dir)
	if got, err := os.ReadFile(g.path("run", "status")); string(got) != "succeeded\n" {
		t.Errorf("after taking over: %q, %v", got, err)
	}
	if out, err := g.sh("bash", "echo a > prompt.txt"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got := g.commits(); !slices.Equal(got, []string{"prompt.txt=a\n"}) {
		t.Errorf("saved %q", got)
	}
}

func TestUnmountWhileBusy(t *testing.T) {
	f := mountFar(t)
	open, err := os.Open(f.path("run", "output.bin"))
	if err != nil {
		t.Fatal(err)
	}
	go fmt.Fprintln(f.in, "unmount")
	// Taken away from those who come later, and still good for who is in it.
	waitFor(t, func() bool { return !strings.Contains(ourMounts(), f.dir) })
	p := make([]byte, 16)
	if n, err := open.ReadAt(p, 4096); n != 16 || err != nil {
		t.Errorf("read after the unmount = %d, %v", n, err)
	}
	open.Close()
	if e := f.wait("done"); e.Err != "" && !strings.Contains(e.Err, "in use") {
		t.Errorf("unmount: %s", e.Err)
	}
}

func TestUnmountOfAnotherProcess(t *testing.T) {
	f := mountFar(t)
	hold, err := os.Open(f.path("run", "status"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Unmount(f.dir, UnmountOptions{}); err == nil {
		t.Error("unmounted while in use")
	} else if !strings.Contains(err.Error(), "in use") && !strings.Contains(err.Error(), "busy") {
		t.Errorf("unmount while in use: %v", err)
	}
	hold.Close()
	waitFor(t, func() bool { return Unmount(f.dir, UnmountOptions{}) == nil })
	if entries, err := os.ReadDir(f.dir); err != nil || len(entries) != 0 {
		t.Errorf("folder after the unmount: %v, %v", entries, err)
	}
}

// TestNotifyUnderLoad is watched by the time limits of far: nothing may hang.
func TestNotifyUnderLoad(t *testing.T) {
	f := mountFar(t)
	ended := make(chan error, 1)
	go func() {
		for range 20 {
			if out, err := f.sh("bash", "ls -lR .. >/dev/null 2>&1; md5sum ../run/output.bin; stat ../latest; mkdir d && echo x > d/f && mv d/f d/g && rm -r d"); err != nil {
				ended <- fmt.Errorf("%w\n%s", err, out)
				return
			}
		}
		ended <- nil
	}()
	for rounds := 0; ; rounds++ {
		for _, name := range []string{"run", "latest", "desk", "heads", "none"} {
			f.do("change " + name)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			t.Logf("%d changes", 5*rounds)
			f.commits()
			return
		default:
		}
	}
}

func TestProgramOnTheMountRuns(t *testing.T) {
	f := mountFar(t)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.path("program"))
	if err != nil || !bytes.Equal(got, program) {
		t.Fatalf("read %d bytes, %v, want %d", len(got), err, len(program))
	}
}

func TestForcedUnmountWhileASaveWaits(t *testing.T) {
	f := mountFar(t)
	cmd := f.start("bash", "-c", "echo wait > prompt.txt")
	fmt.Fprintln(f.in, "unmount 1s") // in vain
	fmt.Fprintln(f.in, "unmount")    // by force
	told := map[string]int{}
	for told["done"] < 2 || told["ended"] < 1 { // in any order
		told[f.wait("").Kind]++
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestAbortedConnectionEndsTheWaiting(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can abort a connection")
	}
	f := mountFar(t)
	cmd := f.start("bash", "-c", "echo wait > prompt.txt")
	detachForce(f.dir)
	f.wait("ended")
	cmd.Wait()
}

// detachForce is umount -f.
func detachForce(dir string) { syscall.Unmount(dir, syscall.MNT_FORCE) }

// TestLateSaveIsWaitedFor: the last release starts a save that nobody waits
// for but the end of the mount.
func TestLateSaveIsWaitedFor(t *testing.T) {
	needs(t, "python3")
	f := mountFar(t)
	f.sh("bash", python(
		`fd = os.open('prompt.txt', os.O_WRONLY)`,
		`r, w = os.pipe()`,
		`if os.fork() == 0: os.read(r, 1); os.write(fd, b'wait'); os._exit(0)`,
		`os.close(fd); os.write(w, b'x'); os.wait()`))
	f.wait("waiting")
	fmt.Fprintln(f.in, "unmount")
	waitFor(t, func() bool { return !strings.Contains(ourMounts(), f.dir) })
	select {
	case e := <-f.events:
		t.Errorf("the unmount did not wait: %v", e)
	case <-time.After(2 * glance):
	}
	f.cmd.Process.Signal(syscall.SIGUSR1) // let it finish, as the commands are busy
	if e := f.wait("commit"); e.Content != "wait" {
		t.Errorf("saved %q", e.Content)
	}
	if e := f.wait("done"); e.Err != "" {
		t.Errorf("unmount: %s", e.Err)
	}
}

func TestTail(t *testing.T) {
	needs(t, "tail")
	f := mountFar(t)
	f.do("grow one\\n")
	cmd := exec.Command("tail", "-n", "+1", "-s", "0.02", "-f", f.path("live.txt"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	late := time.AfterFunc(hangLimit, func() { cmd.Process.Kill() })
	defer late.Stop()
	lines := bufio.NewScanner(out)
	for i, want := range []string{"one\n", "two\n", "three\n"} {
		if i > 0 {
			f.do("grow " + want[:len(want)-1] + "\\n")
		}
		if !lines.Scan() || lines.Text()+"\n" != want {
			t.Fatalf("tail says %q, want %q", lines.Text(), want)
		}
	}
}
