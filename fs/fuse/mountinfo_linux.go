package fuse

import (
	"bufio"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"slices"
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
	all, err := mountPoints()
	if err != nil {
		return mountPoint{}, err
	}
	// Later ones are mounted over earlier ones.
	for _, m := range slices.Backward(all) {
		if m.dir == dir {
			return m, nil
		}
	}
	return mountPoint{}, fmt.Errorf("nothing is mounted on %s: %w", dir, iofs.ErrNotExist)
}

// mountPoints are all mounts that are to be seen, in the order of mounting.
func mountPoints() ([]mountPoint, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMounts(f)
}

func parseMounts(r io.Reader) (all []mountPoint, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // overlay mounts have long lines
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		// By blanks alone: other spaces in names are not escaped.
		b, a := strings.Split(before, " "), strings.Split(after, " ")
		if ok && len(b) >= 5 {
			all = append(all, mountPoint{unescape(b[4]), b[2], a[0]})
		}
	}
	return all, lines.Err()
}

// unescape undoes what /proc does to blanks, tabs, newlines and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
