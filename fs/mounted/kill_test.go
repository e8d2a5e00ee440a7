package mounted_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// The program is killed while a run is under way and a save waits for it. The
// next mount takes over the folder, shows the run and follows it to its end.
func TestKilledDuringRun(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serveSlow(t)
		m := a.Mount(o)
		s, _ := save(t, m, m.Path(puppet, "prompt.txt"))
		id := latestWhenThere(t, m, puppet)
		m.Kill()
		if got := s.next(t); got == "ok" {
			t.Error("close() is ok, with the program dead")
		}
		m.Remount()
		if got := latestID(t, m, puppet); got != id {
			t.Errorf("latest leads to %s, want %s", got, id)
		}
		if got := sh(t, m, `cat "$M/`+puppet+`/latest/prompt.txt"`); got != "a lion\n" {
			t.Errorf("its prompt is %q", got)
		}
		a.Set(id, func(p *sim.Prediction) { p.Status, p.Output = sim.Succeeded, sim.NewBlob("out.bin", 5000) })
		mounted.Until(t, "the run is followed to its end", func() bool {
			return sh(t, m, `cat "$M/`+puppet+`/latest/status"`) == "succeeded\n"
		})
		output(t, m.Command("cmp", m.Path(puppet, "latest", "output.bin"), truth(t, m, id, 5000)))
		if got := a.Creates(); got != 1 {
			t.Errorf("%d runs, want 1", got)
		}
	})
}

// The program is killed between sending a create and hearing its answer. The
// next mount finds the run, and none is bought twice.
func TestKilledDuringCreate(t *testing.T) {
	t.Parallel()
	a := serveSlow(t)
	m := a.Mount(mounted.Options{})
	sh(t, m, `ls "$M/`+puppet+`" > /dev/null`)
	hold := make(chan struct{})
	a.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Hold: hold, Late: true})
	save(t, m, m.Path(puppet, "prompt.txt"))
	m.Kill()
	close(hold)
	m.Remount()
	mounted.Until(t, "the lost run is shown", func() bool {
		return sh(t, m, `ls "$M/predictions" | wc -l`) == "1\n"
	})
	id := latestWhenThere(t, m, puppet)
	a.Set(id, func(p *sim.Prediction) { p.Status, p.Output = sim.Succeeded, "roar" })
	mounted.Until(t, "it is followed to its end", func() bool {
		return sh(t, m, `cat "$M/predictions/`+id+`/status"`) == "succeeded\n"
	})
	if got := a.Creates(); got != 1 {
		t.Errorf("%d runs, want 1", got)
	}
}

// The program is killed before a create leaves: nothing is sent later.
func TestKilledBeforeCreate(t *testing.T) {
	t.Parallel()
	a := serveSlow(t)
	m := a.Mount(mounted.Options{})
	sh(t, m, `ls "$M/`+puppet+`" > /dev/null`)
	hold := make(chan struct{})
	defer close(hold)
	held := a.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Hold: hold})
	saver := child(m, "save", m.Path(puppet, "prompt.txt"), "a lion")
	if err := saver.Start(); err != nil {
		t.Fatal(err)
	}
	mounted.Until(t, "the create is sent", func() bool { return held.Fired() == 1 })
	m.Kill()
	saver.Wait()
	m.Remount()
	sh(t, m, `ls "$M/predictions"`)
	m.Stop()
	if got := a.Creates(); got != 0 {
		t.Errorf("%d runs, want none", got)
	}
}

// A killed program leaves a dead mount; the next takes it over, however much
// of it was looked at before.
func TestTakeOver(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serveShapes(t)
		m := a.Mount(o)
		for _, look := range []string{":", `ls "$M"`, `find "$M" > list`, `cd "$M/predictions"; exec 3< ../README.md`} {
			sh(t, m, look)
			m.Kill()
			if out, err := m.Command("ls", m.Dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "not connected") {
				t.Fatalf("a dead mount says %q, %v", out, err)
			}
			m.Remount()
			if got := sh(t, m, `ls "$M"`); !has(got, "README.md") {
				t.Errorf("after %q the mount has %q", look, got)
			}
		}
	})
}

