package fuse

import (
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/fs/tree"
)

func TestMountErrors(t *testing.T) {
	canMount(t)
	root := newSample(nil).list
	dir, _ := mountHere(t, root, Options{})
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	full := t.TempDir()
	os.WriteFile(full+"/x", nil, 0o600)
	for name, test := range map[string]struct {
		dir  string
		want error
		say  string
	}{
		"missing":   {full + "/none", iofs.ErrNotExist, "mkdir"},
		"file":      {file, tree.ErrNotDir, "empty folder"},
		"not empty": {full, tree.ErrNotEmpty, "empty folder"},
		"mounted":   {dir, nil, "already mounted"},
	} {
		s, err := Mount(test.dir, root, Options{})
		if err == nil {
			s.Unmount(t.Context())
			t.Errorf("%s: mounted", name)
			continue
		}
		if test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: %v, want %v and a word of %q", name, err, test.want, test.say)
		}
	}
	if err := Unmount(full, UnmountOptions{}); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("unmount of what is not mounted = %v, want %v", err, iofs.ErrNotExist)
	}
}

func TestNoDevice(t *testing.T) {
	if err := usable("/no/such/device"); !errors.Is(err, ErrNoFUSE) || !strings.Contains(err.Error(), "modprobe") {
		t.Errorf("without the device: %v", err)
	}
	if os.Geteuid() != 0 {
		closed := filepath.Join(t.TempDir(), "fuse")
		os.WriteFile(closed, nil, 0)
		if err := usable(closed); !errors.Is(err, ErrNoFUSE) || !strings.Contains(err.Error(), "chmod 0666") {
			t.Errorf("device that is not open to us: %v", err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := os.Stat("/bin/fusermount3"); err != nil {
		if _, err := helper(); !errors.Is(err, ErrNoFUSE) || !strings.Contains(err.Error(), "apt install fuse3") {
			t.Errorf("without the helper: %v", err)
		}
	}
}

func TestOthersAllowed(t *testing.T) {
	for conf, want := range map[string]bool{
		"":                         false,
		"#user_allow_other\n":      false,
		"mount_max = 3\n":          false,
		" user_allow_other \nx":    true,
		"# user_allow_other\nuser": false,
	} {
		path := filepath.Join(t.TempDir(), "fuse.conf")
		os.WriteFile(path, []byte(conf), 0o600)
		if got := othersAllowed(path); got != want {
			t.Errorf("othersAllowed(%q) = %t, want %t", conf, got, want)
		}
	}
}

func TestMountThroughALink(t *testing.T) {
	canMount(t)
	real := filepath.Join(t.TempDir(), "with blank")
	os.Mkdir(real, 0o700)
	link := filepath.Join(t.TempDir(), "link")
	os.Symlink(real, link)
	s, err := Mount(link, newSample(nil).list, Options{UID: uint32(os.Getuid())})
	if err != nil {
		t.Fatal(err)
	}
	if s.b.device() == "" {
		t.Error("the mount was not found again")
	}
	if _, err := os.Stat(real + "/run"); err != nil {
		t.Error(err)
	}
	if err := Unmount(link, UnmountOptions{}); err != nil {
		t.Error(err)
	}
	s.Wait()
}
