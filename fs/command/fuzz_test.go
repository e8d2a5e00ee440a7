package command

import (
	"errors"
	stdflag "flag"
	"io"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// FuzzSettings: a configuration file sets flags, or is a mistake in words.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{"wait: 5s\noutput-host: [a, b]\n", "", "---\n", "- a", "wait: &a [*a]", "? [a]\n: b", "a: &a 1\nwait: *a", "wait: !!binary xx", "<<: {wait: 1s}", "umask: 0022\numask: 1", "\xff\xfe\x00", "memory: {a: b}"} {
		f.Add([]byte(s))
	}
	command := mountCommand()
	f.Fuzz(func(t *testing.T, content []byte) {
		set := stdflag.NewFlagSet("mount", stdflag.ContinueOnError)
		set.SetOutput(io.Discard)
		for _, fl := range command.Flags {
			if err := fl.Apply(set); err != nil {
				t.Fatal(err)
			}
		}
		app := cli.NewApp()
		app.Metadata = map[string]any{}
		c := cli.NewContext(app, set, nil)
		c.Command = command
		err := apply(c, "config.yaml", content)
		if wrong := (usage{}); err != nil && (!errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), "config.yaml")) {
			t.Errorf("%q: %v", content, err)
		}
	})
}

// FuzzMountCall: whatever a line of fstab says, it becomes flags of the mount
// command or is refused, and never sets what no option may.
func FuzzMountCall(f *testing.F) {
	for _, s := range []string{"ann\n/mnt\n-o\nrw,allow_other,uid=1", "-sfnv\n-orw\na\nb", "a\nb\n-o\ntoken=r8_x", "-o", "-\u00e9o\nx", "a\nb\n-o\n,=,-,--daemon"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		call, err := parseMount(strings.Split(line, "\n"))
		if err != nil {
			return
		}
		for _, arg := range call.flags {
			if name, _, _ := strings.Cut(arg, "="); !strings.HasPrefix(arg, "--") || name == "--" || name == "--token" || name == "--daemon" {
				t.Errorf("%q becomes %q", line, call.flags)
			}
		}
	})
}
