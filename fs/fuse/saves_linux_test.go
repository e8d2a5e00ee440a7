package fuse

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// python writes a Python script for a shell to run.
func python(lines ...string) string {
	return "python3 - <<'END'\n" + strings.Join(append([]string{"import os, signal, sys, time"}, lines...), "\n") + "\nEND\n"
}

// TestSaves is the matrix of what programs do to a file, and what must have
// been saved when they are done.
func TestSaves(t *testing.T) {
	f := mountFar(t)
	both := []string{"bash", "dash"}
	bash := []string{"bash"}
	for _, test := range []struct {
		name   string
		shells []string
		script string
		want   []string
		needs  string
	}{
		{name: "redirect", shells: both, script: `echo a lion > prompt.txt`, want: []string{"prompt.txt=a lion\n"}},
		{name: "append", shells: both, script: `echo a lion >> prompt.txt`, want: []string{"prompt.txt=a lion\n"}},
		{name: "external", shells: both, script: `cat /proc/sys/kernel/ostype > prompt.txt`, want: []string{"prompt.txt=Linux\n"}},
		{name: "nothing", shells: both, script: `: > prompt.txt; true > prompt.txt; touch prompt.txt`},
		{name: "empty append", shells: both, script: `: >> prompt.txt`},
		{name: "reading", shells: both, script: `cat prompt.txt; wc -c < prompt.txt; test -s prompt.txt || true`},
		{name: "group", shells: both, script: `{ echo a; echo b | cat; echo c; } > prompt.txt`, want: []string{"prompt.txt=a\nb\nc\n"}},
		{name: "group with stderr", shells: both, script: `{ echo a; echo log >&2; echo c; } > prompt.txt 2>/dev/null`, want: []string{"prompt.txt=a\nc\n"}},
		{name: "group with redirects inside", shells: both, script: `{ echo a; echo x > /dev/null; echo b; cat /dev/null > /dev/null; echo c; } > prompt.txt`, want: []string{"prompt.txt=a\nb\nc\n"}},
		{name: "subshell", shells: both, script: `( echo a; cat /proc/sys/kernel/ostype; echo c ) > prompt.txt`, want: []string{"prompt.txt=a\nLinux\nc\n"}},
		{name: "pipeline", shells: both, script: `echo a | tr a b > prompt.txt`, want: []string{"prompt.txt=b\n"}},
		{name: "loop", shells: both, script: `for i in 1 2 3; do echo $i; done > prompt.txt`, want: []string{"prompt.txt=1\n2\n3\n"}},
		{name: "exec 3", shells: both, script: `exec 3>prompt.txt; echo a >&3; echo b >&3; cat /proc/sys/kernel/ostype >&3; exec 3>&-`, want: []string{"prompt.txt=a\nb\nLinux\n"}},
		{name: "exec 3, left open", shells: both, script: `exec 3>prompt.txt; echo a >&3; echo b >&3`, want: []string{"prompt.txt=a\nb\n"}},
		{name: "exec 1", shells: both, script: `exec > prompt.txt; echo a; cat /proc/sys/kernel/ostype; echo b`, want: []string{"prompt.txt=a\nLinux\nb\n"}},
		{name: "here document", shells: both, script: "cat > prompt.txt <<END\na\nb\nEND\n", want: []string{"prompt.txt=a\nb\n"}},
		{name: "two saves", shells: both, script: `echo a > prompt.txt; echo b > prompt.txt`, want: []string{"prompt.txt=a\n", "prompt.txt=b\n"}},
		{name: "two appends", shells: both, script: `echo a >> prompt.txt; echo b >> prompt.txt`, want: []string{"prompt.txt=a\n", "prompt.txt=b\n"}},
		{name: "background", shells: both, script: `echo a > prompt.txt & wait`, want: []string{"prompt.txt=a\n"}},
		{name: "child in the background", shells: both, script: `{ cat /proc/sys/kernel/ostype & wait; echo b; } > prompt.txt`, want: []string{"prompt.txt=Linux\nb\n"}},
		{name: "exec of another program", shells: both, script: `exec cat /proc/sys/kernel/ostype > prompt.txt`, want: []string{"prompt.txt=Linux\n"}},
		{name: "tee", shells: both, script: `echo a | tee prompt.txt > /dev/null`, want: []string{"prompt.txt=a\n"}},
		{name: "tee -a", shells: both, script: `echo a | tee -a prompt.txt > /dev/null`, want: []string{"prompt.txt=a\n"}},
		{name: "process substitution", shells: bash, script: `echo a > >(cat > prompt.txt); wait $!`, want: []string{"prompt.txt=a\n"}},
		{name: "cp", shells: both, script: `cp /proc/sys/kernel/ostype prompt.txt`, want: []string{"prompt.txt=Linux\n"}},
		{name: "cp -p", shells: both, script: `echo a > $TMPDIR/x; cp -p $TMPDIR/x prompt.txt`, want: []string{"prompt.txt=a\n"}},
		{name: "dd", shells: both, script: `echo abc | dd of=prompt.txt bs=1 status=none`, want: []string{"prompt.txt=abc\n"}},
		{name: "dd, not cut", shells: both, script: `echo abc | dd of=prompt.txt conv=notrunc,fsync status=none`, want: []string{"prompt.txt=abc\n"}},
		{name: "mv over it", shells: both, script: `echo a > $TMPDIR/x; mv $TMPDIR/x prompt.txt`, want: []string{"prompt.txt=a\n"}},
		{name: "rename over it", shells: both, script: `echo a > temp && mv temp prompt.txt && test ! -e temp && test ! -s prompt.txt`, want: []string{"temp=a\n", "prompt.txt=a\n"}},
		{name: "sed -i", shells: both, script: `echo abc > note; sed -i s/b/x/ note; cat note; rm note`, want: []string{"note=abc\n", "sed=axc\n"}},
		{name: "truncate", shells: both, script: `truncate -s 0 prompt.txt; truncate -s 100 prompt.txt`},
		{name: "stored file", shells: both, script: `echo one > note; echo two >> note; cat note; test "$(cat note)" = "$(printf 'one\ntwo')"; rm note`, want: []string{"note=one\n", "note=one\ntwo\n"}},
		{name: "stored file, cut", shells: both, script: `echo long > note; : > note; test ! -s note; echo x > note; truncate -s 1 note; stat -c %s note; test "$(cat note)" = x; rm note`, want: []string{"note=long\n", "note=x\n", "note=x"}},
		{name: "unlinked", shells: both, script: `exec 3<>note; echo a >&3; rm note; echo b >&3; test ! -e note; echo new > note; cat note; exec 3>&-; cat note; rm note`, want: []string{"note=new\n", "note=a\nb\n"}},

		{name: "python", needs: "python3", script: python(`open('prompt.txt', 'w').write('a lion')`), want: []string{"prompt.txt=a lion"}},
		{name: "python, append", needs: "python3", script: python(`f = open('prompt.txt', 'a'); f.write('a'); f.flush(); f.write('b'); f.close()`), want: []string{"prompt.txt=ab"}},
		{name: "python, never closed", needs: "python3", script: python(`os.write(os.open('prompt.txt', os.O_WRONLY), b'a'); os._exit(0)`), want: []string{"prompt.txt=a"}},
		{name: "python, dup", needs: "python3", script: python(
			`fd = os.open('prompt.txt', os.O_WRONLY); os.write(fd, b'a')`,
			`d = os.dup(fd); os.close(fd); os.write(d, b'b'); os.close(d)`), want: []string{"prompt.txt=ab"}},
		{name: "python, reads its own size", needs: "python3", script: python(
			`f = open('prompt.txt', 'w+'); f.write('abc'); f.flush()`,
			`assert os.fstat(f.fileno()).st_size == 3, os.fstat(f.fileno())`,
			`assert os.stat('prompt.txt').st_size == 3`,
			`f.seek(0); assert f.read() == 'abc'; f.close()`,
			`assert os.stat('prompt.txt').st_size == 3`,                       // as it was saved; to everybody else it is empty
			`assert os.popen('stat -c %s prompt.txt').read() == '0\n'`), want: []string{"prompt.txt=abc"}},
		{name: "python, seek", needs: "python3", script: python(`f = open('prompt.txt', 'wb'); f.seek(2); f.write(b'c'); f.seek(0); f.write(b'ab'); f.close()`), want: []string{"prompt.txt=abc"}},
		{name: "threads", needs: "python3", script: python(
			`import threading`,
			`fd = os.open('prompt.txt', os.O_WRONLY | os.O_APPEND)`,
			`ts = [threading.Thread(target=lambda: os.write(fd, b'x')) for _ in range(20)]`,
			`[t.start() for t in ts]; [t.join() for t in ts]`,
			`c = threading.Thread(target=lambda: os.close(fd)); c.start(); c.join()`), want: []string{"prompt.txt=" + strings.Repeat("x", 20)}},
		{name: "opened by a thread that is gone", needs: "python3", script: python(
			`import threading`,
			`fds = []`,
			`t = threading.Thread(target=lambda: fds.append(os.open('prompt.txt', os.O_WRONLY))); t.start(); t.join()`,
			`os.write(fds[0], b'a'); os.close(fds[0])`), want: []string{"prompt.txt=a"}},
		{name: "exit with threads", needs: "python3", script: python(
			`import threading`,
			`os.write(os.open('prompt.txt', os.O_WRONLY), b'a')`,
			`[threading.Thread(target=time.sleep, args=(100,), daemon=True).start() for _ in range(5)]`,
			`os._exit(0)`), want: []string{"prompt.txt=a"}},
		{name: "fork after opening, child closes first", needs: "python3", script: python(
			`fd = os.open('prompt.txt', os.O_WRONLY); os.write(fd, b'a')`,
			`p = os.fork()`,
			`if p == 0: os.write(fd, b'b'); os.close(fd); os._exit(0)`,
			`os.waitpid(p, 0); os.write(fd, b'c'); os.close(fd)`), want: []string{"prompt.txt=abc"}},
		{name: "fork, parent never writes", needs: "python3", script: python(
			`fd = os.open('prompt.txt', os.O_WRONLY)`,
			`p = os.fork()`,
			`if p == 0: os.write(fd, b'b'); os._exit(0)`,
			`os.close(fd) if False else os.waitpid(p, 0)`), want: []string{"prompt.txt=b"}},
		{name: "fork, parent closes unwritten", needs: "python3", script: python(
			`fd = os.open('prompt.txt', os.O_WRONLY)`,
			`r, w = os.pipe()`,
			`p = os.fork()`,
			`if p == 0: os.read(r, 1); os.write(fd, b'b'); os._exit(0)`,
			`os.close(fd); os.write(w, b'x'); os.waitpid(p, 0)`), want: []string{"prompt.txt=b"}},
		{name: "mmap", needs: "python3", script: python(
			`import mmap`,
			`f = open('note', 'w+b'); f.write(b'abcd'); f.flush()`,
			`m = mmap.mmap(f.fileno(), 4); assert m[:] == b'abcd', m[:]; m.close(); f.close(); os.unlink('note')`), want: []string{"note=abcd"}},
		{name: "mmap, written", needs: "python3", script: python(
			`import mmap`,
			`f = open('note', 'w+b'); f.write(b'abcd'); f.flush()`,
			`m = mmap.mmap(f.fileno(), 4); m[1:3] = b'XY'; m.close(); f.close()`,
			`assert open('note', 'rb').read() == b'aXYd'; os.unlink('note')`), want: []string{"note=aXYd"}},
		{name: "write to a refused size", needs: "python3", script: python(
			`fd = os.open('prompt.txt', os.O_WRONLY)`,
			`try: os.pwrite(fd, b'x', 1<<20); sys.exit('no error')`,
			`except OSError as e: assert e.errno == 27, e`,
			`os.close(fd)`)},

		{name: "killed half-way", needs: "python3", script: python(`os.write(os.open('prompt.txt', os.O_WRONLY), b'half'); os.kill(os.getpid(), 9)`) + "true"},
		{name: "killed by SIGINT", needs: "python3", script: python(
			`signal.signal(signal.SIGINT, signal.SIG_DFL)`,
			`os.write(os.open('prompt.txt', os.O_WRONLY), b'half'); os.kill(os.getpid(), 2)`) + "true"},
		{name: "killed with threads", needs: "python3", script: python(
			`import threading`,
			`[threading.Thread(target=time.sleep, args=(100,), daemon=True).start() for _ in range(5)]`,
			`os.write(os.open('prompt.txt', os.O_WRONLY), b'half'); os.kill(os.getpid(), 9)`) + "true"},
		{name: "crashed", needs: "python3", script: "ulimit -c 0; " + python(`os.write(os.open('prompt.txt', os.O_WRONLY), b'half'); os.abort()`) + "true"},
		{name: "killed cat", shells: both, script: `mkfifo $TMPDIR/p; cat $TMPDIR/p > prompt.txt & exec 4>$TMPDIR/p; echo half >&4; until [ "$(stat -c %s prompt.txt)" = 5 ]; do :; done; kill -9 $!; wait; true`},
		{name: "killed child does not matter", shells: both, script: `{ echo a; sh -c 'echo b; kill -9 $$'; echo c; } > prompt.txt; true`, want: []string{"prompt.txt=a\nb\nc\n"}},
	} {
		shells := test.shells
		if shells == nil {
			shells = bash
		}
		for _, shell := range shells {
			t.Run(test.name+"/"+shell, func(t *testing.T) {
				needs(t, shell)
				if test.needs != "" {
					needs(t, test.needs)
				}
				f.t = t
				t.Setenv("TMPDIR", t.TempDir())
				if out, err := f.sh(shell, test.script); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
				if got := f.commits(); !slices.EqualFunc(got, test.want, same) {
					t.Errorf("saved %q, want %q", got, test.want)
				}
			})
		}
	}
	f.t = t
}

