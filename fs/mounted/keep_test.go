package mounted_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs"
	"replicatefs/fs/mounted"
)

// keepStats is what a mount says of what it keeps.
func keepStats(t *testing.T, m *mounted.Mount) fs.KeepStats {
	t.Helper()
	return statsOf(t, m).Keep
}

// kept waits until so many files are kept and nothing is left to do.
func kept(t *testing.T, m *mounted.Mount, files int64) {
	t.Helper()
	mounted.Until(t, "everything is kept", func() bool {
		s := keepStats(t, m)
		return s.Pending == 0 && s.Files == files
	})
}

// emptyCache is what a cleaner does that knows nothing of us.
func emptyCache(t *testing.T, m *mounted.Mount) {
	t.Helper()
	caches, err := filepath.Glob(filepath.Join(m.Data, "*", "chunks"))
	if err != nil || len(caches) == 0 {
		t.Fatalf("there is no cache in %s: %v", m.Data, err)
	}
	for _, dir := range caches {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// What runs of this mount have made is there, with its input, after the hour,
// a crash and an empty cache: mounted again, to read only, and without the
// network.
func TestKept(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		o.Flags = []string{"--poll=1s"}
		m := a.Mount(o)
		sh(t, m, `cd "$M"
			echo '{"prompt":"a lion","num_outputs":3}' | tee `+painter+`/input.json > /dev/null
			sed -n 's/.*"\(https*:.*\)".*/{"image":"\1"}/p; ' `+painter+`/latest/output.json | head -1 | tee models/acme/upscaler/input.json > /dev/null`)
		kept(t, m, 5)
		const files = `cd "$M"; ls predictions/*/; cat predictions/*/output* predictions/*/input* | md5sum`
		want := sh(t, m, files)
		m.Kill()
		emptyCache(t, m)
		a.Advance(2 * time.Hour)
		for _, flags := range [][]string{{"--poll=1s"}, {"--read-only"}, {"--keep=none"}, {"--keep-size=1MiB"}} {
			m.Remount(flags...)
			if got := sh(t, m, files); got != want {
				t.Errorf("after the hour, with %s:\n%s", flags, difference(want, got))
			}
		}
		ready(t, m) // the news tells that all of it is removed
		if got := sh(t, m, files); got != want {
			t.Errorf("once the removal is known:\n%s", difference(want, got))
		}
		m.Stop()
		a.Inject(sim.Fault{Reset: true, Times: -1})
		m.Remount("--poll=1s")
		if got := sh(t, m, files); got != want {
			t.Errorf("after the hour, without the network:\n%s", difference(want, got))
		}
		if a.Creates() != 2 {
			t.Errorf("%d runs, want 2", a.Creates())
		}
	})
}

// A mount that is killed while it keeps leaves the rest to the next.
func TestKilledDuringKeep(t *testing.T) {
	t.Parallel()
	a := mounted.Serve(t, sim.Options{Speed: sim.Instant, Delivery: sim.Network{Bandwidth: 8 * mib}})
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1s", "--wait=10s"}})
	sh(t, m, `echo '{"size":6000000,"count":4}' | tee "$M/models/acme/blob/input.json" > /dev/null`)
	id := latestWhenThere(t, m, "models/acme/blob")
	for n := range int64(3) {
		mounted.Until(t, "one more is kept", func() bool { return keepStats(t, m).Files > n })
		m.Kill()
		m.Remount()
	}
	kept(t, m, 4)
	m.Stop()
	a.Advance(2 * time.Hour)
	m.Remount()
	for i, name := range []string{"output-0.bin", "output-1.bin", "output-2.bin", "output-3.bin"} {
		got := sh(t, m, `cat "$M/predictions/`+id+`/`+name+`"`)
		want := make([]byte, 6000000)
		a.ContentAt(id, i, want, 0)
		if got != string(want) {
			t.Errorf("%s is not what it was", name)
		}
	}
	if a.Creates() != 1 {
		t.Errorf("%d runs, want 1", a.Creates())
	}
}

// At --keep-size keeping stops, says so where people look, and goes on when
// there is room.
func TestKeepSize(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1s", "--keep-size=4MiB"}})
	run := func() {
		sh(t, m, `echo '{"size":3000000}' | tee "$M/models/acme/blob/input.json" > /dev/null`)
	}
	run()
	kept(t, m, 1)
	run()
	run()
	mounted.Until(t, "it is full", func() bool { return keepStats(t, m).Stopped != "" })
	if s := keepStats(t, m); s.Pending != 2 || s.Files != 1 || s.Limit != 4*mib {
		t.Errorf("at the limit: %+v", s)
	}
	m.Remount("--poll=1s", "--keep-size=64MiB")
	kept(t, m, 3)
	if s := keepStats(t, m); s.Stopped != "" {
		t.Errorf("with room: %+v", s)
	}
	if log := m.Log(); strings.Count(log, "no room to keep") > 1 {
		t.Errorf("it is said more than once:\n%s", log)
	}
}

// What is not kept in time is told by name and with the reason.
func TestKeepMissed(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1s"}})
	a.Inject(sim.Fault{Host: sim.Delivery, Status: 503, Times: -1})
	sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt" > /dev/null`)
	id := latestWhenThere(t, m, painter)
	if s := keepStats(t, m); s.Pending != 1 || len(s.Missed) != 0 {
		t.Errorf("while the host fails: %+v", s)
	}
	m.Stop()
	a.Advance(2 * time.Hour)
	m.Remount()
	mounted.Until(t, "it is missed", func() bool { s := keepStats(t, m); return len(s.Missed) == 1 && s.Pending == 0 })
	if s := keepStats(t, m); s.Missed[0].Prediction != id || s.Missed[0].File != "output-0.webp" {
		t.Errorf("after the hour: %+v", s)
	}
	if got := sh(t, m, `cat "$M/predictions/`+id+`/expired.txt"`); !strings.Contains(got, "output-0.webp") {
		t.Errorf("expired.txt says %q", got)
	}
}
