// Package command is the command line of replicatefs: flags and environment
// become options of the other packages here and nowhere else, and errors
// become exit statuses.
//
// A flag comes from the command line, the environment or a file (flags.go,
// settings.go), the token from token.go; state.go brings up the tree of an
// account from them. mount.go serves it, alone or as a daemon (daemon.go), for
// mount(8) (fstab.go) or systemd. ls, cat (look.go) and run use it without a
// mount. Commands that need a mount which runs, as status, wait, fetch and
// cache do, ask it over its socket: control.go answers, control_client.go asks,
// and target.go finds the mount of a path.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"replicatefs/fs/fuse"
)

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
	exitNoFUSE = 3
	exitToken  = 4
)

// Run does what args say and returns the exit status. It ends when ctx does.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	if byMount(args) {
		return runMount(ctx, args, in, out, errOut)
	}
	if completing(args) {
		return 0
	}
	app := newApp()
	app.Reader, app.Writer, app.ErrWriter = in, out, errOut
	app.Metadata["args"] = args
	var unknown error // of help, which has no other way to say so
	app.CommandNotFound = func(_ *cli.Context, name string) { unknown = noCommand(name, app.Commands) }
	err := app.RunContext(ctx, args)
	if err == nil {
		err = unknown
	}
	var daemon ended // has spoken for itself
	switch {
	case err == nil || errors.As(err, &daemon):
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(errOut, "replicatefs: interrupted")
	default:
		fmt.Fprintf(errOut, "replicatefs: %v\n", err)
	}
	return status(err)
}

// newApp is the command line as it is described to the library.
func newApp() *cli.App {
	app := &cli.App{
		Name:                 "replicatefs",
		Usage:                "a Replicate account as a folder",
		Description:          "Predictions are folders, their outputs are files, and writing a prompt file runs a model.\nTry it without an account: replicatefs demo",
		Version:              version(),
		ExitErrHandler:       func(*cli.Context, error) {}, // only main exits
		OnUsageError:         misused,
		EnableBashCompletion: true,
		Metadata:             map[string]any{},
		Commands:             commands(),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return noCommand(c.Args().First(), c.App.Commands)
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = misused
		for _, sub := range c.Subcommands {
			sub.OnUsageError = misused
		}
	}
	return app
}

// noCommand says so, and what may have been meant.
func noCommand(name string, commands []*cli.Command) error {
	what := fmt.Sprintf("there is no command %q", name)
	if near := cli.SuggestCommand(commands, name); near != "" {
		what += ". " + near
	}
	return usage{what}
}

// commands are all there are. Those that take flags also read them from a file.
func commands() []*cli.Command {
	all := []*cli.Command{
		demoCommand(), mountCommand(), unmountCommand(), statusCommand(), loginCommand(), logoutCommand(), doctorCommand(),
		runCommand(), waitCommand(), urlCommand(), fetchCommand(), cacheCommand(), lsCommand(), catCommand(), systemdCommand(), simCommand(),
		completionCommand(), manCommand(),
	}
	var complete func([]*cli.Command)
	complete = func(some []*cli.Command) {
		for _, c := range some {
			if c.BashComplete == nil && len(c.Subcommands) == 0 {
				c.BashComplete = completeFlags
			}
			if len(c.Flags) > 0 {
				c.Flags = append(c.Flags, settingsFlag())
				c.Before = readSettings
			}
			complete(c.Subcommands)
		}
	}
	complete(all)
	return all
}

// status is the exit status for an error.
func status(err error) int {
	var wrong usage
	var daemon ended
	switch {
	case err == nil:
		return 0
	case errors.As(err, &daemon):
		return int(daemon)
	case errors.As(err, &wrong):
		return exitUsage
	case errors.Is(err, fuse.ErrNoFUSE):
		return exitNoFUSE
	case errors.Is(err, errToken):
		return exitToken
	}
	return exitFailed
}