// same compares what was saved; sed makes up a name for its file.
func same(got, want string) bool {
	name, content, _ := strings.Cut(got, "=")
	if strings.HasPrefix(name, "sed") {
		name = "sed"
	}
	return name+"="+content == want
}

func TestSaveError(t *testing.T) {
	f := mountFar(t)
	for script, want := range map[string]string{
		"cp $TMPDIR/x prompt.txt":                                           "quota",
		"cat $TMPDIR/x | tee prompt.txt":                                    "quota",
		"mv $TMPDIR/x prompt.txt":                                           "quota",
		"cp $TMPDIR/x temp && mv temp prompt.txt":                           "quota",
		"dd if=$TMPDIR/x of=prompt.txt status=none":                         "quota",
		python(`f = open('prompt.txt', 'w'); f.write('refuse'); f.close()`): "quota",
	} {
		t.Setenv("TMPDIR", t.TempDir())
		os.WriteFile(os.Getenv("TMPDIR")+"/x", []byte("refuse\n"), 0o600)
		out, err := f.sh("bash", script)
		if !strings.Contains(strings.ToLower(out), want) && err == nil {
			t.Errorf("%s: %v, said %q, want an error about %s", script, err, out, want)
		}
	}
	f.commits()
	// A panic while saving is an error too, and no more than that.
	if out, err := f.sh("bash", "echo panic > $TMPDIR/x; cp $TMPDIR/x prompt.txt"); err == nil || !strings.Contains(out, "Input/output") {
		t.Errorf("panic: %v, said %q, want EIO", err, out)
	}
	if _, err := f.sh("bash", "echo fine > prompt.txt"); err != nil {
		t.Error(err)
	}
	if got := f.commits(); !slices.Equal(got, []string{"prompt.txt=fine\n"}) {
		t.Errorf("saved %q after the panic", got)
	}
}

