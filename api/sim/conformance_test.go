package sim

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Replicate's own JavaScript client must find nothing to complain about.
func TestOfficialClient(t *testing.T) {
	if testing.Short() {
		t.Skip("short: installs a package and starts node")
	}
	dir := t.TempDir()
	need(t, "node", "apt-get install nodejs")
	need(t, "npm", "apt-get install npm")
	install := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--silent", "replicate@1.4.0")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		missing(t, "npm install replicate@1.4.0: %v\n%s", err, out)
	}
	script, err := os.ReadFile("testdata/conformance.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// Modules are looked for beside the script.
	at := filepath.Join(dir, "conformance.mjs")
	if err := os.WriteFile(at, script, 0o600); err != nil {
		t.Fatal(err)
	}
	s, v := serve(t, Options{Past: 240, Speed: 50, OutputBase: "https://replicate.delivery"})
	node := exec.CommandContext(t.Context(), "node", at)
	node.Env = append(os.Environ(), "BASE_URL="+v.BaseURL(), "OUTPUT=http://"+v.OutputHost(), "TOKEN="+DemoToken)
	if out, err := node.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got := s.Count("GET", "/v1/streams/*"); got != 1 {
		t.Errorf("%d streams were read, want 1", got)
	}
}

// need skips the test without the tool, except where all tools must be.
func need(t *testing.T, tool, install string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		missing(t, "no tool %s; %s", tool, install)
	}
}

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
