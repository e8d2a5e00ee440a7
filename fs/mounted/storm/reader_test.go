package storm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"replicatefs/api/sim"
)

// A file is an output whose bytes are known.
type file struct {
	path  string // in the mount
	truth string // a local file of what it must say
}

// add puts a prediction with one file into the account.
func (s *storm) add(dice *rand.Rand) {
	sizes := []int{1, 3000, 64 << 10, 300_001, 1<<20 + 77, 2 << 20, 5<<20 + 321, 12 << 20}
	size := sizes[dice.IntN(len(sizes))]
	now := time.Now().UTC()
	id := s.account.Add(sim.Prediction{
		Model: "acme/blob", Source: "web", Status: sim.Succeeded, CreatedAt: now, CompletedAt: now,
		Output: sim.NewBlob("out.bin", int64(size)),
	})
	b := make([]byte, size)
	s.account.ContentAt(id, 0, b, 0)
	f := file{"predictions/" + id + "/output.bin", filepath.Join(s.mount.Work, id)}
	if err := os.WriteFile(f.truth, b, 0o644); err != nil {
		s.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
}

// news are predictions that are made elsewhere.
func (s *storm) news(dice *rand.Rand) string {
	s.rest(time.Duration(dice.IntN(1500)) * time.Millisecond)
	s.add(dice)
	return "made"
}

// read reads a file, rather a new one, in a way that the dice decide.
func (s *storm) read(dice *rand.Rand) string {
	s.mu.Lock()
	n := len(s.files)
	f := s.files[max(dice.IntN(n), dice.IntN(n))]
	s.mu.Unlock()
	way := ways[dice.IntN(len(ways))]
	said, err := s.child("read", way, s.mount.Path(f.path), f.truth, fmt.Sprint(dice.Uint64()))
	if err != nil {
		s.Errorf("%s by %s: %v; seed %d", f.path, way, err, s.seed)
	}
	return said
}

// walk looks at everything, without reading; now and then also at sizes.
func (s *storm) walk(dice *rand.Rand) string {
	size := ""
	if dice.IntN(3) == 0 {
		size = "-size +1"
	}
	return s.script(`find "$M/predictions" "$M/by-status" "$M/by-date" ` + size + ` > /dev/null`)
}

// look reads what there is beside outputs.
func (s *storm) look(dice *rand.Rand) string {
	s.mu.Lock()
	f := s.files[dice.IntN(len(s.files))]
	s.mu.Unlock()
	dir := filepath.Dir(f.path)
	return s.script(`cat "$M/` + dir + `/status" "$M/` + dir + `/prediction.json" "$M/README.md" > /dev/null; ls -l "$M/` + dir + `/" "$M"/models/*/* > /dev/null`)
}

// script runs one that may fail: programs that walk go on after an error, and
// say it. It is ended, and the storm with it, if it hangs.
func (s *storm) script(text string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), patience)
	defer cancel()
	cmd := s.command(ctx, "sh", "-c", text)
	switch err := cmd.Run(); {
	case ctx.Err() != nil:
		s.hangs(text)
		return "hangs"
	case err != nil:
		return "failed"
	}
	return "ok"
}

// command is one of who mounted, which ends when ctx does.
func (s *storm) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	like := s.mount.Command(name, args...)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr, cmd.WaitDelay = like.Dir, like.Env, like.SysProcAttr, patience
	return cmd
}

// child runs one of the children and returns its word: ok, or an errno that it
// met. The error says what must never happen.
func (s *storm) child(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), patience)
	defer cancel()
	// By this name also a user can run it to whom the folder of the test's
	// own file is closed.
	cmd := s.command(ctx, "/proc/self/exe", args...)
	cmd.Env = append(cmd.Env, childKey+"="+name)
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	switch {
	case ctx.Err() != nil:
		s.hangs(strings.Join(args, " "))
		return "hangs", nil
	case err != nil:
		return "failed", fmt.Errorf("%w: %s", err, said)
	case said != "ok" && !clean[said]:
		return said, fmt.Errorf("%s", said)
	}
	return said, nil
}

