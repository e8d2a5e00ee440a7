package fuse

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"replicatefs/fs/tree"
)

// What a process does that a program of the test starts by name.
const daemonVar = "FUSE_TEST_DAEMON"

// hangLimit is how long anything may take that must happen: far longer than it
// does on a busy machine.
const hangLimit = 5 * time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv(daemonVar); dir != "" {
		os.Exit(daemon(dir))
	}
	// A folder of its own tells what is left behind from what others mount.
	dir, err := os.MkdirTemp("", "fuse-test-")
	if err == nil {
		err = os.Chmod(dir, 0o711) // ordinary users pass through
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("TMPDIR", dir)
	code := m.Run()
	if left := ourMounts(); left != "" {
		fmt.Fprintf(os.Stderr, "mounts are left behind:\n%s\n", left)
		code = max(code, 1)
	} else {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// ourMounts returns the lines of mounts in temporary folders of these tests.
func ourMounts() string {
	b, _ := os.ReadFile("/proc/self/mounts")
	var ours strings.Builder
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, " fuse."+fsType+" ") && strings.Contains(line, " "+os.TempDir()+"/Test") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

// canMount skips a test where nothing can be mounted, and fails it in CI,
// where everything must be there.
func canMount(t testing.TB) {
	t.Helper()
	err := usable("/dev/fuse")
	if err == nil && os.Geteuid() != 0 {
		_, err = helper()
	}
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// needs skips a test without a program, and fails it in CI.
func needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing: apt install %s", p, p)
			}
			t.Skipf("%s is missing: apt install %s", p, p)
		}
	}
}

// testLog writes to the test's log.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// mountHere mounts a tree in this process, which is enough for reading.
func mountHere(t testing.TB, root tree.Dir, o Options) (string, *Server) {
	t.Helper()
	canMount(t)
	dir := t.TempDir()
	o.UID, o.GID = uint32(os.Getuid()), uint32(os.Getgid())
	if o.Log == nil {
		o.Log = testLog(t)
	}
	s, err := Mount(dir, root, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
		defer cancel()
		if err := s.Unmount(ctx); err != nil {
			t.Errorf("unmount: %v", err)
			s.Unmount(ctx)
		}
	})
	return dir, s
}

// A far is a tree mounted by a child process. What forks, flushes, maps or
// kills has to be tested on one: a process that waits for its own mount may
// wait for ever.
type far struct {
	t      testing.TB
	dir    string
	cmd    *exec.Cmd
	in     io.WriteCloser
	events chan event

	mu   sync.Mutex // guards seen
	seen []event    // commits, since the last call of commits
}

// mountFar starts a child that mounts the sample tree.
func mountFar(t testing.TB) *far {
	t.Helper()
	canMount(t)
	return mountFarOn(t, t.TempDir())
}

func mountFarOn(t testing.TB, dir string) *far {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := &far{t: t, dir: dir, events: make(chan event, 1000)}
	f.cmd = exec.Command(program)
	f.cmd.Env = append(os.Environ(), daemonVar+"="+dir)
	f.cmd.Stderr = t.Output()
	if f.in, err = f.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(f.events)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			var e event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				e = event{Kind: "garbage", Content: lines.Text()}
			}
			f.events <- e
		}
	}()
	t.Cleanup(func() {
		f.in.Close() // the child then unmounts and ends
		ended := make(chan error, 1)
		go func() { ended <- f.cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(hangLimit):
			t.Error("the child does not end")
			f.cmd.Process.Kill()
			<-ended
		}
		detach(dir, true)
	})
	f.wait("ready")
	return f
}

// wait waits for an event of a kind, or of any if that is "", noting commits on
// the way.
func (f *far) wait(kind string) event {
	f.t.Helper()
	late := time.After(hangLimit)
	for {
		select {
		case e, ok := <-f.events:
			if !ok {
				f.t.Fatalf("the child ended before %q", kind)
			}
			if e.Kind == "commit" {
				f.mu.Lock()
				f.seen = append(f.seen, e)
				f.mu.Unlock()
			}
			if kind == "" || e.Kind == kind {
				return e
			}
		case <-late:
			f.t.Fatalf("no event %q", kind)
		}
	}
}

// do gives the child a command and waits until it is done.
func (f *far) do(command string) event {
	f.t.Helper()
	fmt.Fprintln(f.in, command)
	return f.wait("done")
}

// commits returns what was saved since the last call, "name=content", once no
// file is open and no save is under way.
func (f *far) commits() []string {
	f.t.Helper()
	f.do("settle")
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, e := range f.seen {
		all = append(all, strings.TrimPrefix(e.Name, "desk/")+"="+e.Content)
	}
	f.seen = nil
	return all
}

// sh runs a script in the folder desk of the mount, with bash or another
// shell, and returns its output with how it ended.
func (f *far) sh(shell, script string) (string, error) {
	cmd := exec.Command(shell, "-c", script)
	cmd.Dir = f.dir + "/desk"
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// daemon is the child: it mounts the sample tree and tells its events.
func daemon(dir string) int {
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	tell := func(e event) {
		mu.Lock()
		defer mu.Unlock()
		out.Encode(e)
	}
	s := newSample(tell)
	content, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.extra = append(s.extra, tree.Entry{Name: "program", Node: tree.Bytes(tree.Ino("program"), when, content)})
	srv, err := Mount(dir, s.list, Options{
		UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Whatever becomes of the test, the mount must be taken away.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	finish := make(chan os.Signal, 1)
	signal.Notify(finish, syscall.SIGUSR1)
	go func() {
		for range finish {
			s.done()
		}
	}()
	tell(event{Kind: "ready"})
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		e := event{Kind: "done"}
		switch word, arg, _ := strings.Cut(commands.Text(), " "); word {
		case "settle":
			for srv.Stats().Handles > 0 {
				time.Sleep(time.Millisecond) // the kernel releases when it likes
			}
			srv.b.saves.Wait()
		case "finish":
			s.done()
		case "grow":
			s.grows.add(strings.ReplaceAll(arg, `\n`, "\n"))
		case "nodes":
			e.Content = fmt.Sprint(srv.Stats().Nodes)
		case "infos":
			e.Content = fmt.Sprint(s.infos.Load())
		case "change":
			srv.Notify(tree.Change{Node: tree.Ino(arg), Content: true})
		case "unmount":
			limit := hangLimit
			if arg != "" {
				limit, _ = time.ParseDuration(arg)
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			if err := srv.Unmount(ctx); err != nil {
				e.Err = err.Error()
			}
			cancel()
		}
		tell(e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if srv.Unmount(ctx) != nil {
		srv.Unmount(ctx)
		return 1
	}
	return 0
}

// path joins a path to the mount.
func (f *far) path(elem ...string) string {
	return filepath.Join(append([]string{f.dir}, elem...)...)
}
