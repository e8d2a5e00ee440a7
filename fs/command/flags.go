package command

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"replicatefs/api"
	"replicatefs/cache"
	"replicatefs/fs"
	"replicatefs/fs/fuse"
)

// config is everything the flags and the environment say.
type config struct {
	api     api.Options
	content api.ContentOptions
	cache   cache.Options
	tree    fs.Options
	mount   fuse.Options
	dirs    dirs
	metrics string // address
	log     *slog.Logger
	journal *journal  // what log is written to; close it
	screen  io.Writer // where a bar shows, if a person looks there
}

// Each flag has an environment variable: REPLICATEFS_ and its name.
func env(name string) []string {
	return []string{"REPLICATEFS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}
}

// connectionFlags are those of every command that talks to Replicate.
func connectionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "base-url", Usage: "root of the API, with /v1", Value: "https://api.replicate.com/v1", EnvVars: []string{"REPLICATE_BASE_URL"}},
		&cli.StringFlag{Name: "token-file", Usage: "`FILE` with the API token; without it REPLICATE_API_TOKEN, or what login has stored", EnvVars: env("token-file")},
	}
}

// localFlags are those of every command that keeps data here or reads it.
func localFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringSliceFlag{Name: "output-host", Usage: "one more `HOST[:PORT]` that outputs may come from", EnvVars: env("output-host")},
		&cli.StringFlag{Name: "cache-dir", Usage: "`DIR` for everything local; without it the catalog is in ~/.local/share/replicatefs and chunks in ~/.cache/replicatefs", EnvVars: env("cache-dir")},
		&cli.StringFlag{Name: "cache-size", Usage: "`SIZE` of the chunks on disk at most", Value: "10GiB", EnvVars: env("cache-size")},
		&cli.StringFlag{Name: "keep-size", Usage: "`SIZE` of the outputs that are kept at most; at the limit, keeping stops", Value: "50GiB", EnvVars: env("keep-size")},
		&cli.StringFlag{Name: "memory", Usage: "`SIZE` of the chunks in memory at most", Value: "256MiB", EnvVars: env("memory")},
	}, logFlags()...)
}

// mountFlags are those of mount and demo.
func mountFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "wait", Usage: "how long a save waits for its run to end; 0: not", Value: time.Minute, EnvVars: env("wait")},
		&cli.DurationFlag{Name: "prefer-wait", Usage: "let the API hold the request that starts a run for so long", EnvVars: env("prefer-wait")},
		&cli.DurationFlag{Name: "cancel-after", Usage: "let Replicate end a run so long after its start", EnvVars: env("cancel-after")},
		&cli.IntFlag{Name: "max-runs", Usage: "runs under way at a time at most", Value: 8, EnvVars: env("max-runs")},
		&cli.IntFlag{Name: "max-runs-per-minute", Usage: "runs started in a minute at most", Value: 60, EnvVars: env("max-runs-per-minute")},
		&cli.StringFlag{Name: "keep", Usage: "outputs to keep for good, before Replicate deletes them: mine (of runs saved here), all or none", Value: string(fs.KeepMine), EnvVars: env("keep")},
		&cli.StringFlag{Name: "keep-rate", Usage: "`SIZE` of what is fetched in a second to be kept, at most; no limit without it", EnvVars: env("keep-rate")},
		&cli.BoolFlag{Name: "read-only", Usage: "run nothing", EnvVars: env("read-only")},
		&cli.BoolFlag{Name: "xattr", Usage: "tell id, model, status and URL as extended attributes; ls -l takes longer then", EnvVars: env("xattr")},
		&cli.DurationFlag{Name: "poll", Usage: "how often to ask for predictions made elsewhere", Value: 15 * time.Second, EnvVars: env("poll")},
		&cli.BoolFlag{Name: "allow-other", Usage: "let other users of this machine read the mount", EnvVars: env("allow-other")},
		&cli.StringFlag{Name: "uid", Usage: "owner of the files; you, without it", EnvVars: env("uid")},
		&cli.StringFlag{Name: "gid", Usage: "group of the files; yours, without it", EnvVars: env("gid")},
		&cli.StringFlag{Name: "umask", Usage: "octal permission bits to take off", Value: "0022", EnvVars: env("umask")},
		daemonFlag(),
		metricsFlag(),
		&cli.BoolFlag{Name: "debug-fuse", Usage: "log every request of the kernel", EnvVars: env("debug-fuse")},
	}
}

