package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOurOwn(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	make := func(name string, mode os.FileMode, uid int) {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at(name), mode); err != nil {
			t.Fatal(err)
		}
		if uid >= 0 && os.Geteuid() == 0 {
			if err := os.Chown(at(name), uid, uid); err != nil {
				t.Fatal(err)
			}
		}
	}
	make("mine", 0o755, -1)
	make("group", 0o770, -1)
	make("all", 0o777, -1)
	make("theirs", 0o755, 12345)
	os.WriteFile(at("file"), nil, 0o600)
	for link, to := range map[string]string{"to mine": "mine", "to theirs": "theirs", "to nothing": "nothing", "their link": "mine"} {
		if err := os.Symlink(at(to), at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(at("their link"), 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"new/in/new": "", "mine": "", "to mine": "",
		"group": "chmod go-w", "all": "chmod go-w", "file": "--cache-dir", "to nothing": "--cache-dir",
		"theirs": "belongs to the user 12345", "to theirs": "belongs to the user 12345", "their link": "belongs to the user 12345",
	} {
		if strings.Contains(want, "12345") && os.Geteuid() != 0 {
			continue // only root can make such a folder
		}
		err := ourOwn(at(name))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if info, err := os.Stat(at("new/in/new")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a new folder: %v, %v", info, err)
	}
}
