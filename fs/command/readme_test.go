package command

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"
)

// readme is the manual in pieces.
type readme struct {
	text   string
	spans  []string            // code within a line
	blocks map[string][]string // code on its own, by language
}

var (
	fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	code  = regexp.MustCompile("`([^`\n]+)`")
	apart = regexp.MustCompile(`[|;&<>()]+|\s#\s|:\s|'`) // what is between commands
)

func readReadme(t *testing.T) readme {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := readme{text: string(b), blocks: map[string][]string{}}
	for _, m := range fence.FindAllStringSubmatch(r.text, -1) {
		r.blocks[m[1]] = append(r.blocks[m[1]], m[2])
	}
	for _, m := range code.FindAllStringSubmatch(fence.ReplaceAllString(r.text, ""), -1) {
		r.spans = append(r.spans, m[1])
	}
	return r
}

// calls are the command lines of this program, as words without its name.
func (r readme) calls() [][]string {
	lines := slices.Clone(r.spans)
	for _, block := range r.blocks["sh"] {
		lines = slices.AppendSeq(lines, strings.Lines(block))
	}
	var all [][]string
	for _, line := range lines {
		for _, call := range apart.Split(line, -1) {
			if words := strings.Fields(call); len(words) > 1 && words[0] == "replicatefs" {
				all = append(all, words[1:])
			}
		}
	}
	return all
}

// named is the one of some commands that has a name.
func named(some []*cli.Command, name string) *cli.Command {
	for _, c := range some {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// takesFlag tells whether a command has a flag, written as --flag or -f.
func takesFlag(c *cli.Command, word string) bool {
	name := strings.TrimLeft(word, "-")
	return slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// Every command and flag that the README names is there.
func TestReadmeNamesWhatIsThere(t *testing.T) {
	r := readReadme(t)
	calls := r.calls()
	if len(calls) < 30 {
		t.Errorf("only %d calls were found: %q", len(calls), calls)
	}
	for _, words := range calls {
		name, rest := words[0], words[1:]
		if name == "help" && len(rest) > 0 && rest[0] != "COMMAND" {
			name, rest = rest[0], rest[1:]
		}
		if name == "help" {
			continue
		}
		c := named(commands(), name)
		if c != nil && len(c.Subcommands) > 0 && len(rest) > 0 {
			c, rest = named(c.Subcommands, rest[0]), rest[1:]
		}
		if c == nil {
			t.Errorf("there is no command replicatefs %s", strings.Join(words, " "))
			continue
		}
		for _, word := range rest {
			if len(word) > 1 && word[0] == '-' && !takesFlag(c, word) {
				t.Errorf("replicatefs %s: %s takes no %s", strings.Join(words, " "), c.Name, word)
			}
		}
	}
	every := everyFlag(commands())
	every["config"] = settingsFlag()
	for _, span := range r.spans {
		words := strings.Fields(span)
		switch c := named(commands(), words[0]); {
		case strings.HasPrefix(words[0], "--"):
			flag := strings.TrimPrefix(words[0], "--")
			if every[flag] == nil && !slices.ContainsFunc(commands(), func(c *cli.Command) bool { return takesFlag(c, flag) }) {
				t.Errorf("`%s`: no command has this flag", span)
			}
		case c != nil && len(c.Subcommands) > 0 && len(words) > 1 && named(c.Subcommands, words[1]) == nil:
			t.Errorf("`%s`: there is no such command", span)
		}
	}
	for _, name := range regexp.MustCompile(`REPLICATEFS_[A-Z_]*[A-Z]`).FindAllString(r.text, -1) {
		if every[strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "REPLICATEFS_"), "_", "-"))] == nil {
			t.Errorf("%s: no flag has this variable", name)
		}
	}
}

// Every command is in the README, and so is every flag of a mount. The rest is
// in the help, of which nothing is left out either.
func TestNothingIsUndocumented(t *testing.T) {
	r := readReadme(t)
	told := map[string]bool{}
	for _, words := range r.calls() {
		told[words[0]] = true
		if len(words) > 1 {
			told[words[0]+" "+words[1]] = true
		}
	}
	for _, span := range r.spans {
		words := strings.Fields(span)
		told[words[0]], told[span] = true, true
	}
	for _, c := range commands() {
		if !told[c.Name] {
			t.Errorf("the README says nothing of replicatefs %s", c.Name)
		}
		if c.Usage == "" || c.Description == "" && len(c.Subcommands) == 0 {
			t.Errorf("replicatefs help %s explains nothing", c.Name)
		}
		for _, f := range c.Flags {
			doc, ok := f.(cli.DocGenerationFlag)
			if !ok || doc.GetUsage() == "" {
				t.Errorf("replicatefs help %s does not explain --%s", c.Name, f.Names()[0])
			}
			hidden, ok := f.(cli.VisibleFlag)
			if c.Name == "mount" && (!ok || hidden.IsVisible()) && !told["--"+f.Names()[0]] {
				t.Errorf("the README says nothing of mount --%s", f.Names()[0])
			}
		}
	}
}

// The settings and the line for fstab are ones that the program takes.
func TestReadmeSettings(t *testing.T) {
	r := readReadme(t)
	if len(r.blocks["yaml"]) == 0 {
		t.Error("there are no settings")
	}
	every := everyFlag(commands())
	for _, block := range r.blocks["yaml"] {
		var lines map[string]any
		if err := yaml.Unmarshal([]byte(block), &lines); err != nil {
			t.Error(err)
		}
		for name := range lines {
			if every[name] == nil {
				t.Errorf("there is no setting %s", name)
			}
		}
	}
	found := 0
	for _, block := range r.blocks[""] {
		for line := range strings.Lines(block) {
			if f := strings.Fields(line); len(f) == 6 && f[2] == "replicatefs" {
				found++
				if _, err := parseMount([]string{f[0], f[1], "-o", f[3]}); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		}
	}
	if found == 0 {
		t.Error("there is no line for fstab")
	}
}
