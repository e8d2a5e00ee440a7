package fuse

import (
	"bufio"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Users are the processes that have a file or folder of the mount on dir open,
// mapped or as their working folder, by number. Those of other users are for
// root to see. Nothing in the mount is touched.
func Users(dir string) []User {
	if m, err := mountAt(dir); err == nil {
		dir = m.dir
	}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var users []User
	for _, proc := range procs {
		pid, err := strconv.Atoi(filepath.Base(proc))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if uses := usedBy(proc, dir); uses != "" {
			name, _ := os.ReadFile(proc + "/comm")
			users = append(users, User{PID: pid, Name: strings.TrimSpace(string(name)), Uses: uses})
		}
	}
	slices.SortFunc(users, func(a, b User) int { return cmp.Compare(a.PID, b.PID) })
	return users
}

// usedBy is a path below dir that a process uses, or "".
func usedBy(proc, dir string) string {
	below := func(path string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
	links := []string{proc + "/cwd", proc + "/root", proc + "/exe"}
	open, _ := filepath.Glob(proc + "/fd/*")
	for _, link := range append(links, open...) {
		if target, err := os.Readlink(link); err == nil && below(target) {
			return target
		}
	}
	f, err := os.Open(proc + "/maps")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if _, path, ok := strings.Cut(lines.Text(), " /"); ok && below("/"+path) {
			return "/" + path
		}
	}
	return ""
}

// Dead tells whether the mount on dir is one whose program was killed. One
// that does not answer in time is not.
func Dead(dir string) bool {
	answer := make(chan error, 1)
	go func() { answer <- unix.Statfs(dir, new(unix.Statfs_t)) }()
	select {
	case err := <-answer:
		return err == syscall.ENOTCONN || err == syscall.ECONNABORTED
	case <-time.After(silence):
		return false
	}
}
