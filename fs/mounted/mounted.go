// Package mounted runs the program as a person does, for tests and benchmarks:
// a process of its own, mounted on a folder, with an account behind it. The
// account is a simulated one (api/sim) that lives in the test's process, so
// that a test sees every request, breaks what it wants to break and counts
// what was paid for. The process must be another one: a program that uses its
// own mount can wait for itself for good.
//
//	account := mounted.Serve(t, sim.Options{})
//	m := account.Mount(mounted.Options{})
//	out, err := m.Command("cat", m.Path("account.json")).Output()
//
// A Mount can be stopped, killed and started again on the same data. At the
// end of the test it is stopped, and must then have ended well, unmounted and
// without a data race; the whole is a part of every test that uses it.
//
// What a machine lacks for this, the device or a helper program, skips a test
// with the line that gets it. Under CI=true it fails instead: there, nothing
// may be left out unseen.
package mounted

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
)

// An Account is a simulated account that is served on loopback until the end
// of the test.
type Account struct {
	*sim.Sim
	Server *sim.Server

	addr string // of the API
	tb   testing.TB
}

// Serve makes one. Runs are over at once unless o.Speed says otherwise.
func Serve(tb testing.TB, o sim.Options) *Account {
	tb.Helper()
	if o.Speed == 0 {
		o.Speed = sim.Instant
	}
	s := sim.New(o)
	addr, free, err := reserve()
	if err != nil {
		tb.Fatal(err)
	}
	a := &Account{Sim: s, addr: addr, tb: tb}
	a.serve()
	tb.Cleanup(func() {
		a.Server.Close()
		s.Close()
		if err := free(); err != nil {
			tb.Error(err)
		}
		if leaks := s.Leaks(); len(leaks) > 0 {
			tb.Errorf("the token reached other hosts: %v", leaks)
		}
	})
	return a
}

// serve begins to serve the account.
func (a *Account) serve() {
	a.tb.Helper()
	// Not until tb.Context ends, which is before the mounts on it are stopped.
	server, err := a.Sim.Serve(context.WithoutCancel(a.tb.Context()), a.addr)
	if err != nil {
		a.tb.Fatal(err)
	}
	a.Server = server
}

// Restart ends the server in the middle of what it does and, after meanwhile,
// starts another for the same account at the same address. Between the two,
// connections to the API are refused.
func (a *Account) Restart(meanwhile func()) {
	a.tb.Helper()
	a.Server.Close()
	meanwhile()
	a.serve()
}

// Options say how an account is mounted.
type Options struct {
	User  bool     // by an ordinary user; else by whoever runs the test
	Flags []string // of the mount command
	Env   []string // beside or instead of what Mount sets
	Dir   string   // where; default a new folder
}

// A Mount is the program at work, or stopped for a while.
type Mount struct {
	*Account
	Dir  string // the mounted folder
	Data string // everything local that the program keeps
	Work string // an empty folder, in which commands run

	tb   testing.TB
	o    Options
	user identity
	*process
	undead *process // was killed, and could not end
}

// A Failure is a program that ended before anything was mounted.
type Failure struct {
	Status int    // of the exit
	Said   string // on standard error
}

func (f *Failure) Error() string { return fmt.Sprintf("exit status %d: %s", f.Status, f.Said) }

// Mount mounts the account, until the end of the test.
func (a *Account) Mount(o Options) *Mount {
	a.tb.Helper()
	m, err := a.Try(o)
	if err != nil {
		a.tb.Fatalf("mount: %v", err)
	}
	return m
}

// Try is Mount for those who expect a *Failure.
func (a *Account) Try(o Options) (*Mount, error) {
	a.tb.Helper()
	NeedFUSE(a.tb, o.User)
	m := &Mount{Account: a, tb: a.tb, o: o, user: self()}
	if o.User && os.Geteuid() == 0 {
		m.user = nobody
	}
	base := m.folder(a.tb.TempDir())
	// The folder above is for its owner alone, and the user must get through.
	if err := os.Chmod(filepath.Dir(base), 0o711); err != nil {
		a.tb.Fatal(err)
	}
	m.Data, m.Work = m.folder(filepath.Join(base, "data")), m.folder(filepath.Join(base, "work"))
	if m.Dir = o.Dir; o.Dir == "" {
		m.Dir = m.folder(filepath.Join(base, "mnt"))
	}
	a.tb.Cleanup(m.cleanup)
	return m, m.Start()
}

// folder makes a folder of the one who mounts.
func (m *Mount) folder(dir string) string {
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chown(dir, m.user.uid, m.user.gid)); err != nil {
		m.tb.Fatal(err)
	}
	return dir
}

// Path is a path in the mount.
func (m *Mount) Path(elem ...string) string {
	return filepath.Join(append([]string{m.Dir}, elem...)...)
}

