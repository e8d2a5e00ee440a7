package command

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"replicatefs/api/sim"
)

// settings writes a configuration file where it is looked for.
func settings(t *testing.T, lines string) (file string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	file = filepath.Join(dir, "replicatefs", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A mistake in the file is told with its line, before anything else happens.
func TestSettingsMistakes(t *testing.T) {
	t.Setenv("REPLICATE_API_TOKEN", "")
	for _, test := range []struct{ lines, says string }{
		{"memory: 64MiB\nwiat: 3s\n", "config.yaml:2: there is no setting wiat; did you mean wait?"},
		{"cache_size: 1GiB\n", "config.yaml:1: there is no setting cache_size; did you mean cache-size?"},
		{"\n# so\nwait: soon\n", `config.yaml:3: wait: "soon" is not a time such as 90s`},
		{"wait: 60\n", `"60" is not a time such as 90s`},
		{"cancel-after: 1s", "config.yaml:1: cancel-after: 1s: want 5s to 24h"},
		{"cache-size: lots\n", "config.yaml:1: cache-size: lots: want a size such as 64MiB"},
		{"umask: 999\n", "config.yaml:1: umask: 999: want an octal number such as 0022"},
		{"read-only: maybe\n", `read-only: "maybe" is not true or false`},
		{"max-runs: [1, 2]\n", "config.yaml:1: max-runs: want a number"},
		{"poll:\n", "config.yaml:1: poll: want a time"},
		{"poll: 1s\npoll: 2s\n", "config.yaml:2: poll is there twice"},
		{"wait\n", `want lines such as "cache-size: 20GiB"`},
		{"wait: [\n", "config.yaml: yaml: line"},
		{"token: r8_secret\n", "run replicatefs login"},
		{"log-format: xml\n", "config.yaml:1: log-format: xml: want text or json"},
		{"log-file: /nonexistent/log\n", "/nonexistent/log"},
		{"seed: five\n", "seed"}, // of another command
	} {
		settings(t, test.lines)
		status, _, said := run(t, "mount", "dir")
		if test.lines == "seed: five\n" {
			if status != exitToken { // it is not ours to read
				t.Errorf("%q: status %d, %s", test.lines, status, said)
			}
			continue
		}
		if status == 0 || status == exitToken || !strings.Contains(said, test.says) || strings.Contains(said, "r8_secret") {
			t.Errorf("%q: status %d, says %q, want %q", test.lines, status, said, test.says)
		}
	}
	if status, _, said := run(t, "mount", "--config", "/nonexistent.yaml", "dir"); status != exitUsage || !strings.Contains(said, "/nonexistent.yaml") {
		t.Errorf("without the file: status %d, %q", status, said)
	}
	settings(t, "# nothing yet\n")
	if status, _, said := run(t, "mount", "dir"); status != exitToken {
		t.Errorf("nothing but a comment: status %d, %q", status, said)
	}
}

// The command line comes before the environment, that before the file, and
// that before what the program thinks.
func TestSettingsOrder(t *testing.T) {
	account(t, sim.Options{})
	told := func(args ...string) map[string]any {
		t.Helper()
		status, out, said := run(t, append(append([]string{"cat"}, args...), ".replicatefs/config.json")...)
		var all map[string]any
		if err := json.Unmarshal([]byte(out), &all); status != 0 || err != nil {
			t.Fatalf("status %d, %v: %s%s", status, err, out, said)
		}
		return all
	}
	if got := told()["memory"]; got != "256MiB" {
		t.Errorf("by itself: %v", got)
	}
	file := settings(t, "memory: 64MiB\noutput-host: [a.example, b.example]\nlog-level: warn\nwait: 5s # of mount\n")
	t.Setenv("REPLICATEFS_OUTPUT_HOST", "")
	os.Unsetenv("REPLICATEFS_OUTPUT_HOST")
	if got := told(); got["memory"] != "64MiB" || fmt.Sprint(got["output-host"]) != "[a.example b.example]" || got["log-level"] != "warn" {
		t.Errorf("by the file: %v", got)
	}
	t.Setenv("REPLICATEFS_MEMORY", "32MiB")
	if got := told()["memory"]; got != "32MiB" {
		t.Errorf("by the environment: %v", got)
	}
	if got := told("--memory", "16MiB")["memory"]; got != "16MiB" {
		t.Errorf("by the command line: %v", got)
	}
	os.Unsetenv("REPLICATEFS_MEMORY")
	if err := os.Rename(file, file+".other"); err != nil {
		t.Fatal(err)
	}
	if got := told("--config", file+".other")["memory"]; got != "64MiB" {
		t.Errorf("by a file of another name: %v", got)
	}
}

// Every flag can be set in all three ways, and only one has a variable of
// another name.
func TestEveryFlag(t *testing.T) {
	var walk func(path string, commands []*cli.Command)
	walk = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			for _, f := range c.Flags {
				name := f.Names()[0]
				if name == "help" || c.Name == "fetch" && name == "keep" { // which is another thing than mount's
					continue
				}
				variables := f.(cli.DocGenerationFlag).GetEnvVars()
				want := "REPLICATEFS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
				if name == "base-url" {
					want = "REPLICATE_BASE_URL"
				}
				if len(variables) == 0 || variables[0] != want {
					t.Errorf("%s%s --%s has the variables %v, want %s", path, c.Name, name, variables, want)
				}
			}
			walk(path+c.Name+" ", c.Subcommands)
		}
	}
	walk("", commands())
}

// The log goes to a file of its owner's, in the form asked for, and the mount
// shows the newest of it.
func TestLogFile(t *testing.T) {
	account(t, sim.Options{})
	file := filepath.Join(t.TempDir(), "log")
	status, out, said := run(t, "cat", "--log-level=debug", "--log-format=json", "--log-file", file, "models/acme/puppet/schema.json", ".replicatefs/log")
	if status != 0 || said != "" {
		t.Fatalf("status %d, %q", status, said)
	}
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		var l struct{ Level, Msg, Time string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Level == "" || l.Msg == "" || l.Time == "" {
			t.Errorf("%q is no line of a JSON log: %v", line, err)
		}
	}
	first, _, _ := strings.Cut(string(log), "\n")
	if first == "" || !strings.Contains(out, first) {
		t.Errorf("the mount does not show %q", first)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// The memory of a log is bounded, begins with a whole line and ends with the
// newest one.
func TestLogTail(t *testing.T) {
	var all strings.Builder
	j := &journal{to: &all}
	for i := range 20000 {
		fmt.Fprintf(j, "line %d\n", i)
	}
	tail := string(j.tail())
	if len(tail) > 2*maxRecent || !strings.HasPrefix(tail, "line ") || !strings.HasSuffix(all.String(), "\n"+tail) {
		t.Errorf("%d bytes: %.20q … of %d", len(tail), tail, all.Len())
	}
}
