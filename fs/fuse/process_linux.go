package fuse

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// proc is where /proc is.
type proc string

func newProcesses() processes { return proc("/proc") }

func (p proc) file(tid uint32, name string) string {
	return path.Join(string(p), strconv.FormatUint(uint64(tid), 10), name)
}

// status returns the values of some lines of /proc/<tid>/status.
func (p proc) status(tid uint32, keys ...string) ([]string, bool) {
	if tid == 0 {
		return nil, false
	}
	b, err := os.ReadFile(p.file(tid, "status"))
	if err != nil {
		return nil, false
	}
	values := make([]string, len(keys))
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		for i := range keys {
			if key == keys[i] {
				values[i] = strings.TrimSpace(value)
			}
		}
	}
	return values, true
}

func (p proc) tgid(tid uint32) uint32 {
	v, ok := p.status(tid, "Tgid")
	if !ok {
		return 0
	}
	n, _ := strconv.ParseUint(v[0], 10, 32)
	return uint32(n)
}

const (
	flagSignaled = 0x400 // PF_SIGNALED: killed by a signal

	// Fields of /proc/<pid>/stat, counted as in proc(5).
	statFlags    = 9
	statThreads  = 20
	statExitCode = 52
)

func (p proc) killed(tid uint32) bool {
	b, err := os.ReadFile(p.file(tid, "stat"))
	if err != nil {
		return false
	}
	// The name of the program, field 2, may itself hold blanks and brackets.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	field := func(n int) int {
		if n -= 3; n >= len(f) {
			return 0
		}
		v, _ := strconv.Atoi(f[n])
		return v
	}
	if field(statExitCode)&0x7f != 0 {
		return true
	}
	// The exit code of another user's process reads as 0, its flags do not
	// hide. They mean nothing where there are threads: those that an exit
	// takes along look killed too.
	_, err = os.ReadDir(p.file(tid, "fdinfo"))
	return os.IsPermission(err) && field(statThreads) <= 1 && field(statFlags)&flagSignaled != 0
}

func (p proc) holds(tid uint32, device string, ino uint64, mode uint32) (held, known bool) {
	if tid == 0 {
		return false, false
	}
	dir := p.file(tid, "fdinfo")
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false, false
	}
	var mounts map[string]bool
	for _, fd := range fds {
		b, err := os.ReadFile(path.Join(dir, fd.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		var flags uint64
		var mount, number string
		for line := range strings.Lines(string(b)) {
			switch key, value, _ := strings.Cut(line, ":"); key {
			case "flags":
				flags, _ = strconv.ParseUint(strings.TrimSpace(value), 8, 64)
			case "mnt_id":
				mount = strings.TrimSpace(value)
			case "ino":
				number = strings.TrimSpace(value)
			}
		}
		if uint32(flags)&syscall.O_ACCMODE != mode {
			continue
		}
		// Kernels before 5.14 do not show the ino. Any file that is open like
		// this in this mount then counts: to wait for the last release is the
		// safe mistake.
		if number != "" && number != strconv.FormatUint(ino, 10) {
			continue
		}
		if mounts == nil {
			if mounts, err = p.mounts(tid, device); err != nil {
				return false, false
			}
		}
		if mounts[mount] {
			return true, true
		}
	}
	return false, true
}

// mounts returns the mount ids that a device has where the thread lives; a
// container may see it under another one than we do.
func (p proc) mounts(tid uint32, device string) (map[string]bool, error) {
	f, err := os.Open(p.file(tid, "mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ids := make(map[string]bool)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 2 && f[2] == device {
			ids[f[0]] = true
		}
	}
	return ids, lines.Err()
}

// enders are the signals by which a person or the system asks a program to
// end, as bits of the masks in /proc/<tid>/status. A signal that kills by
// default and is not handled shows as KILL.
const enders = 1<<(syscall.SIGINT-1) | 1<<(syscall.SIGQUIT-1) | 1<<(syscall.SIGTERM-1) |
	1<<(syscall.SIGHUP-1) | 1<<(syscall.SIGKILL-1)

func (p proc) waits(tid uint32) (asleep, told, known bool) {
	v, ok := p.status(tid, "State", "SigPnd", "ShdPnd", "SigBlk")
	if !ok {
		return false, false, false
	}
	mask := func(s string) uint64 {
		m, _ := strconv.ParseUint(s, 16, 64)
		return m
	}
	pending := (mask(v[1]) | mask(v[2])) &^ mask(v[3])
	return strings.HasPrefix(v[0], "D"), pending&enders != 0, true
}
