package fuse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzProc: what /proc says of a process that writes, whatever the kernel, a
// container or a process that chose its own name makes of it, never panics and
// never takes a file for held that is not.
func FuzzProc(f *testing.F) {
	dir := f.TempDir()
	for _, name := range []string{"7/fdinfo"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			f.Fatal(err)
		}
	}
	f.Add("Name:\tcat\nState:\tS (sleeping)\nTgid:\t7\nSigPnd:\t0000000000000002\nShdPnd:\t0\nSigBlk:\t0\n",
		"7 (a) b) S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 9", "pos:\t0\nflags:\t0100001\nmnt_id:\t29\nino:\t5\n", "29 1 0:29 / /mnt rw - fuse.replicatefs x rw\n")
	f.Add("", "", "", "")
	f.Add("Tgid:\nState:", "7 (", "flags:\nino:", "\n\n")
	f.Fuzz(func(t *testing.T, status, stat, fdinfo, mountinfo string) {
		for name, text := range map[string]string{"status": status, "stat": stat, "fdinfo/3": fdinfo, "mountinfo": mountinfo} {
			if err := os.WriteFile(filepath.Join(dir, "7", name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		p := proc(dir)
		p.tgid(7)
		p.killed(7)
		p.waits(7)
		if held, _ := p.holds(7, "0:29", 5, 1); held && !(strings.Contains(fdinfo, "mnt_id") && strings.Contains(mountinfo, "0:29")) {
			t.Errorf("held by %q in %q", fdinfo, mountinfo)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add(`a\040b\011\012\134`)
	f.Add(`\134040`)
	f.Fuzz(func(t *testing.T, s string) {
		if escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(s); unescape(escaped) != s {
			t.Errorf("%q came back as %q", s, unescape(escaped))
		}
	})
}

// FuzzMounts: a folder with a name of whatever kind is found where it is
// mounted, and no line of another mount hides it.
func FuzzMounts(f *testing.F) {
	f.Add("29 1 0:29 / /mnt rw - fuse.x x rw\n", "a b\n\tc\\040")
	f.Add("\n - \n1 2 3 4 5 - \n", "")
	f.Add("", "no\u00a0break\u0085\r")
	f.Fuzz(func(t *testing.T, others, dir string) {
		dir = "/" + dir
		if strings.Contains(dir, "\x00") || len(others) > 1<<16 {
			return
		}
		escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(dir)
		all, err := parseMounts(strings.NewReader(others + "\n31 1 0:31 / " + escaped + " rw shared:1 - fuse.replicatefs x rw\n"))
		if err != nil || len(all) == 0 || all[len(all)-1] != (mountPoint{dir, "0:31", "fuse.replicatefs"}) {
			t.Errorf("%q among %q: %+v, %v", dir, others, all, err)
		}
	})
}
