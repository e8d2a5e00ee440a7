package command

import (
	"context"
	"net/url"

	"github.com/urfave/cli/v2"
)

// manyPaths is how many paths a command takes: what a shell's * makes.
const manyPaths = 100_000

// A target is a path of a mount that was given to a command.
type target struct {
	arg    string // as it was given
	post   post
	inside string // the path in the mount
}

func (t target) values() url.Values { return url.Values{"path": {t.inside}} }

// targets finds the mounts of the paths that a command was given, and checks
// that they answer: what follows may take long, and must not wait for one that
// never will.
func targets(c *cli.Context) ([]target, error) {
	args, err := arguments(c, 1, manyPaths, "at least one path of a mount")
	if err != nil {
		return nil, err
	}
	all, err := posts()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, controlLimit)
	defer cancel()
	answers := map[string]bool{}
	var found []target
	for _, arg := range args {
		p, inside, err := locate(arg, all)
		if err != nil {
			return nil, err
		}
		if !answers[p.Dir] {
			if err := p.ask(ctx, question{route: "GET /status"}, nil); err != nil {
				return nil, err
			}
			answers[p.Dir] = true
		}
		found = append(found, target{arg, p, inside})
	}
	return found, nil
}