// start runs a program that waits in a save, and returns when it waits.
func (f *far) start(name string, args ...string) *exec.Cmd {
	f.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = f.path("desk")
	cmd.Stderr = f.t.Output()
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.wait("waiting")
	return cmd
}

// saver is a program that saves "wait" and exits with 0 if that went well. It
// has handlers for the harmless signals, as editors have.
var saver = []string{"-c", `
import os, signal, sys
for s in (signal.SIGWINCH, signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM): signal.signal(s, lambda *a: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
signal.signal(signal.SIGINT, lambda *a: None)
if len(sys.argv) > 1:
    open('temp', 'w').write('wait'); os.rename('temp', 'prompt.txt')
else:
    fd = os.open('prompt.txt', os.O_WRONLY); os.write(fd, b'wait'); os.close(fd)
signal.setitimer(signal.ITIMER_REAL, 0)
`}

func TestSignalsWhileWaiting(t *testing.T) {
	needs(t, "python3")
	f := mountFar(t)
	for _, args := range [][]string{saver, append(slices.Clone(saver), "rename")} {
		// A timer's signal every 10 ms does not end it, a resized window
		// neither.
		cmd := f.start("python3", args...)
		for range 5 {
			cmd.Process.Signal(syscall.SIGWINCH)
		}
		select {
		case e := <-f.events:
			t.Fatalf("a harmless signal ended the wait: %v", e)
		case <-time.After(4 * glance):
		}
		f.do("finish")
		if err := cmd.Wait(); err != nil {
			t.Errorf("program that was let finish: %v", err)
		}
		if got := f.commits(); len(got) == 0 || got[len(got)-1] != "prompt.txt=wait" {
			t.Errorf("saved %q", got)
		}

		// Ctrl-C does, also where the program handles it, after which close
		// has no error: what was begun goes on.
		cmd = f.start("python3", args...)
		cmd.Process.Signal(syscall.SIGWINCH)
		cmd.Process.Signal(syscall.SIGINT)
		f.wait("ended")
		if err := cmd.Wait(); err != nil {
			t.Errorf("interrupted program: %v", err)
		}
		f.commits()

		cmd = f.start("python3", args...)
		cmd.Process.Kill()
		f.wait("ended")
		cmd.Wait()
		f.commits()
	}
}

