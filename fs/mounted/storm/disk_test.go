package storm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"replicatefs/fs/mounted"
)

// TestFullDisk fills the disk on which the program keeps its data: what is
// there can be read all the same, a run that cannot be written down is not
// started, and with room again all is as before.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	s := brew(t, max(*seed, 1), false)
	s.mount.Stop()
	const disk = 8 << 20
	if err := syscall.Mount("none", s.mount.Data, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", disk)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(s.mount.Data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s.mount.Remount()
	dice := s.dice(1)
	mounted.Until(t, "a run succeeds on the small disk", func() bool { return s.save(dice) == "ok" })

	filler := filepath.Join(s.mount.Data, "filler")
	s.fill(filler)
	for _, f := range s.files {
		if said, err := s.child("read", "through", s.mount.Path(f.path), f.truth, "1"); said != "ok" {
			t.Errorf("%s with a full disk: %s, %v", f.path, said, err)
		}
	}
	refused := 0
	for range 20 {
		if said := s.save(dice); said != "ok" {
			refused++
		}
	}
	t.Logf("%d of 20 saves were refused", refused)
	s.paid()

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	mounted.Until(t, "a run succeeds again", func() bool { return s.save(dice) == "ok" })
	s.mount.Remount()
	s.calm()
}

// TestFailingDisk has the disk refuse writes beyond the first few bytes of any
// file, of the cache and of what is written down about runs: bytes stay right,
// nothing runs twice, and when the disk is well again so is the mount.
func TestFailingDisk(t *testing.T) {
	s := brew(t, max(*seed, 1), false)
	dice := s.dice(1)
	mounted.Until(t, "a run succeeds on the healthy disk", func() bool { return s.save(dice) == "ok" })
	limit := func(n uint64) {
		if err := unix.Prlimit(s.mount.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatal(err)
		}
	}
	limit(8 << 10)
	for _, f := range s.files {
		if said, err := s.child("read", "through", s.mount.Path(f.path), f.truth, "1"); said != "ok" {
			t.Errorf("%s with a disk that fails: %s, %v", f.path, said, err)
		}
	}
	refused := 0
	for range 10 {
		if said := s.save(dice); said != "ok" {
			refused++
		}
	}
	t.Logf("%d of 10 saves were refused", refused)
	s.paid()
	limit(unix.RLIM_INFINITY)
	mounted.Until(t, "a run succeeds again", func() bool { return s.save(dice) == "ok" })
	s.mount.Remount()
	s.calm()
}

// fill writes a file until there is no more room.
func (s *storm) fill(path string) {
	f, err := os.Create(path)
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		s.Fatal(err)
	}
}