// A program that holds the dead mount is no hindrance.
func TestTakeOverWhileInUse(t *testing.T) {
	t.Parallel()
	m := serveShapes(t).Mount(mounted.Options{})
	dir, err := os.Open(m.Path("predictions"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	m.Kill()
	m.Remount()
	if got := sh(t, m, `ls "$M"`); !has(got, "README.md") {
		t.Errorf("the mount has %q", got)
	}
}

// Told to end, the program waits for who uses the mount. Told again it ends at
// once and by itself, since no reader can hold what it could be killed in.
func TestToldTwice(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		_, path := addBlob(a, 20*mib)
		m := a.Mount(o)
		hold := make(chan struct{})
		defer close(hold)
		a.Inject(sim.Fault{Host: sim.Delivery, Method: "GET", Hold: hold, Times: -1})
		reader := m.Command("sh", "-c", `exec < "$1"; echo open; exec cat > /dev/null`, "sh", m.Path(path))
		said, err := reader.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(said, make([]byte, len("open"))); err != nil {
			t.Fatal(err)
		}
		m.Signal(syscall.SIGTERM)
		mounted.Until(t, "the mount is out of sight", func() bool { return strings.Contains(m.Log(), "it goes away when its users do") })
		select {
		case <-m.Done():
			t.Fatalf("it ended under its user, with status %d", m.Status())
		default:
		}
		m.Signal(syscall.SIGTERM)
		mounted.Until(t, "it has ended", func() bool {
			select {
			case <-m.Done():
				return true
			default:
				return false
			}
		})
		if m.Status() < 0 {
			t.Error("the signal ended it, and not the program itself")
		}
		if err := reader.Wait(); err == nil {
			t.Error("the reader got a file that did not come")
		}
	})
}

// What was read before the program was killed is right afterwards.
func TestKilledDuringRead(t *testing.T) {
	t.Parallel()
	const size = 20 * mib
	a := mounted.Serve(t, sim.Options{Delivery: sim.Network{Bandwidth: 20 * mib}})
	id, path := addBlob(a, size)
	m := a.Mount(mounted.Options{})
	for range 3 {
		a.ResetRequests()
		reader := m.Command("cat", m.Path(path))
		if err := reader.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			reader.Wait()
		}()
		mounted.Until(t, "some of it has come, or all of it was there", func() bool {
			var sent int64
			for _, r := range a.Requests() {
				if r.Host == sim.Delivery {
					sent += r.Sent
				}
			}
			select {
			case <-ended:
				return true
			default:
				return sent > 3*mib
			}
		})
		m.Kill()
		<-ended
		m.Remount()
	}
	got, failed := cat(t, m, path)
	right(t, a, id, size, got, failed)
}

// The API goes away while a save waits for its run, and comes back: the wait
// goes on, and nothing is sent again.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	a := serveSlow(t)
	m := a.Mount(mounted.Options{})
	s, _ := save(t, m, m.Path(puppet, "prompt.txt"))
	id := latestWhenThere(t, m, puppet)
	a.Restart(func() {
		s.waits(t)
		a.Set(id, ends)
	})
	if got := s.next(t); got != "ok" {
		t.Errorf("close() is %s, want ok", got)
	}
	if got := sh(t, m, `cat "$M/`+puppet+`/latest/output.txt"`); got != "roar" {
		t.Errorf("the output is %q", got)
	}
	if got := a.Creates(); got != 1 {
		t.Errorf("%d runs, want 1", got)
	}
}

