package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"replicatefs/cache"
	"replicatefs/fs"
)

func cacheCommand() *cli.Command {
	return &cli.Command{
		Name:  "cache",
		Usage: "look after what is stored of outputs on this machine",
		Subcommands: []*cli.Command{
			cacheTask("stats", "show how much is stored, by account", statsTask),
			cacheTask("verify", "read all that is stored, and drop what is not as it was written", verifyTask),
			cacheTask("prune", "apply the limits now, and remove what crashes left", pruneTask),
			cacheTask("clear", "delete what is neither kept nor in use; the catalog and drafts stay", clearTask),
			forgetCommand(),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage{fmt.Sprintf("there is no command cache %q", c.Args().First())}
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

// A store is where chunks of the outputs of one account are. A mount that uses
// it is asked to do what is to be done; else the command does it.
type store struct {
	dir  string // of the account among the caches
	dirs dirs   // where its data is, if nobody has mounted it
	post *post  // nil: nobody has
}

// task is something that can be done to a store. The result is for JSON and
// says itself what it is.
type task func(ctx context.Context, s store, o cache.Options, progress *bar) (fmt.Stringer, error)

// cacheTask is a command that does it to the store of a mount, or to all.
func cacheTask(name, use string, do task) *cli.Command {
	return &cli.Command{
		Name:      name,
		Usage:     use,
		ArgsUsage: "[DIR]",
		Description: "Without DIR, of all accounts on this machine that you have used; with it, of the account mounted there.\n" +
			"It makes no difference whether an account is mounted.",
		Flags: append(flags(localFlags()), &cli.BoolFlag{Name: "json", Usage: "as JSON", EnvVars: env("json")}),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 0, 1, "a mounted folder, or nothing")
			if err != nil {
				return err
			}
			cfg, err := configFrom(c, c.App.ErrWriter)
			if err != nil {
				return err
			}
			defer cfg.journal.close()
			all, err := stores(cfg.dirs, args)
			if err != nil {
				return err
			}
			type result struct {
				Dir    string       `json:"dir"`
				Result fmt.Stringer `json:"result"`
			}
			results := []result{}
			var failed []error
			for _, s := range all {
				b := newBar(c.App.ErrWriter)
				r, err := do(c.Context, s, cfg.cache, b)
				b.end()
				if err != nil {
					failed = append(failed, fmt.Errorf("%s: %w", s.dir, err))
					continue
				}
				results = append(results, result{s.dir, r})
			}
			if c.Bool("json") {
				enc := json.NewEncoder(c.App.Writer)
				enc.SetIndent("", "  ")
				return errors.Join(append(failed, enc.Encode(results))...)
			}
			if len(all) == 0 {
				say(c.App.Writer, "Nothing is stored in %s.", cfg.dirs.cache)
			}
			for _, r := range results {
				say(c.App.Writer, "%s: %v", r.Dir, r.Result)
			}
			return errors.Join(failed...)
		},
	}
}

// stores are those in the cache folder, or that of the mount which args name.
func stores(d dirs, args []string) ([]store, error) {
	all, err := posts()
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		p, _, err := locate(args[0], all)
		if err != nil {
			return nil, err
		}
		return []store{{dir: p.Store, post: &p}}, nil
	}
	entries, err := os.ReadDir(d.cache)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return nil, err
	}
	var found []store
	for _, e := range entries {
		s := store{dir: filepath.Join(d.cache, e.Name()), dirs: d}
		if _, err := os.Stat(chunksIn(s.dir)); err != nil {
			continue // not the folder of an account
		}
		if i := slices.IndexFunc(all, func(p post) bool { return p.Store == s.dir }); i >= 0 {
			s.post = &all[i]
		}
		found = append(found, s)
	}
	return found, nil
}

// with calls f with the cache of a store that nobody has mounted.
func (s store) with(o cache.Options, f func(*cache.Cache) error) error {
	c, err := cache.New(storeOptions(o, s.dirs, filepath.Base(s.dir)))
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.Close())
}

// figures are those of a store.
type figures struct {
	Bytes int64 `json:"bytes"`
	Limit int64 `json:"limit"`
	Kept  int64 `json:"kept"`
	Free  int64 `json:"free"`
	Used  bool  `json:"mounted"`
}

