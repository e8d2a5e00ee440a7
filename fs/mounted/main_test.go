package mounted_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs"
	"replicatefs/fs/mounted"
)

// The tests here use a mount by programs, as people do: by shells, editors
// and copying programs, and by the children below, which do what no program
// at hand does.

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childKey)]; child != nil {
		if err := child(os.Args[1:]...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	mounted.Main(m)
}

// childKey is the variable that makes the test's own file another program.
const childKey = "MOUNTED_CHILD"

// child is one of them, as a command of the one who mounted.
func child(m *mounted.Mount, name string, args ...string) *exec.Cmd {
	// By this name also a user can run it to whom the folder of the test's
	// own file is closed.
	cmd := m.Command("/proc/self/exe", args...)
	cmd.Env = append(cmd.Env, childKey+"="+name)
	return cmd
}

// each runs a test once on the mount of whoever runs the tests, which is root
// in most containers, and once on that of an ordinary user.
func each(t *testing.T, test func(t *testing.T, o mounted.Options)) {
	if os.Geteuid() == 0 {
		t.Run("root", func(t *testing.T) {
			t.Parallel()
			test(t, mounted.Options{})
		})
	}
	t.Run("user", func(t *testing.T) {
		t.Parallel()
		test(t, mounted.Options{User: true})
	})
}

// sh runs a script, in which $M is the mounted folder, and returns what it
// prints. It must succeed.
func sh(t *testing.T, m *mounted.Mount, script string) string {
	t.Helper()
	return output(t, m.Command("sh", "-euc", script))
}

// statsOf is what a mount tells of itself.
func statsOf(t *testing.T, m *mounted.Mount) (stats fs.Stats) {
	t.Helper()
	if err := json.Unmarshal([]byte(sh(t, m, `cat "$M/.replicatefs/stats.json"`)), &stats); err != nil {
		t.Fatal(err)
	}
	return stats
}

// output runs a command that must succeed, and returns what it prints.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, said.Bytes())
	}
	return string(out)
}

// fails runs a script that must not succeed, and returns everything that it
// prints.
func fails(t *testing.T, m *mounted.Mount, script string) string {
	t.Helper()
	out, err := m.Command("sh", "-euc", script).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		t.Fatalf("%s: %v, want it to fail\n%s", script, err, out)
	}
	return string(out)
}

// letGo begins a script in a mount namespace of its own. That has copies of all
// mounts, and would keep those of other tests alive; some go by themselves.
const letGo = `grep ' fuse.replicatefs ' /proc/self/mounts | cut -d ' ' -f 2 | while read -r dir; do
	umount -l "$dir" || ! grep -q " $dir fuse.replicatefs " /proc/self/mounts
done
`

// has reports whether a list of lines has one.
func has(lines, line string) bool {
	for l := range strings.Lines(lines) {
		if strings.TrimSuffix(l, "\n") == line {
			return true
		}
	}
	return false
}

// Folders of models.
const (
	painter = "models/black-forest-labs/flux-schnell"
	talker  = "models/meta/meta-llama-3-8b-instruct"
	puppet  = "models/acme/puppet"
)

// serve is an account without a past, whose runs end at once.
func serve(t *testing.T) *mounted.Account { return mounted.Serve(t, sim.Options{}) }

// serveSlow is one whose runs take their time: those of the puppet, until the
// test ends them.
func serveSlow(t *testing.T) *mounted.Account { return mounted.Serve(t, sim.Options{Speed: 1}) }

// difference shows the lines that two texts do not share.
func difference(want, got string) string {
	var b strings.Builder
	for l := range strings.Lines(want) {
		if !has(got, strings.TrimSuffix(l, "\n")) {
			b.WriteString("- " + l)
		}
	}
	for l := range strings.Lines(got) {
		if !has(want, strings.TrimSuffix(l, "\n")) {
			b.WriteString("+ " + l)
		}
	}
	return b.String()
}
