package fuse

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// asUser are the tests that an ordinary user runs as well.
const asUser = "^Test(Mount|Saves|SaveError|Signals|LookAt|KilledDaemon|UnmountOf|NotifyUnder|Editors|Forced|Aborted|LateSave)"

// nobody is the user of this.
const nobody = "65534"

// TestOrdinaryUser runs tests again as a user who needs fusermount3. Where the
// device is closed to users, an own mount namespace opens it for them alone.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the tests run as an ordinary user already")
	}
	canMount(t)
	needs(t, "unshare", "setpriv", "fusermount3", "mknod")
	// The test program itself lies in a folder that only root may enter.
	dir, err := os.MkdirTemp("", "TestOrdinaryUser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for path, mode := range map[string]os.FileMode{dir: 0o755, dir + "/tmp": 0o777, dir + "/home": 0o777} {
		os.Mkdir(path, mode)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "fuse.test")
	if err := copyFile("/proc/self/exe", program); err != nil {
		t.Fatal(err)
	}
	// The namespace begins with a copy of every mount. Those of other tests would
	// live on in it after their end.
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		`awk '$3 ~ /^fuse[.]/ { print $2 }' /proc/self/mounts | xargs -r -n 1 umount -l
		mknod -m 0666 "$1/fuse" c 10 229 && mount --bind "$1/fuse" /dev/fuse && cd "$1/tmp" &&
		TMPDIR="$1/tmp" HOME="$1/home" exec setpriv --reuid=`+nobody+` --regid=`+nobody+` --clear-groups "$1/fuse.test" -test.v -test.run "$2"`,
		"sh", dir, asUser)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v (where this fails, try it by hand: chmod 0666 /dev/fuse, then the tests as that user)\n%s", err, out)
	}
	t.Logf("%s", lastLines(out, 3))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

func lastLines(b []byte, n int) []byte {
	for i := len(b) - 2; i >= 0; i-- {
		if b[i] == '\n' {
			if n--; n == 0 {
				return b[i+1:]
			}
		}
	}
	return b
}
