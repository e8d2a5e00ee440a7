package command

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"replicatefs/fs/tree"
)

func lsCommand() *cli.Command {
	return &cli.Command{
		Name:      "ls",
		Usage:     "list folders of the account, without a mount",
		ArgsUsage: "[PATH...]",
		Description: "Paths are those of a mount, from its top.\n\n" +
			"   replicatefs ls -l predictions\n" +
			"   replicatefs ls models/black-forest-labs/flux-schnell",
		Flags: append(flags(connectionFlags(), localFlags()),
			&cli.BoolFlag{Name: "long", Aliases: []string{"l"}, Usage: "with mode, size and time", EnvVars: env("long")}),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 0, 1000, "paths, or none")
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"."}
			}
			first := true
			return look(c, args, func(root iofs.FS, name string) error {
				if len(args) > 1 {
					if !first {
						fmt.Fprintln(c.App.Writer)
					}
					first = false
					fmt.Fprintf(c.App.Writer, "%s:\n", name)
				}
				return ls(root, name, c.Bool("long"), c.App.Writer)
			})
		},
	}
}

func ls(root iofs.FS, name string, long bool, out io.Writer) error {
	info, err := iofs.Stat(root, name)
	if err != nil {
		return err
	}
	entries := []iofs.DirEntry{iofs.FileInfoToDirEntry(info)}
	if info.IsDir() {
		if entries, err = iofs.ReadDir(root, name); err != nil {
			return err
		}
	}
	if !long {
		for _, e := range entries {
			fmt.Fprintln(out, e.Name())
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 1, ' ', tabwriter.AlignRight)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		arrow := ""
		if e.Type()&iofs.ModeSymlink != 0 {
			if to, err := iofs.ReadLink(root, path.Join(name, e.Name())); err == nil {
				arrow = " -> " + to
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t %s%s\n", info.Mode(), info.Size(), info.ModTime().Local().Format(time.DateTime), e.Name(), arrow)
	}
	return w.Flush()
}

func catCommand() *cli.Command {
	return &cli.Command{
		Name:      "cat",
		Usage:     "write files of the account to the output, without a mount",
		ArgsUsage: "PATH...",
		Description: "Paths are those of a mount, from its top.\n\n" +
			"   replicatefs cat models/black-forest-labs/flux-schnell/latest/output-0.webp > lion.webp",
		Flags: flags(connectionFlags(), localFlags()),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, 1000, "at least one path")
			if err != nil {
				return err
			}
			return look(c, args, func(root iofs.FS, name string) error { return cat(root, name, c.App.Writer) })
		},
	}
}

func cat(root iofs.FS, name string, out io.Writer) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(out, f)
	return err
}

// look opens the account for reading and shows what is at each path to f. As
// with the tools of these names, one that is not there does not keep the others
// back.
func look(c *cli.Context, paths []string, f func(root iofs.FS, name string) error) error {
	if err := hush(c); err != nil {
		return err
	}
	cfg, err := configFrom(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer cfg.journal.close()
	if cfg.api.TokenSource, err = tokenFrom(c); err != nil {
		return err
	}
	cfg.tree.ReadOnly = true
	s, err := cfg.open(c.Context)
	if err != nil {
		return err
	}
	defer s.close(cfg.log)
	s.tree.Start()
	root := tree.FS(c.Context, s.tree.Root())
	var wrong []error
	if slices.ContainsFunc(paths, func(p string) bool { return listed(inside(p)) }) {
		if err := cfg.whole(c.Context, s.tree); err != nil {
			if c.Context.Err() != nil {
				return err
			}
			wrong = append(wrong, err) // what is known is shown all the same
		}
	}
	for _, p := range paths {
		if err := f(root, inside(p)); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// listed tells whether what is at a path is a matter of the whole list of
// predictions, which a mount goes on reading and who looks once has to wait for.
func listed(name string) bool {
	parts := strings.Split(name, "/")
	switch parts[0] {
	case "predictions":
		return len(parts) == 1 // one of them is asked for by its name
	case "by-date", "by-status", "gallery.html":
		return true
	case "models", "deployments":
		return len(parts) < 3 || slices.Contains(parts[3:], "predictions") || slices.Contains(parts[3:], "latest")
	}
	return false
}

// inside is a path argument as io/fs takes it: relative to the root.
func inside(arg string) string {
	if name := strings.TrimLeft(path.Clean("/"+arg), "/"); name != "" {
		return name
	}
	return "."
}
