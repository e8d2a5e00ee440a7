package command

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// mount(8) calls a helper of the file system's type, for a line in fstab too:
//
//	mount.replicatefs SOURCE DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]
//
// Under that name the program translates the call into one of its mount
// command, as a daemon. Without the name, mount.fuse3 calls it as
// "replicatefs SOURCE DIR -o OPTIONS".

// Exit statuses of mount(8), which a helper has, too.
const (
	mountUsage  = 1
	mountFailed = 32
)

// byMount tells whether mount(8) has called.
func byMount(args []string) bool {
	name := filepath.Base(args[0])
	if strings.HasPrefix(name, "mount.") && strings.HasSuffix(name, "replicatefs") {
		return true
	}
	return len(args) == 5 && args[3] == "-o" && !strings.HasPrefix(args[4], "-") && !isCommand(args[1])
}

func isCommand(name string) bool {
	return slices.ContainsFunc(commands(), func(c *cli.Command) bool { return c.HasName(name) })
}

// runMount does what mount(8) asks for.
func runMount(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	call, err := parseMount(args[1:])
	if err != nil {
		fmt.Fprintf(errOut, "%s: %v\n", filepath.Base(args[0]), err)
		return mountUsage
	}
	line := append([]string{"replicatefs", "mount", "--daemon", "--source=" + call.source}, call.flags...)
	line = append(line, "--", call.dir)
	if call.verbose {
		fmt.Fprintln(out, strings.Join(line, " "))
	} else {
		out = io.Discard // mount(8) says nothing when all is well
	}
	if call.fake {
		return 0
	}
	switch Run(ctx, line, in, out, errOut) {
	case 0:
		return 0
	case exitUsage:
		return mountUsage
	}
	return mountFailed
}

// A mountCall is what mount(8) wants.
type mountCall struct {
	source, dir   string
	flags         []string // of the mount command
	fake, verbose bool
}

// parseMount understands the arguments of a helper.
func parseMount(args []string) (mountCall, error) {
	var call mountCall
	var words, options []string
	sloppy := false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, arg)
			continue
		}
		for j, letter := range arg[1:] {
			switch letter {
			case 's':
				sloppy = true
				continue
			case 'f':
				call.fake = true
				continue
			case 'v':
				call.verbose = true
				continue
			case 'n', 'r', 'w': // mtab is history; ro and rw come as options
				continue
			case 'o', 'N', 't':
			default:
				return call, fmt.Errorf("there is no flag -%c", letter)
			}
			value := arg[j+2:]
			if value == "" {
				if i++; i == len(args) {
					return call, fmt.Errorf("-%c needs a value", letter)
				}
				value = args[i]
			}
			if letter == 'o' {
				options = append(options, strings.Split(value, ",")...)
			}
			break
		}
	}
	if len(words) != 2 {
		return call, fmt.Errorf("want SOURCE DIR [-o OPTIONS], for mount(8) to call; a person says: replicatefs mount DIR")
	}
	call.source, call.dir = words[0], words[1]
	if strings.Contains(call.source, "://") {
		call.flags = append(call.flags, "--base-url="+call.source)
	}
	known := everyFlag([]*cli.Command{mountCommand()})
	known["config"] = settingsFlag()
	for _, option := range options {
		flag, err := flagOf(option, known)
		if err != nil && !sloppy {
			return call, err
		}
		if flag != "" {
			call.flags = append(call.flags, flag)
		}
	}
	return call, nil
}

// ofMount are the options for mount(8), systemd and the kernel. None of those
// that forbid something takes anything away: no file in the mount is a
// program, a device, or with another user's rights.
var ofMount = strings.Fields(`defaults rw auto noauto user nouser users owner group nofail _netdev
	dev nodev suid nosuid exec noexec sync async dirsync silent loud mand nomand iversion noiversion
	atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime lazytime nolazytime`)

// flagOf is the flag for an option of mount(8), "" if it is none of ours.
func flagOf(option string, known map[string]cli.Flag) (string, error) {
	name, value, valued := strings.Cut(option, "=")
	flag := strings.ReplaceAll(name, "_", "-") // as fstab has it: allow_other
	switch {
	case option == "", slices.Contains(ofMount, name), strings.HasPrefix(name, "x-"), strings.HasPrefix(name, "X-"),
		name == "comment", name == "uhelper", name == "helper":
		return "", nil
	case option == "ro":
		return "--read-only", nil
	case option == "remount":
		return "", fmt.Errorf("a mounted account takes no other options: unmount it and mount it again")
	case name == "token":
		return "", fmt.Errorf("a token does not belong into fstab, which everybody reads: write it to a file, chmod 600, and use token_file=FILE")
	case known[flag] == nil || flag == "daemon":
		return "", fmt.Errorf("there is no option %s; options have the names of the flags in replicatefs help mount", name)
	}
	if _, yes := known[flag].(*cli.BoolFlag); !yes && !valued {
		return "", fmt.Errorf("the option %s needs a value, as in %s=…", name, name)
	}
	if valued {
		return "--" + flag + "=" + value, nil
	}
	return "--" + flag, nil
}

// sourceFlag carries the first column of fstab.
func sourceFlag() cli.Flag {
	return &cli.StringFlag{Name: "source", Hidden: true, Usage: "what df shows; the `NAME` of an account is checked", EnvVars: env("source")}
}

// checkSource refuses another account than the one that fstab names.
func checkSource(source, account string) error {
	if source == "" || source == "replicate" || source == "none" || strings.ContainsAny(source, ":/") || source == account {
		return nil
	}
	return fmt.Errorf("%s is to be mounted, and the token is that of %s: use another token, or name the source %s, or replicate for any", source, account, account)
}