// clean are the errors that may be met in a storm: of the network, of saving
// (a busy API, a wait that is over), and of a mount whose program is dead or
// just being started again.
var clean = map[string]bool{
	"EIO": true, "EBUSY": true, "SIGBUS": true,
	"ENOTCONN": true, "ECONNABORTED": true, "ENOENT": true, "EINTR": true,
}

// childKey is the variable that makes the test's own file another program.
const childKey = "STORM_CHILD"

var children = map[string]func(args []string){
	"read": func(args []string) { fmt.Println(word(readChild(args))) },
	"save": func(args []string) { fmt.Println(word(saveChild(args))) },
}

// word is ok, an errno's name, or a sentence about what must not be.
func word(err error) string {
	var errno syscall.Errno
	names := map[syscall.Errno]string{
		syscall.EIO: "EIO", syscall.EBUSY: "EBUSY", syscall.ENOTCONN: "ENOTCONN", syscall.ECONNABORTED: "ECONNABORTED",
		syscall.ENOENT: "ENOENT", syscall.EINTR: "EINTR",
	}
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno) && names[errno] != "":
		return names[errno]
	}
	return err.Error()
}

// ways are those in which a file is read.
var ways = []string{"through", "random", "mapped", "header", "blocks"}

func readChild(args []string) (err error) {
	way, path, truth := args[0], args[1], args[2]
	n, err := strconv.ParseUint(args[3], 10, 64)
	if err != nil {
		return err
	}
	dice := rand.New(rand.NewPCG(n, 0))
	want, err := os.ReadFile(truth)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	check := func(off int, got []byte, err error, asked int) error {
		if off+len(got) > len(want) || !bytes.Equal(got, want[off:off+len(got)]) {
			return fmt.Errorf("%s: WRONG bytes in %d of %d", way, off, len(got))
		}
		if err == io.EOF {
			if end := min(off+asked, len(want)); off+len(got) < end {
				return fmt.Errorf("%s: SHORT: it ends at %d of %d", way, off+len(got), len(want))
			}
			return nil
		}
		return err
	}
	at := func(off, size int) error {
		b := make([]byte, size)
		n, err := f.ReadAt(b, int64(off))
		return check(off, b[:n], err, size)
	}
	switch way {
	case "through":
		b, err := io.ReadAll(f)
		if err == nil {
			err = io.EOF
		}
		return check(0, b, err, len(want))
	case "header":
		return at(0, 512)
	case "blocks":
		size := 1 << (12 + dice.IntN(8))
		for off := 0; off < len(want); off += size {
			if err := at(off, size); err != nil {
				return err
			}
		}
	case "random":
		for range 20 {
			if err := at(dice.IntN(len(want)), 1+dice.IntN(1<<dice.IntN(19))); err != nil {
				return err
			}
		}
	case "mapped":
		return compareMapped(f, want, dice)
	}
	return nil
}

// compareMapped reads through memory. What cannot be fetched is a signal there.
func compareMapped(f *os.File, want []byte, dice *rand.Rand) (err error) {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() != int64(len(want)) {
		return fmt.Errorf("mapped: WRONG size %d, want %d", st.Size(), len(want))
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, len(want), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	debug.SetPanicOnFault(true)
	defer func() {
		if recover() != nil {
			err = errors.New("SIGBUS")
		}
	}()
	for range 20 {
		off := dice.IntN(len(want))
		end := min(len(want), off+1+dice.IntN(1<<16))
		if !bytes.Equal(b[off:end], want[off:end]) {
			return fmt.Errorf("mapped: WRONG bytes between %d and %d", off, end)
		}
	}
	return nil
}

// stays reads a file until it can be read, which it must after the storm.
func (s *storm) stays(f file) {
	for end := time.Now().Add(patience); ; {
		said, err := s.child("read", "through", s.mount.Path(f.path), f.truth, "1")
		switch {
		case said == "ok":
			return
		case err != nil || time.Now().After(end):
			s.Errorf("%s after the storm: %s, %v; seed %d", f.path, said, err, s.seed)
			return
		}
	}
}
