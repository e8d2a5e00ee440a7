package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"replicatefs/api"
	"replicatefs/fs"
)

func waitCommand() *cli.Command {
	return &cli.Command{
		Name:      "wait",
		Usage:     "wait until the runs behind paths of a mount have ended",
		ArgsUsage: "PATH...",
		Description: "A path is the folder of a prediction, a file in it, or a folder in which a model is run: its newest run.\n" +
			"Each run is told when it ends. The exit status is 0 if all succeeded. The runs go on when the waiting ends.\n\n" +
			"   replicatefs wait models/black-forest-labs/flux-schnell && cp models/black-forest-labs/flux-schnell/latest/output-* .",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "timeout", Usage: "wait so long at most; 0: without end", EnvVars: env("timeout")},
		},
		Action: func(c *cli.Context) error {
			if c.Duration("timeout") < 0 {
				return usage{"--timeout: want a time such as 5m"}
			}
			targets, err := targets(c)
			if err != nil {
				return err
			}
			ctx := c.Context
			if limit := c.Duration("timeout"); limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not ended after %v, and goes on", limit))
				defer cancel()
			}
			return waitFor(ctx, targets, func(line string) { say(c.App.Writer, "%s", line) })
		},
	}
}

// atOnce is how many runs are waited for by one command at a time.
const atOnce = 64

// waitFor waits for all, and tells each as it ends.
func waitFor(ctx context.Context, targets []target, tell func(line string)) error {
	var waiting sync.WaitGroup
	var mu sync.Mutex // guards failed and the order of lines
	failed := 0
	turns := make(chan struct{}, atOnce)
	for _, t := range targets {
		waiting.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			var run fs.Run
			err := t.post.ask(ctx, question{route: "POST /wait", values: t.values()}, &run)
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, context.Canceled):
				failed++
			case err != nil:
				failed++
				tell(fmt.Sprintf("error\t%s\t%s", t.arg, oneLine(err.Error())))
			default:
				line := run.Status + "\t" + t.arg
				if run.Error != "" {
					line += "\t" + oneLine(run.Error)
				}
				tell(line)
				if run.Status != api.Succeeded {
					failed++
				}
			}
		})
	}
	waiting.Wait()
	if errors.Is(ctx.Err(), context.Canceled) {
		return errors.New("interrupted; the runs go on")
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d did not succeed", failed, len(targets))
	}
	return nil
}

// oneLine is a text with its line breaks made spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func urlCommand() *cli.Command {
	return &cli.Command{
		Name:      "url",
		Usage:     "print where Replicate has the outputs behind paths of a mount",
		ArgsUsage: "PATH...",
		Description: "Of a file its URL, of a folder those of all outputs in it, one a line. Replicate deletes what API runs\n" +
			"made after an hour: of such the URL is not printed, and the exit status is 1.",
		Action: func(c *cli.Context) error {
			targets, err := targets(c)
			if err != nil {
				return err
			}
			expired := 0
			for _, t := range targets {
				var urls []fs.URL
				ctx, cancel := context.WithTimeout(c.Context, urlLimit)
				err := t.post.ask(ctx, question{route: "GET /urls", values: t.values()}, &urls)
				cancel()
				if err != nil {
					return err
				}
				for _, u := range urls {
					if u.Expired {
						say(c.App.ErrWriter, "replicatefs: %s: Replicate has deleted it", u.Path)
						expired++
						continue
					}
					say(c.App.Writer, "%s", u.URL)
				}
			}
			if expired > 0 {
				return fmt.Errorf("%d expired", expired)
			}
			return nil
		},
	}
}

// urlLimit is how long a mount may take to tell URLs: it may ask the API
// whether they still hold.
const urlLimit = 2 * time.Minute
