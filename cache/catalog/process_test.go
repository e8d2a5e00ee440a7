package catalog

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childVariable makes the test binary another process at the same catalog: what
// to do, the folder, and a number.
const childVariable = "CATALOG_TEST_CHILD"

func TestMain(m *testing.M) {
	if order, ok := os.LookupEnv(childVariable); ok {
		if err := child(strings.Fields(order)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs in the other process. What it prints is what it was told is stored.
func child(order []string) error {
	ctx := context.Background()
	what, dir := order[0], order[1]
	number, err := strconv.ParseUint(order[2], 10, 64)
	if err != nil {
		return err
	}
	if what == "cramped" { // as on a full disk, files end at number
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: number, Max: number}); err != nil {
			return err
		}
	}
	start := time.Now()
	c, err := Open(ctx, dir, Options{})
	if err != nil {
		if what == "cramped" {
			fmt.Println(err)
			return nil
		}
		return err
	}
	switch what {
	case "measure":
		took := time.Since(start)
		b, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); f[0] == "VmRSS:" || f[0] == "VmHWM:" {
				fmt.Print(f[0], f[1], " ")
			}
		}
		fmt.Println("open:", took.Microseconds())
	case "write": // until killed
		s := newSampler(number)
		for n := 0; ; n++ {
			recs := []Record{s.full(n), s.full(n), s.full(n)}
			if _, err := c.Put(ctx, recs...); err != nil {
				return err
			}
			run := Run{ID: recs[0].ID, Model: recs[0].Model, Input: []byte("{}"), Prediction: recs[0].ID}
			if err := c.PutRun(ctx, run); err != nil {
				return err
			}
			fmt.Println(recs[0].ID, recs[1].ID, recs[2].ID)
		}
	case "share": // write a sample, then wait until everything of the other is there
		recs := sample(number, 300)
		for page := range slices.Chunk(recs, 10) {
			if _, err := c.Put(ctx, page...); err != nil {
				return err
			}
		}
		fmt.Println("written")
		if _, err := io.ReadAll(os.Stdin); err != nil {
			return err
		}
		if _, err := c.Refresh(ctx); err != nil {
			return err
		}
		fmt.Println(c.Len())
	}
	return c.Close()
}

func startChild(t testing.TB, what, dir string, number int) (cmd *exec.Cmd, out *bufio.Scanner, in io.WriteCloser) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", childVariable, what, dir, number))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(stdout), in
}

// TestKill kills a process that writes, again and again, with and without
// another that has the catalog open: what it was told is stored is there.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var told []string
	var c *Catalog
	for round := range 6 {
		cmd, out, _ := startChild(t, "write", dir, round)
		for n := 0; out.Scan(); n++ {
			told = append(told, strings.Fields(out.Text())...)
			if n == 5+7*round {
				cmd.Process.Kill() // what is still in the pipe counts too
			}
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("round %d: the writer ended with %v, want it killed", round, err)
		}
		if round%2 == 0 {
			c = open(t, dir)
		} else if changed, err := c.Refresh(t.Context()); err != nil || len(changed) == 0 {
			t.Errorf("refresh after the kill: %d changes, %v", len(changed), err)
		}
		for i, id := range told {
			if p, ok := c.Prediction(id); !ok || !p.Full {
				t.Errorf("round %d: prediction %s was stored, but is %+v", round, id, p)
			}
			if _, err := c.Raw(t.Context(), id); err != nil {
				t.Errorf("round %d: object: %v", round, err)
			}
			if i%3 == 0 {
				if r, err := c.Run(t.Context(), id); err != nil || r.Prediction != id {
					t.Errorf("round %d: run %+v, %v", round, r, err)
				}
			}
		}
		var check string
		if err := c.file.bulk.row(t.Context(), "PRAGMA integrity_check", nil, &check); err != nil || check != "ok" {
			t.Errorf("round %d: %s, %v", round, check, err)
		}
		if round%2 == 1 {
			shut(t, c)
		}
	}
	if set := names(t, dir, "*.corrupt*"); set != nil {
		t.Errorf("%v set aside", set)
	}
	t.Logf("%d predictions told", len(told))
}

