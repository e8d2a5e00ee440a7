package fuse

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fakeProc makes a /proc of one thread.
func fakeProc(t *testing.T, tid uint32, files map[string]string) proc {
	t.Helper()
	p := proc(t.TempDir())
	for name, content := range files {
		path := p.file(tid, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestTgid(t *testing.T) {
	p := fakeProc(t, 7, map[string]string{"status": "Name:\ta: b\nTgid:\t5\nPid:\t7\n"})
	for tid, want := range map[uint32]uint32{7: 5, 8: 0, 0: 0} {
		if got := p.tgid(tid); got != want {
			t.Errorf("tgid(%d) = %d, want %d", tid, got, want)
		}
	}
	if got := newProcesses().tgid(uint32(syscall.Gettid())); got != uint32(os.Getpid()) {
		t.Errorf("our own tgid = %d, want %d", got, os.Getpid())
	}
}

func TestKilled(t *testing.T) {
	stat := func(flags, threads, exit int) string {
		f := strings.Fields("7 (a) b) D 1 1 1 0 -1 FLAGS 0 0 0 0 0 0 0 0 20 0 THREADS 0 1 0 0" + strings.Repeat(" 0", 27) + " EXIT")
		return strings.NewReplacer("FLAGS", fmt.Sprint(flags), "THREADS", fmt.Sprint(threads), "EXIT", fmt.Sprint(exit)).Replace(strings.Join(f, " "))
	}
	for name, test := range map[string]struct {
		stat string
		want bool
	}{
		"exit 0":         {stat(0x40010c, 1, 0), false},
		"exit 1":         {stat(0x40010c, 1, 0x100), false},
		"SIGKILL":        {stat(0x40050c, 1, 9), true},
		"SIGINT":         {stat(0x40050c, 1, 2), true},
		"SIGABRT, core":  {stat(0x40050c, 1, 0x86), true},
		"alive":          {stat(0x400100, 1, 0), false},
		"taken along":    {stat(0x400504, 3, 0), false},
		"not to be read": {"", false},
	} {
		p := fakeProc(t, 7, map[string]string{"stat": test.stat, "fdinfo/0": ""})
		if got := p.killed(7); got != test.want {
			t.Errorf("%s: killed = %t, want %t", name, got, test.want)
		}
	}
	if proc(t.TempDir()).killed(7) {
		t.Error("a thread that nobody knows was killed")
	}
}

func TestHolds(t *testing.T) {
	const mountinfo = "22 1 0:21 / / rw - ext4 /dev/vda rw\n" +
		"40 22 0:45 / /mnt rw - fuse.replicatefs x rw\n" +
		"41 22 0:45 / /bind rw - fuse.replicatefs x rw\n"
	fd := func(flags, mount, ino string) string {
		s := "pos:\t0\nflags:\t" + flags + "\nmnt_id:\t" + mount + "\n"
		if ino != "" {
			s += "ino:\t" + ino + "\n"
		}
		return s
	}
	for name, test := range map[string]struct {
		fd   string
		want bool
	}{
		"this one":         {fd("0100001", "40", "99"), true},
		"read and write":   {fd("0100002", "40", "99"), false},
		"append":           {fd("0102001", "40", "99"), true},
		"in a bind mount":  {fd("0102001", "41", "99"), true},
		"another file":     {fd("0100001", "40", "98"), false},
		"for reading":      {fd("0100000", "40", "99"), false},
		"in another mount": {fd("0100001", "22", "99"), false},
		"old kernel":       {fd("0100001", "40", ""), true},
		"old, elsewhere":   {fd("0100001", "22", ""), false},
	} {
		p := fakeProc(t, 7, map[string]string{"mountinfo": mountinfo, "fdinfo/0": fd("02", "22", "5"), "fdinfo/3": test.fd})
		held, known := p.holds(7, "0:45", 99, syscall.O_WRONLY)
		if held != test.want || !known {
			t.Errorf("%s: holds = %t, %t, want %t, true", name, held, known, test.want)
		}
	}
	if held, known := fakeProc(t, 7, map[string]string{"stat": ""}).holds(7, "0:45", 99, syscall.O_WRONLY); held || known {
		t.Errorf("without fdinfo: holds = %t, %t, want false, false", held, known)
	}
	if _, known := newProcesses().holds(0, "0:45", 99, syscall.O_WRONLY); known {
		t.Error("something is known of a process in another namespace")
	}
}

func TestWaits(t *testing.T) {
	for name, test := range map[string]struct {
		status       string
		asleep, told bool
	}{
		"SIGINT":         {"State:\tD (disk sleep)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000002\nSigBlk:\t0000000000000000\n", true, true},
		"SIGKILL":        {"State:\tD (disk sleep)\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\n", true, true},
		"SIGWINCH":       {"State:\tD (disk sleep)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000008000000\nSigBlk:\t0000000000000000\n", true, false},
		"SIGCHLD":        {"State:\tD (disk sleep)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000010000\nSigBlk:\t0000000000000000\n", true, false},
		"SIGINT blocked": {"State:\tD (disk sleep)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000002\nSigBlk:\t0000000000000002\n", true, false},
		"let go":         {"State:\tS (sleeping)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\n", false, false},
	} {
		p := fakeProc(t, 7, map[string]string{"status": test.status})
		asleep, told, known := p.waits(7)
		if asleep != test.asleep || told != test.told || !known {
			t.Errorf("%s: waits = %t, %t, %t, want %t, %t, true", name, asleep, told, known, test.asleep, test.told)
		}
	}
	if _, _, known := proc(t.TempDir()).waits(7); known {
		t.Error("something is known of a thread that is gone")
	}
}