func (f figures) String() string {
	size := func(n int64) string { return humanize.IBytes(uint64(n)) }
	text := fmt.Sprintf("%s cached of %s, %s kept, %s free on the disk", size(f.Bytes), size(f.Limit), size(f.Kept), size(f.Free))
	if f.Used {
		text += ", mounted"
	}
	return text
}

func statsTask(ctx context.Context, s store, o cache.Options, _ *bar) (fmt.Stringer, error) {
	stats, err := s.stats(ctx, o)
	return figures{stats.DiskUsed, stats.DiskLimit, stats.Kept, stats.DiskFree, s.post != nil}, err
}

func (s store) stats(ctx context.Context, o cache.Options) (stats cache.Stats, err error) {
	if s.post != nil {
		ctx, cancel := context.WithTimeout(ctx, controlLimit)
		defer cancel()
		var all fs.Stats
		err = s.post.ask(ctx, question{route: "GET /status"}, &all)
		return all.Cache, err
	}
	err = s.with(o, func(c *cache.Cache) error {
		err := c.Recount()
		stats = c.Stats()
		return err
	})
	return stats, err
}

// done is what a task met and did.
type done struct {
	cache.Report
	verb string
}

func (d done) String() string {
	text := fmt.Sprintf("%s looked at, %s", files(d.Objects), humanize.IBytes(uint64(d.Bytes)))
	if d.Bad > 0 {
		text += fmt.Sprintf("; %d damaged pieces dropped, they are fetched again when they are read", d.Bad)
	}
	text += fmt.Sprintf("; %s %s, %s freed", files(d.Removed), d.verb, humanize.IBytes(uint64(d.Freed)))
	if d.Kept > 0 {
		text += fmt.Sprintf("; %s kept", files(d.Kept))
	}
	if d.Busy > 0 {
		text += fmt.Sprintf("; %s in use", files(d.Busy))
	}
	return text
}

func pruneTask(ctx context.Context, s store, o cache.Options, _ *bar) (fmt.Stringer, error) {
	return s.do(ctx, o, "POST /cache/prune", "removed", (*cache.Cache).Prune)
}

func clearTask(ctx context.Context, s store, o cache.Options, _ *bar) (fmt.Stringer, error) {
	return s.do(ctx, o, "POST /cache/clear", "removed", (*cache.Cache).Clear)
}

func (s store) do(ctx context.Context, o cache.Options, route, verb string, here func(*cache.Cache, context.Context) (cache.Report, error)) (fmt.Stringer, error) {
	d := done{verb: verb}
	if s.post != nil {
		err := s.post.ask(ctx, question{route: route}, &d.Report)
		return d, err
	}
	err := s.with(o, func(c *cache.Cache) (err error) { d.Report, err = here(c, ctx); return err })
	return d, err
}

func verifyTask(ctx context.Context, s store, o cache.Options, b *bar) (fmt.Stringer, error) {
	before, err := s.stats(ctx, o)
	if err != nil {
		return nil, err
	}
	show := func(r cache.Report) { b.show("verify "+filepath.Base(s.dir), r.Bytes, before.DiskUsed+before.Kept) }
	d := done{verb: "given up"}
	if s.post != nil {
		err = s.post.ask(ctx, question{route: "POST /cache/verify", progress: func(raw json.RawMessage) error {
			var r cache.Report
			if err := json.Unmarshal(raw, &r); err != nil {
				return err
			}
			show(r)
			return nil
		}}, &d.Report)
		return d, err
	}
	err = s.with(o, func(c *cache.Cache) (err error) { d.Report, err = c.Verify(ctx, show); return err })
	return d, err
}

func forgetCommand() *cli.Command {
	return &cli.Command{
		Name:      "forget",
		Usage:     "delete what is stored of outputs behind paths of a mount, kept or not",
		ArgsUsage: "PATH...",
		Description: "What Replicate has deleted meanwhile cannot be had again.\n\n" +
			"   replicatefs cache forget ~/replicate/by-date/2025",
		Action: func(c *cli.Context) error {
			targets, err := targets(c)
			if err != nil {
				return err
			}
			for _, t := range targets {
				if err := t.post.ask(c.Context, question{route: "POST /cache/forget", values: t.values()}, nil); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
