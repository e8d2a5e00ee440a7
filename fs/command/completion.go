package command

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completeKey ends a command line that a shell asks to complete.
const completeKey = "--generate-bash-completion"

// completing tells a command line that is to be completed behind "--", where
// the library would take the question for an argument and do what it says.
func completing(args []string) bool {
	return len(args) > 0 && args[len(args)-1] == completeKey && slices.Contains(args, "--")
}

// completeFlags completes flags, and leaves everything else to the shell,
// which knows folders and files.
func completeFlags(c *cli.Context) {
	if len(os.Args) > 2 && strings.HasPrefix(os.Args[len(os.Args)-2], "-") {
		cli.DefaultCompleteWithFlags(c.Command)(c)
	}
}

// completion is what makes a shell complete.
func completion(shell string) (string, error) {
	switch shell {
	case "bash":
		return bashCompletion, nil
	case "zsh":
		return zshCompletion, nil
	case "fish":
		text, err := described().ToFishCompletion()
		return text + "complete -c replicatefs -n '__fish_seen_subcommand_from completion' -f -a 'bash fish zsh'\n", err
	}
	return "", usage{fmt.Sprintf("%s cannot be completed in; bash, zsh and fish can", shell)}
}

// described is the command line for the library to write about. It would not
// find the end of its own help, which becomes a part of itself.
func described() *cli.App {
	app := newApp()
	app.HideHelpCommand = true
	app.Setup()
	return app
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print what makes a shell complete commands and flags",
		ArgsUsage: "bash|zsh|fish",
		Description: "   source <(replicatefs completion bash)    # in ~/.bashrc\n" +
			"   source <(replicatefs completion zsh)     # in ~/.zshrc, after compinit\n" +
			"   replicatefs completion fish > ~/.config/fish/completions/replicatefs.fish",
		BashComplete: func(c *cli.Context) {
			for _, shell := range []string{"bash", "fish", "zsh"} {
				fmt.Fprintln(c.App.Writer, shell)
			}
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1, "bash, zsh or fish")
			if err != nil {
				return err
			}
			text, err := completion(args[0])
			if err == nil {
				_, err = fmt.Fprint(c.App.Writer, text)
			}
			return err
		},
	}
}

// These ask as the scripts that come with the library do, but need nothing
// else installed, expand a ~ only, and leave a space after what is complete.
const bashCompletion = `_replicatefs() {
	local IFS=$'\n' cur=${COMP_WORDS[COMP_CWORD]}
	local line=("${COMP_WORDS[@]:0:COMP_CWORD}")
	line[0]=${line[0]/#\~/$HOME}
	[[ $cur == -* ]] && line+=("$cur")
	COMPREPLY=($(compgen -W "$("${line[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _replicatefs replicatefs
`

const zshCompletion = `#compdef replicatefs
_replicatefs() {
	local -a line answers
	line=("${(@)words[1,CURRENT-1]}")
	line[1]=${~line[1]}
	[[ $words[CURRENT] == -* ]] && line+=("$words[CURRENT]")
	answers=("${(@f)$(env 0=zsh "${line[@]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n $answers[1] ]]; then
		_describe replicatefs answers
	else
		_files
	fi
}
compdef _replicatefs replicatefs
`
