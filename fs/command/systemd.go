package command

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"
)

func systemdCommand() *cli.Command {
	return &cli.Command{
		Name:      "systemd",
		Usage:     "print a user unit that mounts at login",
		ArgsUsage: "[DIR]",
		Description: "The folder is ~/replicate unless you name one. Log in first, and put what else is to hold into the\n" +
			"configuration file.\n\n" +
			"   replicatefs systemd > ~/.config/systemd/user/replicatefs.service\n" +
			"   systemctl --user enable --now replicatefs",
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 0, 1, "a folder, or none")
			if err != nil {
				return err
			}
			dir := "%h/replicate"
			if len(args) == 1 {
				if dir, err = filepath.Abs(args[0]); err != nil {
					return err
				}
				dir = unitWord(dir)
			}
			program, err := os.Executable()
			if err != nil {
				return err
			}
			if strings.HasPrefix(program, os.TempDir()) {
				say(c.App.ErrWriter, "replicatefs: %s will not stay: go install . and ask the installed program", program)
			}
			_, err = fmt.Fprintf(c.App.Writer, unit, dir, unitWord(program))
			return err
		},
	}
}

// unit is the user unit: the folder, and the program. The helper fusermount3
// gets its rights from the file system, so NoNewPrivileges and what implies it
// must stay away.
const unit = `[Unit]
Description=Replicate account as a folder

[Service]
Type=notify
ExecStartPre=/bin/mkdir -p %[1]s
ExecStart=%[2]s mount %[1]s
ExecReload=/bin/kill -HUP $MAINPID
ExecStop=%[2]s unmount %[1]s
Restart=on-failure
RestartSec=10
# Wrong usage, no FUSE, no token: these stay wrong.
RestartPreventExitStatus=2 3 4

[Install]
WantedBy=default.target
`

// unitWord quotes a path for a unit.
func unitWord(path string) string {
	path = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(path)
	if strings.ContainsAny(path, " \t'\";") {
		return `"` + path + `"`
	}
	return path
}

// tellSystemd tells the service manager, if one has started us, how far we
// are.
func tellSystemd(log *slog.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be told", "state", state, "err", err)
	}
}
