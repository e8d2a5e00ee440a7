package command

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func manCommand() *cli.Command {
	return &cli.Command{
		Name:        "man",
		Usage:       "print the manual page",
		Description: "   replicatefs man > /usr/local/share/man/man1/replicatefs.1",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "nothing"); err != nil {
				return err
			}
			text, err := manual()
			if err == nil {
				_, err = fmt.Fprint(c.App.Writer, text)
			}
			return err
		},
	}
}

// manual is the page that the library makes of the commands, and what it does
// not know of.
func manual() (string, error) {
	app := described()
	app.Description = strings.ReplaceAll(app.Description, "\n", "\n\n")
	var describe func(path string, commands []*cli.Command)
	describe = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			// The library leaves out arguments and examples, which is half of it.
			c.UsageText = strings.TrimSpace(path + c.Name + " [flags] " + c.ArgsUsage)
			c.Usage += ".\n\n" + examples(c.Description)
			describe(path+c.Name+" ", c.Subcommands)
		}
	}
	describe("replicatefs ", app.Commands)
	text, err := app.ToManWithSection(1)
	title := fmt.Sprintf(".TH REPLICATEFS 1 %q %q", "", "replicatefs "+version())
	return strings.Replace(text, ".TH replicatefs 1", title, 1) + manEnd, err
}

// examples is a description in Markdown: lines that are indented are to be
// typed.
func examples(description string) string {
	var b strings.Builder
	for line := range strings.Lines(description) {
		if strings.HasPrefix(line, "   ") {
			line = "    " + strings.TrimPrefix(line, "   ")
		}
		b.WriteString(line)
	}
	return b.String()
}

const manEnd = `
.SH ENVIRONMENT
.TP
REPLICATE_API_TOKEN
The token, which comes before one that is stored by login.
.TP
REPLICATE_BASE_URL
Root of the API, with /v1.
.TP
REPLICATEFS_*
Each flag has a variable: REPLICATEFS_CACHE_DIR is \-\-cache\-dir.
.TP
NO_COLOR
No colours, also on a terminal.
.SH FILES
.TP
~/.config/replicatefs/config.yaml
Settings: a line for each flag, as in "cache\-size: 20GiB".
.TP
~/.config/replicatefs/tokens
Tokens that are stored by login, for their owner alone.
.TP
~/.local/share/replicatefs
What is known of accounts, and outputs that are kept.
.TP
~/.cache/replicatefs
Parts of outputs that were read.
.SH EXIT STATUS
0 when all is well, 1 when something failed, 2 for wrong usage, 3 where FUSE is missing, 4 for a token that is
missing or refused. Called by mount(8): 1 for wrong usage, 32 when nothing is mounted.
.SH SEE ALSO
mount(8), fstab(5), fusermount3(1)
`
