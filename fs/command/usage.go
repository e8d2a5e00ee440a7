package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// usage is a command line that cannot be meant so.
type usage struct{ what string }

func (u usage) Error() string { return u.what + "; see replicatefs help" }

// arguments returns the command's arguments, of which there must be least to
// most. Flags after the first argument are not parsed, so they are refused.
func arguments(c *cli.Context, least, most int, want string) ([]string, error) {
	args := c.Args().Slice()
	for i, arg := range args {
		if !strings.HasPrefix(arg, "-") || len(arg) == 1 {
			continue
		}
		flag := arg
		if f, _, apart := given(c.Command, arg); apart && f != nil && i+1 < len(args) {
			flag += " " + args[i+1]
		}
		return nil, usage{fmt.Sprintf("%s comes too late: flags stand before the folder, as in: %s %s %s", arg, c.Command.HelpName, flag, args[0])}
	}
	if len(args) < least || len(args) > most {
		return nil, usage{fmt.Sprintf("%s takes %s", c.Command.HelpName, want)}
	}
	return args, nil
}

// given is the flag that an argument sets, nil if there is no such, the value
// that it gives, and whether that is the next argument.
func given(c *cli.Command, arg string) (f cli.Flag, value string, apart bool) {
	name, value, valued := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	at := slices.IndexFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if at < 0 {
		return nil, value, false
	}
	_, yes := c.Flags[at].(*cli.BoolFlag)
	return c.Flags[at], value, !valued && !yes
}

// misused says what is wrong with the flags of a command. The library tells
// which one it could not take; this tells what it would.
func misused(c *cli.Context, err error, _ bool) error {
	args, _ := c.App.Metadata["args"].([]string)
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		if !strings.HasPrefix(args[i], "-") || name == "" {
			continue
		}
		f, value, apart := given(c.Command, args[i])
		if f == nil {
			name, _, _ = strings.Cut(name, "=")
			what := fmt.Sprintf("%s has no flag --%s", c.Command.HelpName, name)
			if near := cli.SuggestFlag(c.Command.Flags, name, true); near != "" {
				what += "; did you mean " + near + "?"
			}
			return usage{what}
		}
		if apart {
			if i++; i == len(args) {
				return usage{fmt.Sprintf("--%s wants %s", f.Names()[0], wanted(f))}
			}
			value = args[i]
		}
		if !means(f, value) {
			return usage{fmt.Sprintf("--%s %s: want %s", f.Names()[0], value, wanted(f))}
		}
	}
	return usage{err.Error()}
}

// means tells whether a value is one for a flag.
func means(f cli.Flag, value string) bool {
	var err error
	switch f.(type) {
	case *cli.BoolFlag:
		if value != "" {
			_, err = strconv.ParseBool(value)
		}
	case *cli.DurationFlag:
		_, err = time.ParseDuration(value)
	case *cli.IntFlag, *cli.Int64Flag:
		_, err = strconv.ParseInt(value, 0, 64)
	case *cli.Float64Flag:
		_, err = strconv.ParseFloat(value, 64)
	}
	return err == nil
}
