package command

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/fs/mounted"
)

// TestMain makes the test's own file the program, for shells that run it.
func TestMain(m *testing.M) {
	if os.Getenv("REPLICATEFS_TEST_PROGRAM") != "" {
		os.Exit(Run(context.Background(), append([]string{"replicatefs"}, os.Args[1:]...), os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// shell is a command in which replicatefs is a program, with two folders and
// what completes in place.
func shell(t *testing.T, name string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := run(t, "completion", name)
	for file, err := range map[string]error{
		"replicatefs": os.Symlink(self, filepath.Join(dir, "replicatefs")),
		"script":      os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600),
		"replicate":   os.Mkdir(filepath.Join(dir, "replicate"), 0o700),
	} {
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "REPLICATEFS_TEST_PROGRAM=1", "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_CONFIG_HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// completed are lines to complete, the last word of which is being typed, and
// an answer among those that there are.
var completed = []struct{ line, has, hasNot string }{
	{"replicatefs mo", "mount", "unmount"},
	{"replicatefs ", "doctor", "--wait"},
	{"replicatefs mount --wa", "--wait", "--umask"},
	{"replicatefs mount --log-f", "--log-format", "--wait"},
	{"replicatefs completion ", "fish", "mount"},
	{"replicatefs cache v", "verify", "prune"},
}

func TestBashCompletion(t *testing.T) {
	mounted.Need(t, "apt install bash", "bash")
	for _, test := range completed {
		out := shell(t, "bash", "-c", `
			source ./script
			read -ra COMP_WORDS <<< "$1"
			[[ $1 == *' ' ]] && COMP_WORDS+=("")
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			_replicatefs
			printf '%s\n' "${COMPREPLY[@]}"`, "bash", test.line)
		answers := strings.Fields(out)
		if !contains(answers, test.has) || contains(answers, test.hasNot) {
			t.Errorf("%q: %q, want %s and not %s", test.line, answers, test.has, test.hasNot)
		}
	}
	// Folders are for the shell to know, and nothing is done behind --.
	for _, line := range []string{`"mount" "re"`, `"unmount" "--" "re"`} {
		out := shell(t, "bash", "-c", `source ./script; COMP_WORDS=(replicatefs `+line+`); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _replicatefs; echo "${#COMPREPLY[@]}"; complete -p replicatefs`)
		if !strings.HasPrefix(out, "0\n") || !strings.Contains(out, "-o default") {
			t.Errorf("%s: %q", line, out)
		}
	}
}

func TestZshCompletion(t *testing.T) {
	mounted.Need(t, "apt install zsh", "zsh")
	for _, test := range completed {
		// _describe is what shows answers; here it prints them.
		out := shell(t, "zsh", "-fc", `
			compdef() { :; }
			_describe() { print -l -- ${(P)2}; }
			_files() { print -l -- *; }
			source ./script
			words=(${(s: :)1}); [[ $1 == *' ' ]] && words+=("")
			CURRENT=$#words
			_replicatefs`, "zsh", test.line)
		var answers []string
		for line := range strings.Lines(out) {
			answer, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			answers = append(answers, answer)
		}
		// zsh filters by itself.
		if !contains(answers, test.has) || strings.HasPrefix(test.hasNot, "--") && contains(answers, test.hasNot) {
			t.Errorf("%q: %q, want %s and not %s", test.line, answers, test.has, test.hasNot)
		}
	}
	if out := shell(t, "zsh", "-fc", `autoload -Uz compinit; compinit -u -D; source ./script; print $_comps[replicatefs]`); strings.TrimSpace(out) != "_replicatefs" {
		t.Errorf("in a real zsh: %q", out)
	}
}

func TestFishCompletion(t *testing.T) {
	mounted.Need(t, "apt install fish", "fish")
	for _, test := range completed {
		out := shell(t, "fish", "--no-config", "-c", `source ./script; complete -C $argv[1]`, test.line)
		var answers []string
		for line := range strings.Lines(out) {
			answers = append(answers, strings.Fields(line)[0])
		}
		if !contains(answers, test.has) || contains(answers, test.hasNot) {
			t.Errorf("%q: %q, want %s and not %s", test.line, answers, test.has, test.hasNot)
		}
	}
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// The manual is one that man and mandoc take without a complaint, and has every
// command with its examples.
func TestManual(t *testing.T) {
	status, page, said := run(t, "man")
	if status != 0 {
		t.Fatal(said)
	}
	file := filepath.Join(t.TempDir(), "replicatefs.1")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	mounted.Need(t, "apt install man-db", "man")
	cmd := exec.Command("man", "--warnings", "-l", "-P", "cat", file)
	cmd.Env = append(os.Environ(), "MANWIDTH=120", "MAN_KEEP_FORMATTING=", "LC_ALL=C.UTF-8")
	var warnings strings.Builder
	cmd.Stderr = &warnings
	shown, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Errorf("man: %v: %s", err, warnings.String())
	}
	for _, c := range commands() {
		if !strings.Contains(string(shown), "replicatefs "+c.Name) {
			t.Errorf("the manual does not tell how %s is used", c.Name)
		}
	}
	for _, want := range []string{"EXIT STATUS", "replicatefs login", "systemctl --user enable", "--cache-size"} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("the manual does not have %q", want)
		}
	}
	mounted.Need(t, "apt install mandoc", "mandoc")
	if out, err := exec.Command("mandoc", "-T", "lint", "-W", "error", file).CombinedOutput(); err != nil {
		t.Errorf("mandoc: %v: %s", err, out)
	}
}