// Command is a command that runs as the one who mounted, in Work, with the
// folder as $M, and is killed after Patience. An ordinary user's mount is
// closed to everybody else, the test included.
func (m *Mount) Command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.tb.Context()), Patience)
	m.tb.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = m.Work
	cmd.Env = m.environ("M=" + m.Dir)
	cmd.SysProcAttr = attributes(m.user)
	cmd.WaitDelay = time.Minute
	return cmd
}

// environ is the environment of what runs as the one who mounted.
func (m *Mount) environ(more ...string) []string {
	env := []string{"HOME=" + m.Work, "LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb", "PATH=" + os.Getenv("PATH")}
	if m.user != self() {
		env = append(env, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
	}
	return append(env, more...)
}

// arguments are those of the program.
func (m *Mount) arguments() []string {
	args := []string{"mount", "--output-host", m.Server.OutputHost(), "--cache-dir", m.Data}
	return append(append(args, m.o.Flags...), m.Dir)
}

// Start starts the program again, with other flags if there are any, and
// waits until the folder is mounted. What was left behind by Kill it has to
// take over.
func (m *Mount) Start(flags ...string) error {
	m.tb.Helper()
	if len(flags) > 0 {
		m.o.Flags = flags
	}
	env := m.environ("REPLICATE_BASE_URL="+m.Server.BaseURL(), "REPLICATE_API_TOKEN="+sim.DemoToken)
	if cert := m.Server.PEM(); cert != nil {
		path := filepath.Join(m.Work, "ca.pem")
		if err := os.WriteFile(path, cert, 0o644); err != nil {
			return err
		}
		env = append(env, "SSL_CERT_FILE="+path)
	}
	p, err := start(Program(m.tb), m.arguments(), append(env, m.o.Env...), m.user, "Mounted the account")
	if p != nil {
		m.process = p
	}
	if old := m.undead; old != nil && err == nil {
		m.undead = nil
		if err := old.kill(); err != nil {
			m.tb.Errorf("the mount was taken over: %v", err)
		}
	}
	return err
}

// Remount stops the program, if it runs, and starts it again.
func (m *Mount) Remount(flags ...string) {
	m.tb.Helper()
	if m.running() {
		m.Stop()
	}
	if err := m.Start(flags...); err != nil {
		m.tb.Fatalf("mount again: %v", err)
	}
}

// Forget removes what the program keeps, as if it were on another machine.
func (m *Mount) Forget() {
	m.tb.Helper()
	if err := os.RemoveAll(m.Data); err != nil {
		m.tb.Fatal(err)
	}
	m.folder(m.Data)
}

// Stop interrupts the program, as Ctrl-C does, and waits for its end: with
// status 0, and nothing left mounted.
func (m *Mount) Stop() {
	m.tb.Helper()
	if err := m.interrupt(); err != nil {
		m.tb.Errorf("the program did not end well: %v\n%s", err, m.Log())
	}
	if m.mounted() {
		m.tb.Errorf("%s is still mounted after the program ended", m.Dir)
	}
}

// Kill ends the program as a crash does. The dead mount stays. In a window of
// microseconds a killed program cannot end, as long as its mount is there; it
// must then at the latest when the next Start has taken the mount over.
func (m *Mount) Kill() {
	m.tb.Helper()
	if err := m.kill(); err != nil {
		m.tb.Logf("the next mount has to free it: %v", err)
		m.undead = m.process
	}
}

// release makes the kernel let go of the mount, and of a program that cannot
// die because of it.
func (m *Mount) release() {
	if m.mounted() {
		if err := detach(m.Dir); err != nil {
			m.tb.Errorf("a mount is left behind: %v", err)
		}
	}
	for _, p := range []*process{m.process, m.undead} {
		if p == nil {
			continue
		}
		if err := p.kill(); err != nil {
			m.tb.Errorf("a process is left behind: %v", err)
		}
	}
}

// cleanup leaves nothing behind, whatever happened.
func (m *Mount) cleanup() {
	if m.process == nil {
		return
	}
	if m.running() {
		m.Stop()
	}
	m.release()
	log := m.Log()
	for _, bad := range []string{"DATA RACE", "panic"} {
		if strings.Contains(log, bad) {
			m.tb.Errorf("%s in the program:\n%s", bad, log)
			return
		}
	}
	if m.tb.Failed() && log != "" {
		m.tb.Logf("the program said:\n%s", log)
	}
}

// Until waits for something to become true, and fails the test if it does not.
func Until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	late := time.After(Patience)
	for !is() {
		select {
		case <-late:
			tb.Fatalf("waited in vain until %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// mounted tells whether anything is mounted on the folder.
func (m *Mount) mounted() bool { return len(mountsIn(m.Dir)) > 0 }

// identity is whom a process runs as.
type identity struct{ uid, gid int }

// nobody is the ordinary user.
var nobody = identity{65534, 65534}

func self() identity { return identity{os.Getuid(), os.Getgid()} }
