package mounted

import (
	"errors"
	"flag"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// root is the folder in which everything of this test process is, so that
// what is left behind can be told from what others do at the same time.
var root string

// atOnce is how many parallel tests run at the same time.
const atOnce = 8

// Main runs the tests of a package that mounts, and ends the process: call it
// from TestMain. Nothing may be left mounted afterwards.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "replicatefs-test-")
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir) // /proc/self/mounts tells no links
	}
	if err == nil {
		err = os.Chmod(dir, 0o711) // ordinary users pass through
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	root = dir
	os.Setenv("TMPDIR", dir)
	for _, s := range []os.Signal{syscall.SIGHUP, os.Interrupt} {
		if signal.Ignored(s) { // by nohup, or by a shell in the background, and the programs would ignore it as well
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set(strconv.Itoa(atOnce)) // tests that mount wait more than they work
	}
	status := m.Run()
	for _, left := range mountsIn(dir) {
		fmt.Fprintf(os.Stderr, "a test left a mount on %s\n", left)
		detach(left)
		status = max(status, 1)
	}
	if len(mountsIn(dir)) == 0 { // else what is in the mounts would go as well
		os.RemoveAll(dir)
	}
	return status
}

// Program is the path of the program, built once from the sources around the
// test; with the race detector, if the test has it.
func Program(tb testing.TB) string {
	tb.Helper()
	if root == "" {
		tb.Fatal("TestMain must call mounted.Main")
	}
	path, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(root, "replicatefs")
	args := []string{"build", "-o", path}
	if Race {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "replicatefs")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, errors.Join(lookAtSources(), os.Chmod(path, 0o755))
})

// lookAtSources opens each folder that the program is made from: what a test
// opens decides whether its last result still holds, and go test cannot see
// that the program belongs to that.
func lookAtSources() error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "replicatefs").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	return filepath.WalkDir(strings.TrimSpace(string(out)), func(path string, d iofs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
}
