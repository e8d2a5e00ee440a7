package fuse

import (
	"bufio"
	"fmt"
	iofs "io/fs"
	"os"
	"strings"
)

// A mountPoint is a line of /proc/self/mountinfo.
type mountPoint struct {
	dir    string
	device string // "0:45"
	kind   string // "fuse.replicatefs"
}

// mountAt returns the mount that is to be seen at dir.
func mountAt(dir string) (mountPoint, error) {
	dir, err := resolve(dir)
	if err != nil {
		return mountPoint{}, err
	}
	return mountOn(dir)
}

// mountOn returns the mount that is to be seen at the real path dir. It does
// not touch dir, which may be a mount that does not answer.
func mountOn(dir string) (mountPoint, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return mountPoint{}, err
	}
	defer f.Close()
	found := mountPoint{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // overlay mounts have long lines
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if !ok || len(b) < 5 || len(a) < 1 {
			continue
		}
		// Later lines are mounted over earlier ones.
		if m := (mountPoint{unescape(b[4]), b[2], a[0]}); m.dir == dir {
			found = m
		}
	}
	if err := lines.Err(); err != nil {
		return mountPoint{}, err
	}
	if found.dir == "" {
		return mountPoint{}, fmt.Errorf("nothing is mounted on %s: %w", dir, iofs.ErrNotExist)
	}
	return found, nil
}

// unescape undoes what /proc does to blanks, tabs, newlines and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
