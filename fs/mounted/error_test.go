package mounted_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// What keeps the program from mounting is said in words that tell what to do,
// with an exit status that scripts can ask for.
func TestCannotMount(t *testing.T) {
	refused := func(dir string) mounted.Options { return mounted.Options{Dir: dir} }
	nobody := "127.0.0.1:1"
	tests := []struct {
		name   string
		o      func(t *testing.T) mounted.Options
		status int
		says   []string
	}{
		{"no token", func(t *testing.T) mounted.Options {
			return mounted.Options{Env: []string{"REPLICATE_API_TOKEN="}}
		}, 4, []string{"token", "https://replicate.com/account/api-tokens", "REPLICATE_API_TOKEN"}},
		{"refused token", func(t *testing.T) mounted.Options {
			return mounted.Options{Env: []string{"REPLICATE_API_TOKEN=r8_wrong"}}
		}, 4, []string{"token", "https://replicate.com/account/api-tokens"}},
		{"token file that is missing", func(t *testing.T) mounted.Options {
			return mounted.Options{Flags: []string{"--token-file", "/nowhere/token"}}
		}, 4, []string{"/nowhere/token"}},
		{"unreachable API", func(t *testing.T) mounted.Options {
			return mounted.Options{Env: []string{"REPLICATE_BASE_URL=http://" + nobody + "/v1"}}
		}, 1, []string{nobody, "first use"}},
		{"another server", func(t *testing.T) mounted.Options {
			return mounted.Options{Env: []string{"REPLICATE_BASE_URL=" + serveNothing(t)}}
		}, 1, []string{"account"}},
		{"no URL", func(t *testing.T) mounted.Options {
			return mounted.Options{Flags: []string{"--base-url", "replicate"}}
		}, 2, []string{"replicate"}},
		{"missing folder", func(t *testing.T) mounted.Options { return refused("/nowhere/mnt") }, 1, []string{"/nowhere/mnt", "mkdir"}},
		{"file", func(t *testing.T) mounted.Options { return refused(file(t)) }, 1, []string{"is a file", "empty folder"}},
		{"folder with something in it", func(t *testing.T) mounted.Options { return refused(filepath.Dir(file(t))) }, 1, []string{"something in it", "empty folder"}},
		{"flag that does not exist", func(t *testing.T) mounted.Options {
			return mounted.Options{Flags: []string{"--nonsense"}}
		}, 2, []string{"nonsense"}},
		{"size that is none", func(t *testing.T) mounted.Options {
			return mounted.Options{Flags: []string{"--memory=lots"}}
		}, 2, []string{"--memory", "64MiB"}},
		{"time that is none", func(t *testing.T) mounted.Options {
			return mounted.Options{Flags: []string{"--wait=long"}}
		}, 2, []string{"wait"}},
		{"cache folder that cannot be made", func(t *testing.T) mounted.Options {
			return mounted.Options{Flags: []string{"--cache-dir", file(t) + "/cache"}}
		}, 1, []string{"--cache-dir"}},
	}
	each(t, func(t *testing.T, user mounted.Options) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				o := test.o(t)
				o.User = user.User
				m, err := serve(t).Try(o)
				failure := failed(t, err, test.status, test.says...)
				for _, secret := range []string{sim.DemoToken, "r8_wrong"} {
					if strings.Contains(failure.Said, secret) {
						t.Errorf("the token is shown: %s", failure.Said)
					}
				}
				if out, err := m.Command("ls", "-A", m.Work).Output(); err != nil || len(out) > 0 {
					t.Errorf("it left %q in the folder where it was started", out)
				}
			})
		}
	})
}

// failed checks how the program ended, and what it said.
func failed(t *testing.T, err error, status int, says ...string) *mounted.Failure {
	t.Helper()
	var failure *mounted.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a failure", err)
	}
	if failure.Status != status {
		t.Errorf("exit status %d, want %d", failure.Status, status)
	}
	for _, s := range says {
		if !strings.Contains(failure.Said, s) {
			t.Errorf("it says %q, want it to have %q", failure.Said, s)
		}
	}
	if strings.Contains(failure.Said, "goroutine") {
		t.Errorf("it crashed: %s", failure.Said)
	}
	return failure
}

// file is one with something in it.
func file(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	// Whoever mounts must be able to look at it.
	err := errors.Join(os.Chmod(filepath.Dir(dir), 0o711), os.Chmod(dir, 0o777), os.WriteFile(path, []byte("x"), 0o666))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// serveNothing is the URL of a server that is not Replicate.
func serveNothing(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"))
			c.Close()
		}
	}()
	return "http://" + ln.Addr().String() + "/v1"
}

// A folder on which an account is mounted already is not mounted on again,
// and the mount there is none the worse for it.
func TestAlreadyMounted(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		m := a.Mount(o)
		o.Dir = m.Dir
		_, err := serve(t).Try(o)
		failed(t, err, 1, "already mounted", m.Dir, "unmount")
		if got := sh(t, m, `ls "$M"`); !has(got, "README.md") {
			t.Errorf("afterwards the mount has %q", got)
		}
	})
}

