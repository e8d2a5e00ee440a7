package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"replicatefs/api"
	"replicatefs/cache"
	"replicatefs/fs/fuse"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check what a mount needs, and say what to do",
		Description: "Looks at this machine, the account and the network with the flags and settings that mount would use.\n" +
			"The exit status is 1 if something is broken.\n\n" +
			"   replicatefs doctor\n" +
			"   replicatefs doctor --json | jq '.[] | select(.verdict != \"ok\")'",
		Flags: flags(connectionFlags(), localFlags(), mountFlags(), []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "as JSON", EnvVars: env("json")},
		}),
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "flags only"); err != nil {
				return err
			}
			cfg, err := configFrom(c, io.Discard) // what is found is all that is said
			if err != nil {
				return err
			}
			defer cfg.journal.close()
			return examine(c, cfg)
		},
	}
}

// Verdicts of a finding.
const (
	healthy = "ok"
	doubt   = "warn"
	broken  = "bad"
)

// A finding is what one look has shown.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Says    string `json:"says"`
	Do      string `json:"do,omitempty"` // what helps
}

// A doctor looks at what a mount with these settings would need.
type doctor struct {
	cfg    config
	cli    *cli.Context
	client *api.Client // nil without a token
}

// checks are what is looked at, in this order. A new one is a row here.
var checks = []struct {
	name string
	look func(*doctor, context.Context) []finding
}{
	{"system", (*doctor).system},
	{"device", (*doctor).device},
	{"helper", (*doctor).helper},
	{"others", (*doctor).others},
	{"mount", (*doctor).mount},
	{"stale", (*doctor).stale},
	{"folders", (*doctor).folders},
	{"disk", (*doctor).disk},
	{"token", (*doctor).token},
	{"api", (*doctor).api},
	{"clock", (*doctor).clock},
	{"outputs", (*doctor).outputs},
}

// checkLimit is how long one look may take.
const checkLimit = 20 * time.Second

func examine(c *cli.Context, cfg config) error {
	d := &doctor{cfg: cfg, cli: c}
	defer func() {
		if d.client != nil {
			d.client.Close()
		}
	}()
	all := []finding{}
	bad := 0
	for _, check := range checks {
		ctx, stop := context.WithTimeout(c.Context, checkLimit)
		found := check.look(d, ctx)
		stop()
		if err := c.Context.Err(); err != nil {
			return err
		}
		for _, f := range found {
			f.Check = check.name
			if f.Verdict == broken {
				bad++
			}
			all = append(all, f)
			if !c.Bool("json") {
				f.print(c.App.Writer)
			}
		}
	}
	if c.Bool("json") {
		enc := json.NewEncoder(c.App.Writer)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			return err
		}
	}
	switch bad {
	case 0:
		return nil
	case 1:
		return errors.New("one thing is broken")
	}
	return fmt.Errorf("%d things are broken", bad)
}

// print shows a finding on a line, and below it what helps.
func (f finding) print(out io.Writer) {
	verdict := fmt.Sprintf("%-4s", f.Verdict)
	if colored(out) {
		verdict = map[string]string{healthy: "\x1b[32m", doubt: "\x1b[33m", broken: "\x1b[31m"}[f.Verdict] + verdict + "\x1b[0m"
	}
	fmt.Fprintf(out, "%s  %-8s %s\n", verdict, f.Check, f.Says)
	if f.Do != "" {
		fmt.Fprintf(out, "%15s→ %s\n", "", f.Do)
	}
}

// colored tells whether colours are welcome: on a terminal that has them, and
// with nobody who has said no (https://no-color.org).
func colored(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func one(verdict, says, do string) []finding {
	return []finding{{Verdict: verdict, Says: says, Do: do}}
}

// fault makes a finding of an error that says, after a colon, what to do.
func fault(verdict string, err error) []finding {
	says, do, ok := strings.Cut(strings.TrimPrefix(err.Error(), fuse.ErrNoFUSE.Error()+": "), ": ")
	if !ok {
		return one(verdict, says, "")
	}
	return one(verdict, says, do)
}

func (d *doctor) system(context.Context) []finding {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return one(doubt, err.Error(), "")
	}
	says := fmt.Sprintf("%s %s, %s; replicatefs %s", unix.ByteSliceToString(name.Sysname[:]), unix.ByteSliceToString(name.Release[:]), runtime.GOARCH, version())
	if runtime.GOOS != "linux" {
		return one(doubt, says, "mounts are tried on Linux only; the other commands work everywhere")
	}
	return one(healthy, says, "")
}

