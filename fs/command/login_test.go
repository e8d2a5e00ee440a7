package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/api/sim"
)

// runIn is run with something piped in.
func runIn(t *testing.T, in string, args ...string) (status int, out, said string) {
	t.Helper()
	var o, e bytes.Buffer
	status = Run(t.Context(), append([]string{"replicatefs"}, args...), strings.NewReader(in), &o, &e)
	return status, o.String(), e.String()
}

// stored are the files that login has made.
func stored(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "replicatefs", "tokens", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A token that is logged in with is stored for its owner alone, used by the
// other commands, and forgotten by logout.
func TestLogin(t *testing.T) {
	account(t, sim.Options{Account: "ann"})
	t.Setenv("REPLICATE_API_TOKEN", "")
	if status, _, said := run(t, "ls"); status != exitToken || !strings.Contains(said, "replicatefs login") {
		t.Errorf("without a token: status %d, %q", status, said)
	}
	status, out, said := runIn(t, "  "+sim.DemoToken+"\n", "login")
	if status != 0 || !strings.Contains(out, "Logged in as ann") || strings.Contains(out+said, sim.DemoToken) {
		t.Fatalf("status %d, %q, %q", status, out, said)
	}
	files := stored(t)
	if len(files) != 1 {
		t.Fatalf("stored in %v", files)
	}
	st, err := os.Stat(files[0])
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if dir, err := os.Stat(filepath.Dir(files[0])); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("mode of the folder %v, %v", dir.Mode(), err)
	}
	if status, out, said := run(t, "ls"); status != 0 || !strings.Contains(out, "predictions") {
		t.Errorf("with the stored token: status %d, %q, %q", status, out, said)
	}
	if _, out, _ := runIn(t, sim.DemoToken, "login"); !strings.Contains(out, "replaced") {
		t.Errorf("again: %q", out)
	}
	// The stored one comes last, and belongs to one base URL.
	t.Setenv("REPLICATE_API_TOKEN", "r8_wrong")
	if status, _, _ := run(t, "ls"); status != exitToken {
		t.Errorf("with a wrong token in the environment: status %d", status)
	}
	t.Setenv("REPLICATE_API_TOKEN", "")
	if status, _, said := run(t, "ls", "--base-url", "https://other.example/v1"); status != exitToken || !strings.Contains(said, "logged in") {
		t.Errorf("elsewhere: status %d, %q", status, said)
	}
	if status, out, _ := run(t, "logout"); status != 0 || !strings.Contains(out, "forgotten") || len(stored(t)) != 0 {
		t.Errorf("logout: status %d, %q, left %v", status, out, stored(t))
	}
	if status, out, _ := run(t, "logout"); status != 0 || !strings.Contains(out, "No token is stored") {
		t.Errorf("logout again: status %d, %q", status, out)
	}
}

// What cannot be checked is not stored, nor does it replace what is.
func TestLoginRefused(t *testing.T) {
	s := account(t, sim.Options{})
	t.Setenv("REPLICATE_API_TOKEN", "")
	for _, test := range []struct {
		in     string
		status int
		says   string
	}{
		{"r8_wrong\n", exitToken, "api-tokens"},
		{"", exitToken, "nothing was given"},
		{"two words\n", exitToken, "not one word"},
	} {
		status, _, said := runIn(t, test.in, "login")
		if status != test.status || !strings.Contains(said, test.says) || strings.Contains(said, "r8_wrong") || len(stored(t)) != 0 {
			t.Errorf("%q: status %d, %q, stored %v", test.in, status, said, stored(t))
		}
	}
	status, _, said := runIn(t, "", "login", "r8_typed")
	if status != exitUsage || strings.Contains(said, "r8_typed") || !strings.Contains(said, "pipe") {
		t.Errorf("a token as an argument: status %d, %q", status, said)
	}
	if status, _, said := runIn(t, sim.DemoToken, "login"); status != 0 {
		t.Fatal(said)
	}
	runIn(t, "r8_wrong\n", "login")
	s.Inject(sim.Fault{Path: "*", Status: 503, Times: 1 << 30})
	if status, _, said := runIn(t, "r8_other\n", "login"); status != exitFailed || !strings.Contains(said, "not stored") {
		t.Errorf("without the API: status %d, %q", status, said)
	}
	if b, err := os.ReadFile(stored(t)[0]); err != nil || string(b) != sim.DemoToken+"\n" {
		t.Errorf("the stored token is another one now (%v)", err)
	}
}

// A token-file on the command line comes before the environment, one in the
// settings after it.
func TestTokenOrder(t *testing.T) {
	account(t, sim.Options{})
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("r8_wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings(t, "token-file: "+file+"\n")
	if status, _, said := run(t, "ls"); status != 0 {
		t.Errorf("from the environment: status %d, %q", status, said)
	}
	if status, _, _ := run(t, "ls", "--token-file", file); status != exitToken {
		t.Errorf("from the command line: status %d", status)
	}
	t.Setenv("REPLICATE_API_TOKEN", "")
	if status, _, _ := run(t, "ls"); status != exitToken {
		t.Errorf("from the settings: status %d", status)
	}
}
