package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"replicatefs/fs"
	"replicatefs/fs/fuse"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "show what is mounted, how it is, and what is stored here",
		ArgsUsage: "[DIR]",
		Description: "Without DIR, all mounts of yours. A mount says the same of itself in .replicatefs/stats.json.\n\n" +
			"   replicatefs status --json | jq '.mounts[].stats.runs'",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cache-dir", Usage: "`DIR` with local data, if mounts use another one than the default", EnvVars: env("cache-dir")},
			&cli.BoolFlag{Name: "json", Usage: "as JSON", EnvVars: env("json")},
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 0, 1, "a folder, or none")
			if err != nil {
				return err
			}
			r, err := report(c.Context, args, c.String("cache-dir"))
			if err != nil {
				return err
			}
			if c.Bool("json") {
				enc := json.NewEncoder(c.App.Writer)
				enc.SetIndent("", "  ")
				err = enc.Encode(r)
			} else {
				r.print(c.App.Writer, time.Now())
			}
			return errors.Join(err, r.silent())
		},
	}
}

// A statusReport is what status shows.
type statusReport struct {
	Mounts []mountReport `json:"mounts"`
	Local  []localReport `json:"local"`

	asked bool // for this mount; that of somebody else is no failure when all are shown
}

// mountReport is a mount, with what it says of itself.
type mountReport struct {
	Dir   string    `json:"dir"`
	Post  *post     `json:"process,omitempty"` // nil where it cannot be reached
	Stats *fs.Stats `json:"stats,omitempty"`   // nil where it does not answer
	Error string    `json:"error,omitempty"`   // why
}

// localReport is what the local data of an account takes on the disk.
type localReport struct {
	Dir   string `json:"dir"`
	Bytes int64  `json:"bytes"`
}

// errSilent is the error of a status that has told all it could.
var errSilent = errors.New("not every mount answers")

func (r statusReport) silent() error {
	for _, m := range r.Mounts {
		if m.Stats == nil && (m.Post != nil || r.asked) {
			return errSilent
		}
	}
	return nil
}

// report asks the mount that args name, or all. None can hold up the others,
// nor for longer than controlLimit.
func report(ctx context.Context, args []string, cacheDir string) (statusReport, error) {
	r := statusReport{Mounts: []mountReport{}, Local: []localReport{}}
	all, err := posts()
	if err != nil {
		return r, err
	}
	mounted, err := fuse.Mounted()
	if err != nil {
		return r, err
	}
	if len(args) == 1 {
		one, err := mountReportFor(args[0], all, mounted)
		if err != nil {
			return r, err
		}
		r.Mounts, r.asked = append(r.Mounts, one), true
	} else {
		for _, p := range all {
			r.Mounts = append(r.Mounts, mountReport{Dir: p.Dir, Post: &p})
		}
		for _, dir := range mounted {
			if !slices.ContainsFunc(all, func(p post) bool { return p.Dir == dir }) {
				r.Mounts = append(r.Mounts, unreachable(dir))
			}
		}
		if r.Local, err = localReports(cacheDir); err != nil {
			return r, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, controlLimit)
	defer cancel()
	var asking sync.WaitGroup
	for i := range r.Mounts {
		m := &r.Mounts[i]
		if m.Post != nil {
			asking.Go(func() { m.ask(ctx) })
		}
	}
	asking.Wait()
	return r, nil
}

// mountReportFor is the mount that a path is on, not asked yet.
func mountReportFor(path string, all []post, mounted []string) (mountReport, error) {
	known := slices.Clone(all)
	for _, dir := range mounted {
		if !slices.ContainsFunc(all, func(p post) bool { return p.Dir == dir }) {
			known = append(known, post{Dir: dir})
		}
	}
	p, _, err := locate(path, known)
	switch {
	case err != nil:
		return mountReport{}, err
	case p.Socket == "":
		return unreachable(p.Dir), nil
	}
	return mountReport{Dir: p.Dir, Post: &p}, nil
}

// unreachable is a mount that no program answers for.
func unreachable(dir string) mountReport {
	why := "mounted by somebody else, or by a program that cannot be reached"
	if fuse.Dead(dir) {
		why = "its program was killed: mount there again, or: replicatefs unmount " + dir
	}
	return mountReport{Dir: dir, Error: why}
}

func (m *mountReport) ask(ctx context.Context) {
	stats := new(fs.Stats)
	if err := m.Post.ask(ctx, question{route: "GET /status"}, stats); err != nil {
		m.Error = err.Error()
		return
	}
	m.Stats = stats
}

// localReports are the folders of accounts under the local data.
func localReports(cacheDir string) ([]localReport, error) {
	d, err := dirsFrom(cacheDir)
	if err != nil {
		return nil, err
	}
	all := []localReport{}
	for _, dir := range slices.Compact([]string{d.data, d.cache}) {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, iofs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() && e.Name() != "mounts" && e.Name() != "accounts" {
				dir := filepath.Join(dir, e.Name())
				all = append(all, localReport{dir, diskUsage(dir)})
			}
		}
	}
	return all, nil
}