func (d *doctor) device(context.Context) []finding {
	if err := fuse.Usable(); err != nil {
		return fault(broken, err)
	}
	return one(healthy, "FUSE can be used", "")
}

func (d *doctor) helper(context.Context) []finding {
	path, err := fuse.Helper()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err == nil:
		return one(healthy, path, "")
	case os.Geteuid() == 0:
		return one(doubt, "fusermount3 is missing: root mounts without it, others cannot", "apt install fuse3")
	}
	return fault(broken, err)
}

func (d *doctor) others(context.Context) []finding {
	switch {
	case fuse.OthersAllowed():
		return one(healthy, "mounts may be open to other users (--allow-other)", "")
	case os.Geteuid() == 0:
		return one(healthy, "root may open mounts to other users (--allow-other), others may not", "")
	case d.cfg.mount.AllowOther:
		return one(broken, "mounts may not be open to other users, and --allow-other is set", "ask root to write the line user_allow_other into /etc/fuse.conf")
	}
	return one(healthy, "mounts are for you alone; --allow-other needs user_allow_other in /etc/fuse.conf", "")
}

// mount tries it.
func (d *doctor) mount(context.Context) []finding {
	o := d.cfg.mount
	o.FsName = "replicatefs-doctor"
	f, err := fuse.Probe(o)
	if err != nil {
		return fault(broken, fmt.Errorf("nothing can be mounted: %w", err))
	}
	says := "works; FUSE " + f.Protocol
	for _, feature := range []struct {
		has  bool
		says string
	}{
		{f.Passthrough, "cached files at the speed of the disk"},
		{f.Prune, "memory of large walks comes back"},
	} {
		if feature.has {
			says += ", " + feature.says
		}
	}
	return one(healthy, says, "")
}

func (d *doctor) stale(context.Context) []finding {
	dirs, err := fuse.Mounted()
	if err != nil {
		return one(doubt, err.Error(), "")
	}
	var found []finding
	for _, dir := range dirs {
		if fuse.Dead(dir) {
			found = append(found, finding{Verdict: doubt, Says: dir + " is the mount of a program that was killed", Do: "mount there again, or: replicatefs unmount " + dir})
		}
	}
	if found == nil {
		return one(healthy, fmt.Sprintf("%d mounted here, and no dead ones", len(dirs)), "")
	}
	return found
}

// folders are those of local data: they must be ours, and nobody else's.
func (d *doctor) folders(context.Context) []finding {
	var found []finding
	dirs := []string{d.cfg.dirs.data, d.cfg.dirs.cache}
	if dir, err := configDir(); err == nil {
		dirs = append(dirs, filepath.Join(dir, "tokens"))
	}
	for _, dir := range slices.Compact(dirs) {
		at := existing(dir)
		st, err := os.Stat(at)
		switch {
		case err != nil:
			found = append(found, finding{Verdict: broken, Says: err.Error()})
		case !st.IsDir():
			found = append(found, finding{Verdict: broken, Says: at + " is no folder", Do: "move it away, or pass --cache-dir DIR"})
		case unix.Access(at, unix.W_OK|unix.X_OK) != nil:
			found = append(found, finding{Verdict: broken, Says: dir + ": you cannot write to " + at, Do: "chown it, or pass --cache-dir DIR"})
		case at == dir && st.Mode().Perm()&0o022 != 0:
			found = append(found, finding{Verdict: doubt, Says: fmt.Sprintf("%s can be written to by others (%v)", dir, st.Mode().Perm()), Do: "chmod go-w " + dir})
		default:
			found = append(found, finding{Verdict: healthy, Says: dir})
		}
	}
	return found
}

// existing is the folder itself, or the nearest one above it that exists.
func existing(dir string) string {
	for {
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func (d *doctor) disk(context.Context) []finding {
	total, free, err := cache.Space(existing(d.cfg.dirs.cache))
	if err != nil {
		return one(doubt, err.Error(), "")
	}
	says := fmt.Sprintf("%s of %s free; the cache takes up to %s", humanize.IBytes(uint64(free)), humanize.IBytes(uint64(total)), humanize.IBytes(uint64(d.cfg.cache.Disk)))
	if free < total/10 || free < 1<<30 {
		return one(doubt, says, "below 10 % or 1 GiB nothing more is stored: make room, or pass --cache-dir DIR on another disk")
	}
	return one(healthy, says, "")
}