// configFrom reads the flags that c has. It is the only reader of flags and
// environment.
func configFrom(c *cli.Context, errOut io.Writer) (config, error) {
	var cfg config
	if err := within(c); err != nil {
		return cfg, err
	}
	memory, err := size(c, "memory")
	if err != nil {
		return cfg, err
	}
	disk, err := size(c, "cache-size")
	if err != nil {
		return cfg, err
	}
	kept, err := size(c, "keep-size")
	if err != nil {
		return cfg, err
	}
	rate, err := keepRate(c)
	if err != nil {
		return cfg, err
	}
	keep, err := keeping(c)
	if err != nil {
		return cfg, err
	}
	if cfg.dirs, err = dirsFrom(c.String("cache-dir")); err != nil {
		return cfg, err
	}
	if cfg.mount, err = owners(c); err != nil {
		return cfg, err
	}
	if cfg.metrics, err = metricsAddr(c.String("metrics-addr")); err != nil {
		return cfg, err
	}
	if err := addresses(c); err != nil {
		return cfg, err
	}
	told, err := effective(c)
	if err != nil {
		return cfg, err
	}
	log, journal, err := newLog(c, errOut) // last, for it has to be closed
	if err != nil {
		return cfg, err
	}
	cfg.log, cfg.journal, cfg.screen = log, journal, errOut
	cfg.api = api.Options{BaseURL: c.String("base-url"), UserAgent: agent(), Log: log}
	cfg.content = api.ContentOptions{Hosts: c.StringSlice("output-host"), UserAgent: agent(), Log: log}
	cfg.cache = cache.Options{Memory: memory, Disk: disk, Kept: kept, KeptRate: rate, Log: log}
	cfg.tree = fs.Options{
		Wait: c.Duration("wait"), PreferWait: c.Duration("prefer-wait"), CancelAfter: c.Duration("cancel-after"),
		MaxRuns: c.Int("max-runs"), MaxRunsPerMinute: c.Int("max-runs-per-minute"), ReadOnly: c.Bool("read-only"), Keep: keep,
		Poll: c.Duration("poll"), Log: log, Config: told, LogTail: journal.tail,
	}
	cfg.mount.FsName = c.String("source")
	cfg.mount.XAttr = c.Bool("xattr")
	cfg.mount.AllowOther, cfg.mount.ReadOnly = c.Bool("allow-other"), c.Bool("read-only")
	cfg.mount.Debug, cfg.mount.Log = c.Bool("debug-fuse"), log
	return cfg, nil
}

// addresses refuses those that cannot be meant, before anybody is asked there.
func addresses(c *cli.Context) error {
	client, err := api.New(api.Options{BaseURL: c.String("base-url")})
	if err != nil {
		return usage{err.Error()}
	}
	client.Close()
	content, err := api.NewContent(api.ContentOptions{Hosts: c.StringSlice("output-host")})
	if err != nil {
		return usage{err.Error()}
	}
	content.Close()
	return nil
}

// keeping reads what is to be kept; commands without the flag keep nothing.
func keeping(c *cli.Context) (fs.Keeping, error) {
	switch k := fs.Keeping(c.String("keep")); k {
	case fs.KeepMine, fs.KeepAll, fs.KeepNone, "":
		return k, nil
	}
	return "", wrong(c, "keep", "want mine, all or none")
}

// keepRate reads --keep-rate, in bytes per second; 0: no limit.
func keepRate(c *cli.Context) (int64, error) {
	if s := c.String("keep-rate"); s == "" || s == "0" {
		return 0, nil
	}
	return size(c, "keep-rate")
}

// within refuses times that mean nothing, rather than at the first run.
func within(c *cli.Context) error {
	for _, limit := range []struct {
		flag        string
		least, most time.Duration
	}{
		{"wait", 0, 24 * time.Hour},
		{"prefer-wait", time.Second, time.Minute},         // Replicate's limits
		{"cancel-after", 5 * time.Second, 24 * time.Hour}, // likewise
		{"poll", 100 * time.Millisecond, 24 * time.Hour},
	} {
		if d := c.Duration(limit.flag); c.IsSet(limit.flag) && d != 0 && (d < limit.least || d > limit.most) || d < 0 {
			return wrong(c, limit.flag, fmt.Sprintf("want %v to %v", limit.least, limit.most))
		}
	}
	for _, flag := range []string{"max-runs", "max-runs-per-minute"} {
		if c.IsSet(flag) && c.Int(flag) < 1 {
			return wrong(c, flag, "want at least 1; --read-only turns runs off")
		}
	}
	return nil
}

// owners reads who the files of the mount belong to.
func owners(c *cli.Context) (o fuse.Options, err error) {
	o.UID, o.GID = uint32(os.Getuid()), uint32(os.Getgid())
	if s := c.String("uid"); s != "" {
		if u, err := user.Lookup(s); err == nil {
			s = u.Uid
		}
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return o, wrong(c, "uid", "no such user")
		}
		o.UID = uint32(n)
	}
	if s := c.String("gid"); s != "" {
		if g, err := user.LookupGroup(s); err == nil {
			s = g.Gid
		}
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return o, wrong(c, "gid", "no such group")
		}
		o.GID = uint32(n)
	}
	if s := c.String("umask"); s != "" {
		n, err := strconv.ParseUint(s, 8, 9)
		if err != nil {
			return o, wrong(c, "umask", "want an octal number such as 0022")
		}
		o.Umask = uint32(n)
	}
	return o, nil
}

// size reads a flag such as 64MiB, in bytes.
func size(c *cli.Context, name string) (int64, error) {
	n, err := humanize.ParseBytes(c.String(name))
	if err != nil || n == 0 || n > 1<<60 {
		return 0, wrong(c, name, "want a size such as 64MiB")
	}
	return int64(n), nil
}
