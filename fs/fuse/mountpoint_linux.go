package fuse

import (
	"bytes"
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"replicatefs/fs/tree"
)

// prepare checks that something can be mounted on dir, takes over what a
// killed program left there, and returns the real path. What can go wrong is
// found here, before the kernel or a helper says it in fewer words.
func prepare(dir string, others bool, log *slog.Logger) (string, error) {
	dir, err := resolve(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return "", fmt.Errorf("%w: make it with mkdir", err)
	}
	if err != nil {
		return "", err
	}
	if err := vacate(dir, log); err != nil {
		return "", err
	}
	if err := vacant(dir); err != nil {
		return "", err
	}
	if err := usable("/dev/fuse"); err != nil {
		return "", err
	}
	if os.Geteuid() == 0 {
		return dir, nil
	}
	if _, err := helper(); err != nil {
		return "", err
	}
	if unix.Access(dir, unix.W_OK) != nil {
		return "", fmt.Errorf("%s is not yours to mount on: choose a folder that you can write to: %w", dir, iofs.ErrPermission)
	}
	if others && !othersAllowed("/etc/fuse.conf") {
		return "", fmt.Errorf("to let other users in, /etc/fuse.conf must have the line user_allow_other: ask root, or leave --allow-other out: %w", iofs.ErrPermission)
	}
	return dir, nil
}

// resolve returns the real path of dir. A dead mount on it is no error.
func resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for range 10 {
		if _, err := mountOn(dir); err == nil {
			return dir, nil // without looking into it, it may not answer
		}
		real, err := filepath.EvalSymlinks(dir)
		switch {
		case err == nil:
			return real, nil
		case errors.Is(err, iofs.ErrNotExist):
			return "", fmt.Errorf("%s: %w", dir, iofs.ErrNotExist)
		case !errors.Is(err, syscall.ENOTCONN):
			return "", err
		}
		parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
		if err != nil {
			return "", err
		}
		dir = filepath.Join(parent, filepath.Base(dir))
		if target, err := os.Readlink(dir); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join(parent, target)
			}
			dir = target
		}
	}
	return "", fmt.Errorf("%s: too many links", dir)
}

// silence is how long a mount may take to say that it lives.
const silence = 10 * time.Second

// vacate removes a mount of ours from dir whose program was killed. A living
// one is an error.
func vacate(dir string, log *slog.Logger) error {
	for range 10 { // each start over a dead mount may have added one
		m, err := mountOn(dir)
		if err != nil || m.kind != "fuse."+fsType {
			return nil
		}
		// A stat could be answered by what the kernel remembers of the dead.
		answer := make(chan error, 1)
		go func() { answer <- unix.Statfs(dir, new(unix.Statfs_t)) }()
		select {
		case err = <-answer:
		case <-time.After(silence):
			if err = nil; undying() {
				err = free(dir, m.device)
			}
		}
		if err != nil && !errors.As(err, new(syscall.Errno)) {
			return err
		}
		if err != syscall.ENOTCONN && err != syscall.ECONNABORTED {
			return fmt.Errorf("an account is already mounted on %s: choose another folder, or run replicatefs unmount %s", dir, dir)
		}
		if err := detach(dir, true); err != nil {
			return fmt.Errorf("a killed program left its mount on %s, and it cannot be removed: %w", dir, err)
		}
		log.Info("removed the mount of a killed program", "dir", dir)
	}
	return fmt.Errorf("mounts of killed programs keep showing up on %s", dir)
}

// undying says whether a program of this name was killed and cannot end. While
// it tells the kernel something, one of its threads may wait for a lock that
// only its own answer to somebody else would open; and as long as that thread
// is there, the kernel believes that the answer may come. This is rare: see
// notifier and push. A program that was only stopped, as by Ctrl-Z, is alive.
func undying() bool {
	me, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		return false
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || !bytes.Equal(name, me) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) > statThreads-3 && f[0] == "Z" && f[statThreads-3] != "1" {
			return true
		}
	}
	return false
}

// free ends the connection of a mount whose program cannot end. The error is
// what the mount then says to everybody.
func free(dir, device string) error {
	err := abort(device)
	if err != nil {
		err = unix.Unmount(dir, unix.MNT_FORCE) // aborts it too, and may fail then
	}
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("a killed program cannot end and holds its mount on %s: ask root for umount -f -l %s", dir, dir)
	}
	return syscall.ENOTCONN
}

