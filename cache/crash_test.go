package cache

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// crashFiles are what parent and child agree on.
func crashFiles(o *origin) []*file {
	var files []*file
	for i, size := range []int64{300 * kib, 1536 * kib, 5*mib + 1, 24 * mib} {
		f := o.file(fmt.Sprintf("%d-crash", i), size)
		if i%2 == 1 {
			f.withMD5()
		}
		files = append(files, f)
	}
	return files
}

// TestCrashChild is not a test: it is the process that TestCrash kills. It reads, keeps and prunes until then, and
// says each time that a file is kept.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv("CACHE_CRASH_DIR")
	if dir == "" {
		return
	}
	c, err := New(crashOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{latency: time.Millisecond}
	files := crashFiles(o)
	rng := rand.New(rand.NewPCG(uint64(os.Getpid()), 3))
	fmt.Println("ready")
	for {
		f := files[rng.IntN(len(files))]
		r := c.Open(f)
		switch rng.IntN(6) {
		case 0:
			c.Prune(t.Context())
		case 1, 2:
			if f.size < 2*mib && r.Keep(t.Context(), nil) == nil {
				fmt.Println("kept", f.key)
			}
		default:
			off := rng.Int64N(f.size)
			readAt(t, r, f, off, int(min(f.size-off, rng.Int64N(4*mib))))
		}
		r.Close()
	}
}

func crashOptions(dir string) Options {
	return Options{Dir: dir, Disk: 20 * mib, KeptDir: filepath.Join(dir, "kept")}
}

// TestCrash kills a process that uses the cache, at any moment, over and over on the same folder: no byte is ever wrong, and
// what was said to be kept is there.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	kept := map[string]bool{}
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
		child.Env = append(os.Environ(), "CACHE_CRASH_DIR="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "ready" {
			rest, _ := io.ReadAll(out)
			t.Fatalf("child: %s %s", lines.Text(), rest)
		}
		kill := time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { child.Process.Kill() })
		for lines.Scan() {
			if key, ok := strings.CutPrefix(lines.Text(), "kept "); ok {
				kept[key] = true
			} else {
				t.Errorf("round %d: child says: %s", round, lines.Text())
			}
		}
		kill.Stop()
		child.Wait()
		if round%5 != 4 {
			continue // the next child finds what this one left
		}
		o := &origin{}
		c := newCache(t, crashOptions(dir))
		for _, f := range crashFiles(o) {
			before := o.bytes()
			r := c.Open(f)
			readAll(t, r, f, 128*kib)
			if more := o.bytes() - before; kept[f.key] && more > 0 {
				t.Errorf("round %d: %d bytes of %s fetched, which was kept", round, more, f.key)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if s := c.Stats(); s.BadChunks != 0 {
			t.Errorf("round %d: %d bad chunks after the death of a process, which loses nothing", round, s.BadChunks)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d files kept", len(kept))
}