// diskUsage is what a folder takes on the disk. What goes away meanwhile does
// not count.
func diskUsage(dir string) int64 {
	var n int64
	filepath.WalkDir(dir, func(_ string, d iofs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if st, err := d.Info(); err == nil {
			if sys, ok := st.Sys().(*syscall.Stat_t); ok {
				n += sys.Blocks * 512
			}
		}
		return nil
	})
	return n
}

// print shows the report to a person.
func (r statusReport) print(out io.Writer, now time.Time) {
	if len(r.Mounts) == 0 {
		say(out, "No account is mounted. replicatefs mount DIR mounts yours, replicatefs demo a made-up one.")
	}
	for i, m := range r.Mounts {
		if i > 0 {
			say(out, "")
		}
		m.print(out, now)
	}
	if len(r.Local) > 0 {
		say(out, "\nLocal data:")
		for _, l := range r.Local {
			say(out, "  %9s  %s", humanize.IBytes(uint64(l.Bytes)), l.Dir)
		}
	}
}

func (m mountReport) print(out io.Writer, now time.Time) {
	if m.Stats == nil {
		say(out, "%s: %s", m.Dir, m.Error)
		return
	}
	s := m.Stats
	say(out, "%s: the account %s at %s, pid %d, for %s", m.Dir, s.Account, s.BaseURL, m.Post.PID, since(s.Mounted, now))
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("predictions", "%s known, %s", humanize.Comma(int64(s.Catalog.Predictions)), newsLine(s.Sync, now))
	line("running", "%s", orNone(strings.Join(s.Runs, " ")))
	c := s.Cache
	line("cache", "%s of %s, %s of memory in use", humanize.IBytes(uint64(c.DiskUsed)), humanize.IBytes(uint64(c.DiskLimit)), humanize.IBytes(uint64(c.InUse+c.Tier)))
	if c.DiskOff {
		line("", "the cache on the disk is off after errors; the log says which")
	}
	k := s.Keep
	line("kept", "%s, %s of %s, mode %s", files(int(k.Files)), humanize.IBytes(uint64(k.Bytes)), humanize.IBytes(uint64(k.Limit)), k.Mode)
	if k.Pending > 0 {
		line("", "%d predictions with files still to be kept", k.Pending)
	}
	if k.Stopped != "" {
		line("", "nothing more is kept: %s", k.Stopped)
	}
	if n := len(k.Missed); n > 0 {
		last := k.Missed[n-1]
		line("", "%d could not be kept, the newest predictions/%s: %s", n, path.Join(last.Prediction, last.File), last.Reason)
	}
	line("disk", "%s free for it", humanize.IBytes(uint64(c.DiskFree)))
	if s.Mount != nil {
		line("open", "%d files and folders", s.Mount.Handles)
	}
	if s.Mount != nil && s.Mount.Metrics != "" {
		line("metrics", "http://%s/metrics", s.Mount.Metrics)
	}
	w.Flush()
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// since is a time in words such as "3 minutes".
func since(t, now time.Time) string {
	if now.Sub(t) < time.Second {
		return "a moment" // and not "now", as the library says
	}
	return strings.TrimSpace(humanize.RelTime(t, now, "", ""))
}

// newsLine says in words how the catalog follows the account.
func newsLine(s fs.SyncStats, now time.Time) string {
	var words []string
	if s.Complete {
		words = append(words, "the whole list is read")
	} else {
		words = append(words, "the list is still being read")
	}
	switch {
	case s.Failing != nil:
		words = append(words, fmt.Sprintf("no news for %s: %s", since(*s.Failing, now), s.Error))
	case s.Last != nil:
		words = append(words, fmt.Sprintf("news %s ago", since(*s.Last, now)))
	default:
		words = append(words, "no news yet")
	}
	return strings.Join(words, ", ")
}
