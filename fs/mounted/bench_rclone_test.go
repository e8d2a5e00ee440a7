package mounted_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicatefs/fs/mounted"
)

// An rclone is one to be measured beside. Distributions have old ones, so
// there may be two: the one in PATH, and the one that RCLONE names.
type rclone struct {
	path  string
	unit  string // of the ratio to it: "x-rclone", and for the one in PATH beside another "x-rclone-" and its version
	flags string // all that it knows
}

// rclones are those that there are, the one that RCLONE names first.
func rclones(b *testing.B) []rclone {
	b.Helper()
	var all []rclone
	for _, path := range []string{os.Getenv("RCLONE"), "rclone"} {
		if path == "" {
			continue
		}
		if _, err := exec.LookPath(path); err != nil && len(all) > 0 {
			continue
		}
		mounted.Need(b, "apt install rclone, or go install github.com/rclone/rclone@latest", path)
		r := rclone{path: path, unit: "x-rclone"}
		version, err := exec.Command(path, "version").Output()
		if err != nil {
			b.Fatal(err)
		}
		if len(all) > 0 {
			r.unit += "-" + strings.TrimPrefix(strings.Fields(string(version))[1], "v")
		}
		for _, help := range [][]string{{"help", "flags"}, {"mount", "--help"}} {
			flags, err := exec.Command(path, help...).Output()
			if err != nil {
				b.Fatal(err)
			}
			r.flags += string(flags)
		}
		all = append(all, r)
	}
	return all
}

// mount mounts what, and returns the folder. Of options, which are flags each
// with its value, those that it is too old for are left out.
func (r rclone) mount(b *testing.B, user bool, what string, options ...[2]string) (dir string, end func()) {
	b.Helper()
	dir, err := os.MkdirTemp("", "rclone-")
	if err != nil {
		b.Fatal(err)
	}
	args := []string{"mount", what, dir, "--config", "/dev/null", "--read-only"}
	for _, o := range options {
		if strings.Contains(r.flags, o[0]+" ") {
			args = append(args, o[0], o[1])
		}
	}
	cmd := exec.Command(r.path, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	if user {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			b.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		table, _ := os.ReadFile("/proc/self/mounts")
		if strings.Contains(string(table), " "+dir+" ") {
			break
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			cmd.Wait()
			b.Fatalf("%s does not mount: %s", r.path, said.String())
		}
	}
	return dir, func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}
}