// Two mounts of one account at the same time share what they know, or at
// least do not harm each other.
func TestTwoMountsOfOneAccount(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		id, path := addBlob(a, 3*mib)
		one := a.Mount(o)
		o.Flags = []string{"--cache-dir", one.Data}
		two := a.Mount(o)
		for _, m := range []*mounted.Mount{one, two} {
			output(t, m.Command("cmp", m.Path(path), truth(t, m, id, 3*mib)))
		}
		sh(t, one, `echo "a lion" | tee "$M/`+painter+`/prompt.txt" > /dev/null`)
		sh(t, two, `echo "a lamb" | tee "$M/`+painter+`/prompt.txt" > /dev/null`)
		if got := a.Creates(); got != 2 {
			t.Errorf("%d runs, want 2", got)
		}
	})
}

// Usage is exit status 2, with a line that says what was wrong.
func TestUsage(t *testing.T) {
	t.Parallel()
	program := mounted.Program(t)
	for _, test := range []struct {
		args string
		says string
	}{
		{"mount", "one folder"},
		{"mount a b", "one folder"},
		{"mount a --wait=1s", "--wait=1s comes too late"},
		{"demo a --read-only", "--read-only comes too late"},
		{"nonsense", `no command "nonsense"`},
		{"mount --log-level=loud a", "--log-level"},
		{"mount --umask=9 a", "--umask"},
		{"mount --uid=nobody-here a", "--uid"},
		{"unmount", "one folder"},
		{"sim x", "flags only"},
	} {
		cmd := exec.Command(program, strings.Fields(test.args)...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "REPLICATE_API_TOKEN=" + sim.DemoToken}
		cmd.Dir = t.TempDir()
		var said strings.Builder
		cmd.Stderr = &said
		cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != 2 || !strings.Contains(said.String(), test.says) {
			t.Errorf("replicatefs %s: exit status %d, %q; want 2 and %q", test.args, got, said.String(), test.says)
		}
	}
}

// Without FUSE the exit status is 3, and the message says how to get it.
func TestNoFUSE(t *testing.T) {
	t.Parallel()
	const user = "exec setpriv --reuid 65534 --regid 65534 --clear-groups"
	for _, test := range []struct{ name, hide, as, says string }{
		{"no device", `mount -t tmpfs none /dev`, "exec", "modprobe fuse"},
		{"a device without a driver", `mount -t tmpfs none /dev; mknod /dev/fuse c 10 255`, "exec", "modprobe fuse"},
		{"a device that is closed to users", `mount -t tmpfs none /dev; mknod -m 600 /dev/fuse c 10 229`, user, "chmod 0666 /dev/fuse"},
		{"no helper", `for f in /bin/fusermount3 /bin/fusermount; do test ! -e $f || mount --bind /dev/null $f; done; ` +
			`mount -t tmpfs none /dev; mknod /dev/fuse c 10 229; chmod 666 /dev/fuse`, user, "apt install fuse3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if os.Geteuid() != 0 {
				t.Skip("only root can hide files from a program")
			}
			mounted.Need(t, "apt install util-linux", "unshare")
			mounted.Need(t, "apt install util-linux", "setpriv")
			a := serve(t)
			m := a.Mount(mounted.Options{User: true}) // for its folders and environment
			m.Stop()
			cmd := exec.Command("unshare", "--mount", "sh", "-euc", letGo+`
				rm -rf "$HOME/.local" "$HOME/.cache" # the user's, and here it may be root
				`+test.hide+`
				`+test.as+` "$0" mount "$1"`, mounted.Program(t), m.Dir)
			cmd.Env = append(m.Command("true").Env, "REPLICATE_API_TOKEN="+sim.DemoToken, "REPLICATE_BASE_URL="+a.Server.BaseURL())
			cmd.Dir = m.Work
			out, err := cmd.CombinedOutput()
			var ended *exec.ExitError
			if !errors.As(err, &ended) || ended.ExitCode() != 3 || !strings.Contains(string(out), test.says) {
				t.Errorf("%v, %q; want exit status 3 and %q", err, out, test.says)
			}
		})
	}
}

// unmount ends the program, and says so where nothing is mounted.
func TestUnmount(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		m := serve(t).Mount(o)
		program := mounted.Program(t)
		output(t, m.Command(program, "unmount", m.Dir))
		<-m.Done()
		if out, err := m.Command(program, "unmount", m.Dir).CombinedOutput(); err == nil || !strings.Contains(string(out), m.Dir) {
			t.Errorf("unmount of what is not mounted: %v, %q", err, out)
		}
		if out, err := m.Command(program, "unmount", "/").CombinedOutput(); err == nil || !strings.Contains(string(out), "not a mounted account") {
			t.Errorf("unmount of /: %v, %q", err, out)
		}
	})
}

// Interrupted while a program has a file open, the mount goes away for all
// others at once, and the program ends.
func TestStopInUse(t *testing.T) {
	t.Parallel()
	a := serve(t)
	_, path := addBlob(a, 100)
	m := a.Mount(mounted.Options{})
	f, err := os.Open(m.Path(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	mounted.Until(t, "the mount is gone", func() bool {
		_, err := os.Stat(m.Path("README.md"))
		return errors.Is(err, os.ErrNotExist)
	})
	f.Close()
	<-m.Done()
}
