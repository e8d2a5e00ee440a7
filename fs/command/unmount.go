package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"replicatefs/fs/fuse"
	"replicatefs/fs/tree"
)

func unmountCommand() *cli.Command {
	return &cli.Command{
		Name:      "unmount",
		Aliases:   []string{"umount"},
		Usage:     "end a mount, and wait until everything is stored",
		ArgsUsage: "DIR",
		Description: "A mount that is in use stays, and you are told by whom it is used.\n\n" +
			"   replicatefs unmount ~/replicate\n" +
			"   replicatefs unmount --lazy ~/replicate    # out of sight now, gone with its last user",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "lazy", Aliases: []string{"z"}, Usage: "take it out of sight now; programs that use it keep it until they end", EnvVars: env("lazy")},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "end it now; programs that use it get errors, runs go on", EnvVars: env("force")},
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1, "one folder")
			if err != nil {
				return err
			}
			return unmount(c.Context, args[0], fuse.UnmountOptions{Lazy: c.Bool("lazy"), Force: c.Bool("force")})
		},
	}
}

// unmount ends the mount on dir and waits for the program behind it, which
// stores what is not stored yet.
func unmount(ctx context.Context, dir string, o fuse.UnmountOptions) error {
	end, close := behind(dir)
	defer close()
	if !o.Force {
		settle(ctx, dir)
	}
	err := fuse.Unmount(dir, o)
	switch {
	case errors.Is(err, tree.ErrBusy):
		return busy(dir, err)
	case err != nil || o.Lazy:
		return err
	}
	if err := end(ctx); err != nil {
		return fmt.Errorf("%s is unmounted, and the program behind it is still storing: %w", dir, err)
	}
	return nil
}

// settle has the mount on dir store what it read, which it cannot do any more
// once it is gone. One that does not answer is unmounted all the same.
func settle(ctx context.Context, dir string) {
	ctx, cancel := context.WithTimeout(ctx, busyLimit)
	defer cancel()
	if p := registered(dir); p.PID != 0 {
		p.ask(ctx, question{route: "POST /cache/settle"}, nil)
	}
}

// registered is what the mount on dir has left in the register of its user; the
// zero post if there is nothing.
func registered(dir string) post {
	all, err := posts()
	if err != nil {
		return post{}
	}
	p, _, err := locate(dir, all)
	if err != nil {
		return post{}
	}
	return p
}

// behind returns how to wait for the process behind the mount on dir; where
// nobody tells which that is, there is nothing to wait for.
func behind(dir string) (end func(context.Context) error, close func()) {
	pid := registered(dir).PID
	if pid == 0 { // it is somebody else's
		pid = behindMount(dir)
	}
	if end, close, err := follow(pid); pid > 1 && err == nil {
		return end, close
	}
	return func(context.Context) error { return nil }, func() {}
}

// behindMount is the process behind a mount as the mount itself tells it, or 0.
// A dead one does not answer.
func behindMount(dir string) int {
	answer := make(chan int, 1)
	go func() {
		var stats struct {
			PID int `json:"pid"`
		}
		if b, err := os.ReadFile(filepath.Join(dir, ".replicatefs", "stats.json")); err == nil {
			json.Unmarshal(b, &stats) // else it is 0
		}
		answer <- stats.PID
	}()
	select {
	case pid := <-answer:
		return pid
	case <-time.After(controlLimit):
		return 0
	}
}

// busy says who keeps a mount from going away, and what can be done.
func busy(dir string, err error) error {
	const most = 10
	var b strings.Builder
	users := fuse.Users(dir)
	for i, u := range users {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more", len(users)-most)
			break
		}
		fmt.Fprintf(&b, "\n  %d (%s) uses %s", u.PID, u.Name, u.Uses)
	}
	if len(users) == 0 {
		b.WriteString("\n  by a program that you may not look into, or from another container")
	}
	return fmt.Errorf("%w%s\nEnd these programs, or take the mount out of sight with: replicatefs unmount --lazy %s", err, b.String(), dir)
}
