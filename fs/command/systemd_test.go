package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/fs/mounted"
)

// The unit is one that systemd understands, whatever the folder is called.
func TestSystemdUnit(t *testing.T) {
	mounted.Need(t, "apt install systemd", "systemd-analyze")
	for _, dir := range []string{"", "/srv/my pictures", `/srv/100% "new"; $HOME`} {
		args := []string{"systemd"}
		if dir != "" {
			args = append(args, dir)
		}
		status, out, said := run(t, args...)
		if status != 0 {
			t.Fatalf("%q: status %d, %s", dir, status, said)
		}
		file := filepath.Join(t.TempDir(), "replicatefs.service")
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("systemd-analyze", "verify", "--user", "--man=no", "--recursive-errors=no", file)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir(), "HOME="+t.TempDir())
		verdict, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(verdict), "replicatefs.service") {
			t.Errorf("%q: %v: %s\n%s", dir, err, verdict, out)
		}
		if !strings.Contains(out, "Type=notify\n") || !strings.Contains(out, "ExecStart=/") {
			t.Errorf("%q: %s", dir, out)
		}
	}
}
