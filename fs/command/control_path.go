package command

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// errNoMount is in the error for a path that is on no mount of ours.
var errNoMount = errors.New("on no mounted account of yours; replicatefs status lists them")

// maxLinks is how many links a path may lead through, as for the kernel.
const maxLinks = 40

// locate finds the mount that a path leads into, and the rest of the path,
// which is inside. It goes word by word as the kernel does, through links too,
// but only up to the mountpoint: what is behind it is the mount's to say, and
// a mount that hangs must not be touched.
func locate(name string, all []post) (p post, inside string, err error) {
	words := strings.Split(name, "/")
	if !filepath.IsAbs(name) {
		dir, err := unix.Getwd() // os.Getwd looks at the folder, which may be in a mount
		if err != nil {
			return post{}, "", err
		}
		words = append(strings.Split(dir, "/"), words...)
	}
	at := "/"
	for links := 0; len(words) > 0; {
		word := words[0]
		words = words[1:]
		switch word {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, word)
		if i := slices.IndexFunc(all, func(p post) bool { return p.Dir == next }); i >= 0 {
			return all[i], strings.Join(words, "/"), nil
		}
		st, err := os.Lstat(next)
		switch {
		case errors.Is(err, iofs.ErrNotExist):
			return post{}, "", fmt.Errorf("%s: there is no %s: %w", name, next, iofs.ErrNotExist)
		case err != nil:
			return post{}, "", err
		case st.Mode()&iofs.ModeSymlink == 0:
			at = next
			continue
		}
		if links++; links > maxLinks {
			return post{}, "", fmt.Errorf("%s leads through too many links", name)
		}
		target, err := os.Readlink(next)
		if err != nil {
			return post{}, "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		words = append(strings.Split(target, "/"), words...)
	}
	return post{}, "", fmt.Errorf("%s is %w", name, errNoMount)
}