// vacant says whether dir is an empty folder.
func vacant(dir string) error {
	st, err := os.Stat(dir)
	if errors.Is(err, syscall.ENOTCONN) {
		return fmt.Errorf("a killed program left its mount on %s: unmount it with fusermount3 -u -z %s", dir, dir)
	}
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return fmt.Errorf("%s is a file: choose an empty folder: %w", dir, tree.ErrNotDir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s has something in it, which would be hidden: choose an empty folder: %w", dir, tree.ErrNotEmpty)
	}
	return nil
}

// usable says whether the device of FUSE is there for us.
func usable(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err == nil {
		return f.Close()
	}
	switch {
	case errors.Is(err, iofs.ErrNotExist), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("%w: there is no %s: load it with modprobe fuse, or start the container with --device /dev/fuse --cap-add SYS_ADMIN", ErrNoFUSE, device)
	case errors.Is(err, iofs.ErrPermission):
		return fmt.Errorf("%w: %s is not open to you: ask root for chmod 0666 %s, or to add you to its group", ErrNoFUSE, device, device)
	}
	return fmt.Errorf("%w: %w", ErrNoFUSE, err)
}

// helper finds the program by which ordinary users mount.
func helper() (string, error) {
	for _, name := range []string{"fusermount3", "fusermount", "/bin/fusermount3", "/bin/fusermount"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: fusermount3 is missing, without it only root can mount: apt install fuse3", ErrNoFUSE)
}

func othersAllowed(conf string) bool {
	b, err := os.ReadFile(conf)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if strings.TrimSpace(line) == "user_allow_other" {
			return true
		}
	}
	return false
}

// explain says what to do about an error of mounting that prepare did not see
// coming.
func explain(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: mounting is not permitted here: start the container with --cap-add SYS_ADMIN", ErrNoFUSE)
	case errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("%w: the kernel has no FUSE: load it with modprobe fuse", ErrNoFUSE)
	case os.Geteuid() != 0:
		return fmt.Errorf("%w: fusermount3 refused to mount on %s and has said why: %w", ErrNoFUSE, dir, err)
	}
	return fmt.Errorf("mount on %s: %w", dir, err)
}

// detach unmounts dir; with lazy, even while it is in use.
func detach(dir string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	err := unix.Unmount(dir, flags)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%s is in use: %w", dir, tree.ErrBusy)
	case !errors.Is(err, syscall.EPERM):
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	program, err := helper()
	if err != nil {
		return err
	}
	args := []string{"-u", dir}
	if lazy {
		args = []string{"-u", "-z", dir}
	}
	cmd := exec.Command(program, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		if _, gone := mountOn(dir); gone != nil {
			return nil // somebody else was faster
		}
		if strings.Contains(said.String(), "busy") { // all that tells its reasons apart
			return fmt.Errorf("%s is in use: %w", dir, tree.ErrBusy)
		}
		return fmt.Errorf("unmount %s: %s", dir, strings.TrimSpace(said.String()))
	}
	return nil
}

// breakOff takes a mount away from those who use it.
func breakOff(m mountPoint) error {
	err := unix.Unmount(m.dir, unix.UMOUNT_NOFOLLOW|unix.MNT_FORCE|unix.MNT_DETACH)
	if !errors.Is(err, syscall.EPERM) {
		return err
	}
	aborted := abort(m.device)
	if err := detach(m.dir, true); err != nil {
		return err
	}
	if aborted != nil {
		return fmt.Errorf("%s is out of sight, but programs that use it go on: only root can end its connection here: %w", m.dir, iofs.ErrPermission)
	}
	return nil
}

// abort ends the connection of a mount, so that who still uses it gets errors.
// Without the fusectl file system there is no way to, once it is detached; the
// end of this process then does it.
func abort(device string) error {
	_, minor, _ := strings.Cut(device, ":")
	return os.WriteFile("/sys/fs/fuse/connections/"+minor+"/abort", []byte("1"), 0)
}

// readAhead lets the kernel read further ahead than the 128 KiB of a FUSE
// mount. Only root may. Where each reply takes 20 ms, 64 MiB then take 0.75 s
// and not 5.4 s. With 4096 it would be 0.25 s, but then each page touched at
// random through mmap costs megabytes too.
func readAhead(device string) error {
	return os.WriteFile("/sys/class/bdi/"+device+"/read_ahead_kb", []byte("1024"), 0)
}
