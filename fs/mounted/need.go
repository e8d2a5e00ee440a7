package mounted

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// lack skips a test on a machine that lacks something, and says what to do.
func lack(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}

// Need skips the test if a program is there under none of its names. Install
// is the line that gets it.
func Need(tb testing.TB, install string, names ...string) {
	tb.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return
		}
	}
	lack(tb, names[0]+" is missing: "+install)
}

// NeedFUSE skips the test where whoever runs it cannot mount; with user, also
// where an ordinary user cannot.
func NeedFUSE(tb testing.TB, user bool) {
	tb.Helper()
	if runtime.GOOS != "linux" {
		lack(tb, "mounts are tested on Linux only")
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		lack(tb, "no FUSE: "+err.Error()+": modprobe fuse, or docker run --device /dev/fuse --cap-add SYS_ADMIN")
	}
	f.Close()
	if !user && os.Geteuid() == 0 {
		return
	}
	Need(tb, "apt install fuse3", "fusermount3")
	st, err := os.Stat("/dev/fuse")
	if err != nil || st.Mode().Perm()&0o006 != 0o006 {
		lack(tb, "/dev/fuse is closed to ordinary users: chmod 0666 /dev/fuse")
	}
}