func TestLookAtAMountWhileASaveWaits(t *testing.T) {
	f := mountFar(t)
	cmd := f.start("bash", "-c", "echo wait > prompt.txt")
	out, err := f.sh("bash", "ls -l . ..; cat ../run/status; echo fine > note && cat note && rm note")
	if err != nil || !strings.Contains(out, "fine") {
		t.Errorf("%v\n%s", err, out)
	}
	f.do("change desk")
	f.do("finish")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestEditors(t *testing.T) {
	f := mountFar(t)
	t.Run("vim", func(t *testing.T) {
		needs(t, "vim")
		f.t = t
		for _, backup := range []string{"set backupcopy=no", "set backupcopy=yes", "set backupcopy=auto", "set nowritebackup"} {
			out, err := f.sh("bash", `vim -u NONE -i NONE -es -c "`+backup+`" -c "normal ia lion" -c wq prompt.txt </dev/null`)
			if err != nil {
				t.Errorf("%s: %v\n%s", backup, err, out)
			}
			var runs []string
			for _, c := range f.commits() {
				if strings.HasPrefix(c, "prompt.txt=") {
					runs = append(runs, c)
				}
			}
			if !slices.Equal(runs, []string{"prompt.txt=a lion\n"}) {
				t.Errorf("%s: saved %q, want one run", backup, runs)
			}
			if left, _ := filepath.Glob(f.path("desk", "*")); len(left) != 1 {
				t.Errorf("%s: left %v", backup, left)
			}
		}
	})
	f.t = t
}