// A create whose answer is lost has happened. It is found, and never sent
// again: one prompt, one run, one price.
func TestLostAnswer(t *testing.T) {
	faults := map[string]sim.Fault{
		"reset":        {Reset: true, Late: true},
		"502":          {Status: 502, Body: "<html>Bad Gateway</html>", Late: true},
		"500":          {Status: 500, Body: `{"detail":"oops"}`, Late: true},
		"504":          {Status: 504, Late: true},
		"cut":          {CutAfter: 20},
		"cut at once":  {CutAfter: -1},
		"stall, reset": {Delay: 2 * time.Second, Reset: true, Late: true},
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			m := a.Mount(mounted.Options{})
			f.Host, f.Method, f.Path = sim.API, "POST", "*/predictions"
			fault := a.Inject(f)
			got := output(t, child(m, "save", m.Path(painter, "prompt.txt"), "a lion"))
			if fault.Fired() != 1 {
				t.Errorf("the fault struck %d times, want once", fault.Fired())
			}
			if a.Creates() != 1 || a.Count("POST", "*/predictions") != 1 {
				t.Errorf("%d runs by %d requests, want 1 by 1", a.Creates(), a.Count("POST", "*/predictions"))
			}
			if got != "ok\n" {
				t.Errorf("close() is %q, want ok: the run can be found", got)
			}
			sh(t, m, `cp "$M/`+painter+`/latest/output-0.webp" .`)
		})
	}
}

// Before the create has an effect, faults buy nothing and are told, or the
// create is sent again.
func TestLostRequest(t *testing.T) {
	faults := map[string]struct {
		fault   sim.Fault
		want    string
		creates int
	}{
		"503":         {sim.Fault{Status: 503, Header: map[string][]string{"Retry-After": {"1"}}}, "", -1},
		"429":         {sim.Throttle(time.Second, sim.InHeader), "ok", 1},
		"reset":       {sim.Fault{Reset: true}, "EIO", 0},
		"reset twice": {sim.Fault{Reset: true, Times: 2}, "EIO", 0},
	}
	for name, test := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			m := a.Mount(mounted.Options{})
			f := test.fault
			f.Host, f.Method, f.Path = sim.API, "POST", "*/predictions"
			a.Inject(f)
			got := output(t, child(m, "save", m.Path(painter, "prompt.txt"), "a lion"))
			if a.Creates() > 1 {
				t.Errorf("%d runs", a.Creates())
			}
			if test.creates >= 0 && (got != test.want+"\n" || a.Creates() != test.creates) {
				t.Errorf("close() is %q and there are %d runs, want %s and %d", got, a.Creates(), test.want, test.creates)
			}
			if got == "ok\n" != (a.Creates() == 1) {
				t.Errorf("close() is %q, and there are %d runs", got, a.Creates())
			}
		})
	}
}

// Equal prompts at the same time, each of whose answers is lost, get one run
// each and are not mistaken for one another.
func TestLostAnswersOfABatch(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{})
	a.Inject(sim.Fault{Method: "POST", Path: "*/predictions", Reset: true, Late: true, Times: -1})
	sh(t, m, `echo lion > text; for i in 1 2 3; do cp text "$M/`+painter+`/prompt.txt" & done; wait`)
	if a.Creates() != 3 || a.Count("POST", "*/predictions") != 3 {
		t.Errorf("%d runs by %d requests, want 3 by 3", a.Creates(), a.Count("POST", "*/predictions"))
	}
}

// Local data that was damaged costs requests, never bytes or a mount.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	const size = 3 * mib
	a := serve(t)
	id, path := addBlob(a, size)
	m := a.Mount(mounted.Options{})
	cat(t, m, path)
	m.Stop()
	// One byte in each file of chunks is turned.
	sh(t, m, fmt.Sprintf(`cd %q; find . -path '*chunks*' -type f -size +0 > "$HOME/files"
		test -s "$HOME/files"
		while read -r f; do printf '\377\000\377' | dd of="$f" bs=1 seek=$(($(stat -c %%s "$f") / 2)) conv=notrunc 2>/dev/null; done < "$HOME/files"`, m.Data))
	m.Remount()
	got, failed := cat(t, m, path)
	if failed {
		t.Error("cat fails")
	}
	right(t, a, id, size, got, failed)
}