// TestTwoProcesses writes to one catalog from two processes at the same time.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir) // before the other, all of whose predictions are then news
	defer shut(t, c)
	cmd, out, in := startChild(t, "share", dir, 8)
	mine, theirs := sample(9, 300), sample(8, 300)
	for page := range slices.Chunk(mine, 10) {
		put(t, c, page...)
	}
	if !out.Scan() || out.Text() != "written" {
		t.Fatalf("the other process said %q", out.Text())
	}
	in.Close()
	changed, err := c.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range rowsOf(theirs) {
		if got, _ := c.Prediction(p.ID); got != p {
			t.Errorf("theirs: %+v, want %+v", got, p)
		}
	}
	var want []string
	for _, rec := range theirs {
		want = append(want, rec.ID)
	}
	if !slices.Equal(changed, want) {
		t.Errorf("%d changes told, want the %d of the other process", len(changed), len(want))
	}
	if c.Len() != 600 {
		t.Errorf("%d predictions, want 600", c.Len())
	}
	if !out.Scan() || out.Text() != "600" {
		t.Errorf("the other process sees %q, want 600", out.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestRefresh tells two catalogs of one file about each other, in one process.
func TestRefresh(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	defer shut(t, a)
	defer shut(t, b)
	refresh := func(c *Catalog, want ...string) {
		t.Helper()
		if got, err := c.Refresh(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("refresh: %v, %v; want %v", got, err, want)
		}
	}
	rec := func(id string, of Record) Record { of.ID = id; return of }

	put(t, a, rec("1", full), rec("2", live))
	refresh(a)
	if b.Len() != 0 {
		t.Errorf("%d predictions before the refresh, want 0", b.Len())
	}
	refresh(b, "1", "2")
	refresh(b)
	wantRaw(t, b, "1", "full")

	// an object that changed under the same row
	revision := b.Revision()
	put(t, a, rec("2", with2(live, "more")))
	refresh(b, "2")
	if b.Revision() == revision {
		t.Error("revision stayed, but an object changed")
	}
	wantRaw(t, b, "2", "more")

	// learned outputs, of which b had read that there are none
	if got, _ := b.Outputs(t.Context(), "1"); len(got) != 0 {
		t.Errorf("outputs %v, want none", got)
	}
	revision = b.Revision()
	if err := a.PutOutputs(t.Context(), "1", map[string]Output{"output.png": {Size: 9}}); err != nil {
		t.Fatal(err)
	}
	refresh(b, "1")
	if got, _ := b.Outputs(t.Context(), "1"); got["output.png"].Size != 9 {
		t.Errorf("outputs %v, want what the other learned", got)
	}
	if b.Revision() != revision {
		t.Error("revision grew, but no prediction changed")
	}

	// a write merges with what is in the file, not with what was known here,
	// and does not swallow what there was to tell
	put(t, a, rec("3", full), rec("2", full))
	put(t, b, rec("3", live), rec("4", live))
	refresh(b, "2", "3")
	wantRaw(t, b, "3", "full")
	refresh(a, "4")
	if !slices.Equal(a.All(), b.All()) {
		t.Errorf("lists differ:\n%+v\n%+v", a.All(), b.All())
	}

	// one that missed more than is remembered reads everything again
	put(t, a, rec("5", full), rec("2", expired))
	edit(t, dir, "DELETE FROM news WHERE n < (SELECT max(n) FROM news)")
	put(t, a, rec("6", full))
	refresh(b, "2", "4", "5", "6") // and does not know whether what runs changed
	if !slices.Equal(a.All(), b.All()) {
		t.Errorf("lists differ:\n%+v\n%+v", a.All(), b.All())
	}
	edit(t, dir, "DELETE FROM news")
	refresh(b, "4")
	put(t, a, rec("7", full))
	refresh(b, "7")
	if !slices.Equal(a.All(), b.All()) {
		t.Errorf("lists differ:\n%+v\n%+v", a.All(), b.All())
	}
}

// TestNewsAreBounded writes more changes than the file remembers.
func TestNewsAreBounded(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	defer shut(t, c)
	for page := range 3 {
		recs := make([]Record, newsKept/2)
		for i := range recs {
			recs[i].ID = fmt.Sprint(page, "-", i)
		}
		put(t, c, recs...)
	}
	var n int
	if err := c.file.bulk.row(t.Context(), "SELECT count(*) FROM news", nil, &n); err != nil || n != newsKept {
		t.Errorf("%d news, %v; want %d", n, err, newsKept)
	}
}

// TestCloseLeavesOneFile also shows that all connections are closed.
func TestCloseLeavesOneFile(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	put(t, c, full)
	if _, err := c.Raw(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	shut(t, c)
	want := []string{filepath.Join(dir, "catalog.db"), filepath.Join(dir, "catalog.db.lock")}
	if got := names(t, dir, "*"); !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
}
