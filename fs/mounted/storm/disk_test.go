package storm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"replicatefs/api/sim"
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

	s.listed()
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
	s.listed()
	if err := s.limit("8192"); err != nil {
		t.Fatal(err)
	}
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
	if err := s.limit("unlimited"); err != nil {
		t.Fatal(err)
	}
	mounted.Until(t, "a run succeeds again", func() bool { return s.save(dice) == "ok" })
	s.mount.Remount()
	s.calm()
}

// TestDiskFailsDuringCreate has the disk fail while a create is on its way: the
// run that it starts cannot be written down as ours. What it made is kept all
// the same.
func TestDiskFailsDuringCreate(t *testing.T) {
	s := brew(t, max(*seed, 1), false)
	hold := make(chan struct{})
	create := s.account.Inject(sim.Fault{Host: sim.API, Method: "POST", Hold: hold, Late: true})
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		s.savePrompt(painter, "a lion")
	}()
	mounted.Until(t, "the create is on its way", func() bool { return create.Fired() > 0 })
	if err := s.limit("8192"); err != nil {
		t.Fatal(err)
	}
	close(hold)
	<-saved
	if err := s.limit("unlimited"); err != nil {
		t.Fatal(err)
	}
	if s.saves[0].said != "ok" {
		t.Errorf("the save said %s", s.saves[0].said)
	}
	mounted.Until(t, "its output is kept", func() bool { return s.stats().Keep.Files == 1 })
	s.kept()
}

// listed waits until all that can be read is written down.
func (s *storm) listed() {
	s.Helper()
	mounted.Until(s.T, "the whole list is read", func() bool {
		all := s.stats()
		return all.Sync.Complete && all.Catalog.Predictions >= past+len(s.files)
	})
}

// limit has the disk refuse to the program what goes beyond so much of a file.
// Only who runs a program may limit it, in a container even root.
func (s *storm) limit(bytes string) error {
	out, err := s.mount.Command("prlimit", fmt.Sprintf("--pid=%d", s.mount.PID()), "--fsize="+bytes+":").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// disk has the disk fail for a moment, every other time until the program
// ends.
func (s *storm) disk(dice *rand.Rand) string {
	if err := s.limit(fmt.Sprint(4 << 10 << dice.IntN(12))); err != nil {
		s.Errorf("limit the disk: %v; seed %d", err, s.seed)
	}
	s.rest(time.Duration(dice.IntN(1500)) * time.Millisecond)
	if dice.IntN(2) == 0 {
		if err := s.limit("unlimited"); err != nil {
			s.Errorf("free the disk: %v; seed %d", err, s.seed)
		}
		s.rest(time.Duration(dice.IntN(3000)) * time.Millisecond)
		return "disk failed, "
	}
	return "disk fails, "
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
