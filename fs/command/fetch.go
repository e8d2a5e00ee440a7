package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"replicatefs/cache"
	"replicatefs/fs"
)

func fetchCommand() *cli.Command {
	return &cli.Command{
		Name:      "fetch",
		Usage:     "bring outputs behind paths of a mount here, in full",
		ArgsUsage: "PATH...",
		Description: "Files, or folders with all that is in them. What is here is read without the network; with --keep it\n" +
			"outlives Replicate's copy and no limit of the cache evicts it.\n\n" +
			"   replicatefs fetch --keep ~/replicate/by-date/2026/11",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "keep", Usage: "for good, until cache forget"},
		},
		Action: func(c *cli.Context) error {
			targets, err := targets(c)
			if err != nil {
				return err
			}
			var sum fs.Progress
			for _, t := range targets {
				p, err := fetch(c, t)
				if err != nil {
					return err
				}
				sum.FilesDone += p.FilesDone
				sum.BytesDone += p.BytesDone
			}
			say(c.App.Writer, "%s here, %s", files(sum.FilesDone), humanize.IBytes(uint64(sum.BytesDone)))
			return nil
		},
	}
}

func fetch(c *cli.Context, t target) (fs.Progress, error) {
	values := t.values()
	if c.Bool("keep") {
		values.Set("keep", "1")
	}
	b := newBar(c.App.ErrWriter)
	defer b.end()
	var p fs.Progress
	err := t.post.ask(c.Context, question{route: "POST /fetch", values: values, progress: func(raw json.RawMessage) error {
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		b.show(fmt.Sprintf("%d/%d %s", p.FilesDone+1, p.Files, path.Base(p.Path)), p.BytesDone, p.Bytes)
		return nil
	}}, &p)
	if errors.Is(err, cache.ErrFull) {
		err = fmt.Errorf("%w\nThere is no room for it: replicatefs status shows the limits, --cache-size and --keep-size of mount set them", err)
	}
	return p, err
}

func files(n int) string {
	if n == 1 {
		return "1 file"
	}
	return humanize.Comma(int64(n)) + " files"
}
