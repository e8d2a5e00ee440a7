//go:build !linux

package fuse

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"replicatefs/fs/tree"
)

// Other systems than Linux mount with what go-fuse finds there, and have
// neither /proc nor a way to tell the mounts apart.

type mountPoint struct{ dir, device, kind string }

func mountAt(dir string) (mountPoint, error) {
	dir, err := filepath.Abs(dir)
	return mountPoint{dir: dir, kind: "fuse." + fsType}, err
}

func mountPoints() ([]mountPoint, error) { return nil, nil }

func prepare(dir string, _ bool, _ *slog.Logger) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return "", fmt.Errorf("%s does not exist: make it with mkdir: %w", dir, iofs.ErrNotExist)
	case err != nil:
		return "", err
	case len(entries) > 0:
		return "", fmt.Errorf("%s has something in it: choose an empty folder: %w", dir, tree.ErrNotEmpty)
	}
	return dir, nil
}

func explain(dir string, err error) error {
	return fmt.Errorf("%w: mount on %s: %w", ErrNoFUSE, dir, err)
}

func detach(dir string, lazy bool) error {
	flags := 0
	if lazy {
		flags = unix.MNT_FORCE
	}
	err := unix.Unmount(dir, flags)
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("%s is in use: %w", dir, tree.ErrBusy)
	}
	return err
}

func breakOff(m mountPoint) error { return detach(m.dir, true) }

func abort(string) error { return errors.ErrUnsupported }

func readAhead(string) error { return errors.ErrUnsupported }

func helper() (string, error) { return "", errors.ErrUnsupported }

func othersAllowed(string) bool { return true }

// usable leaves it to the mount to say what is missing.
func usable(string) error { return nil }
