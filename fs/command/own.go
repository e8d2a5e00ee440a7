package command

import (
	"fmt"
	"os"
	"syscall"
)

// ourOwn makes a folder for local data, for its owner only, or makes sure of
// one that is there: what others can write to could show us their bytes as
// outputs, or have us write where they want.
func ourOwn(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for local data: %w; pass --cache-dir DIR for another place", err)
	}
	link, err := os.Lstat(dir) // whoever owns a link decides where it leads
	if err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for _, i := range []os.FileInfo{link, info} {
		if st, ok := i.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
			return fmt.Errorf("%s, the folder for local data, belongs to the user %d, not to you (%d); pass --cache-dir DIR for another place", dir, st.Uid, os.Geteuid())
		}
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s, the place for local data, is not a folder; pass --cache-dir DIR for another place", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s, the folder for local data, can be written to by others (%v); take that away by chmod go-w %[1]s, or pass --cache-dir DIR for another place", dir, info.Mode())
	}
	return nil
}
