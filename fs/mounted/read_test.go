package mounted_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/cache"
	"replicatefs/fs/mounted"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// addBlob puts a prediction with one file of computed bytes into an account.
// It returns its path in the mount.
func addBlob(a *mounted.Account, size int64) (id, path string) {
	id = a.Add(sim.Prediction{
		Model: "acme/blob", Status: sim.Succeeded, Output: sim.NewBlob("out.bin", size),
		CreatedAt: time.Now().Add(-time.Minute), CompletedAt: time.Now().Add(-time.Minute),
	})
	return id, "predictions/" + id + "/output.bin"
}

// truth writes what a file of addBlob must say into a local file.
func truth(t *testing.T, m *mounted.Mount, id string, size int64) string {
	t.Helper()
	b := make([]byte, size)
	m.ContentAt(id, 0, b, 0)
	path := filepath.Join(m.Work, "truth-"+id)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Programs of all kinds read the right bytes, of an empty file, a small one,
// one that is fetched by parts, and sizes around the borders of pages, chunks
// and first requests.
func TestRead(t *testing.T) {
	programs := []struct{ name, script string }{
		{"cat", `cat "$F" | cmp - "$T"`},
		{"cp", `rm -f copy; cp "$F" copy; cmp copy "$T"; test "$(stat -c %s copy)" = "$(stat -c %s "$T")"`},
		{"cp -a", `rm -f copy; cp -a "$F" copy; cmp copy "$T"; test "$(stat -c %Y copy)" = "$(stat -c %Y "$F")"`},
		{"cmp", `cmp "$F" "$T"`},
		{"dd odd", `dd if="$F" bs=7777 skip=3 2>dd.log | cmp -i 0:$((3*7777)) - "$T"`},
		{"dd back", `for i in 9 5 1 0; do dd if="$F" bs=123457 skip=$i count=1 2>>dd.log; done > got
			for i in 9 5 1 0; do dd if="$T" bs=123457 skip=$i count=1 2>>dd.log; done | cmp got -`},
		{"dd direct", `dd if="$F" bs=1M iflag=direct 2>dd.log | cmp - "$T"`},
		{"tail", `tail -c 1000 "$F" > got; tail -c 1000 "$T" | cmp got -`},
		{"tar", `tar -cf x.tar -C "$(dirname "$F")" output.bin; tar -xOf x.tar output.bin | cmp - "$T"`},
		{"wc", `test "$(wc -c < "$F")" = "$(wc -c < "$T")"`},
		{"md5sum", `test "$(md5sum < "$F")" = "$(md5sum < "$T")"`},
	}
	sizes := []int64{0, 1, 4095, 4096, 4097, mib, mib + 128*kib + 1, 5*mib + 12345}
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		type file struct {
			id, path string
			size     int64
		}
		var files []file
		for _, p := range programs {
			for _, size := range sizes {
				id, path := addBlob(a, size)
				files = append(files, file{id, path, size})
			}
			_ = p
		}
		m := a.Mount(o)
		for i, p := range programs {
			for _, f := range files[i*len(sizes) : (i+1)*len(sizes)] {
				cmd := m.Command("bash", "-euo", "pipefail", "-c", p.script)
				cmd.Env = append(cmd.Env, "F="+m.Path(f.path), "T="+truth(t, m, f.id, f.size))
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s of %d bytes: %v\n%s", p.name, f.size, err, out)
				}
			}
		}
	})
}

// Programs that read in other ways than from front to end.
func TestReadPatterns(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		const size = 6*mib + 777
		a := serve(t)
		patterns := []string{"mmap", "header", "random", "readers"}
		var ids, paths []string
		for range patterns {
			id, path := addBlob(a, size)
			ids, paths = append(ids, id), append(paths, path)
		}
		m := a.Mount(o)
		for i, name := range patterns {
			output(t, child(m, name, m.Path(paths[i]), truth(t, m, ids[i], size), "42"))
		}
	})
}

// A whole file is fetched once, each byte of it, however many read it.
func TestFetchedOnce(t *testing.T) {
	for _, test := range []struct{ name, script string }{
		{"one reader", `cmp "$F" "$T"`},
		{"many readers", `for i in 1 2 3 4; do cmp "$F" "$T" & p="${p-} $!"; done; for i in $p; do wait $i; done`},
		{"small reads", `dd if="$F" bs=3001 2>/dev/null | cmp - "$T"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const size = 64 * mib
			a := serve(t)
			id, path := addBlob(a, size)
			m := a.Mount(mounted.Options{})
			cmd := m.Command("bash", "-euc", test.script)
			cmd.Env = append(cmd.Env, "F="+m.Path(path), "T="+truth(t, m, id, size))
			output(t, cmd)
			var sent int64
			starts := map[string]int{}
			for _, r := range a.Requests() {
				if r.Host == sim.Delivery && r.Method == http.MethodGet {
					sent += r.Sent
					starts[r.Range]++
				}
			}
			twice := 0
			for _, n := range starts {
				twice += n - 1
			}
			if again := repeats()(t, m); twice > again || sent != size && again == 0 {
				t.Errorf("%d bytes were sent for a file of %d, %d times some once more:\n%s", sent, size, twice, requests(a, sim.Delivery))
			}
		})
	}
}

// The size is exact before a byte is read, however the server tells it.
func TestSize(t *testing.T) {
	const size = 3*mib + 5
	for _, test := range []struct {
		name   string
		faults []sim.Fault
		get    int // requests for content to learn it
	}{
		{"HEAD", nil, 0},
		{"HEAD refused", []sim.Fault{{Host: sim.Delivery, NoHEAD: true, Times: -1}}, 1},
		{"no length", []sim.Fault{{Host: sim.Delivery, NoLength: true, NoRange: true, Times: -1}}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			id, path := addBlob(a, size)
			for _, f := range test.faults {
				a.Inject(f)
			}
			m := a.Mount(mounted.Options{})
			stat := func() string { return output(t, m.Command("stat", "-c", "%s %b", m.Path(path))) }
			want := fmt.Sprintf("%d %d\n", size, (size+511)/512)
			if got := stat(); got != want {
				t.Fatalf("stat says %q, want %q", got, want)
			}
			if got := a.Count("HEAD", "/xezq/*"); got != 1 {
				t.Errorf("%d HEAD requests, want 1", got)
			}
			if got := a.Count("GET", "/xezq/*"); got != test.get {
				t.Errorf("%d GET requests, want %d", got, test.get)
			}
			output(t, m.Command("cmp", m.Path(path), truth(t, m, id, size)))
			a.ResetRequests()
			m.Remount()
			if got := stat(); got != want {
				t.Errorf("stat says %q after a remount, want %q", got, want)
			}
			if got := a.Count("", "/xezq/*"); got != 0 {
				t.Errorf("%d requests for a size that was known", got)
			}
		})
	}
}

// requests lists what a host was asked, for failures.
func requests(a *mounted.Account, h sim.Host) string {
	var b strings.Builder
	for _, r := range a.Requests() {
		if r.Host == h {
			fmt.Fprintf(&b, "%s %s?%s %s: %d, %d bytes\n", r.Method, r.Path, r.Query, r.Range, r.Status, r.Sent)
		}
	}
	return b.String()
}

// A file that was read from end to end is whole on the disk a moment later, also where the network brought it faster than
// the disk took it: what was left out is taken back from the kernel.
func TestReadWhole(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := mounted.Serve(t, sim.Options{})
		const size = 96*mib + 5
		id, path := addBlob(a, size)
		o.Flags = []string{"--memory=16MiB"}
		m := a.Mount(o)
		ready(t, m)
		want := truth(t, m, id, size)
		if out, err := m.Command("cmp", m.Path(path), want).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var stats struct{ Cache cache.Stats }
		mounted.Until(t, "the file is whole on the disk", func() bool {
			b, err := m.Command("cat", m.Path(".replicatefs", "stats.json")).Output()
			return err == nil && json.Unmarshal(b, &stats) == nil && stats.Cache.DiskUsed >= size
		})
		t.Logf("%d chunks were left out at first, %d of them recalled", stats.Cache.Unwritten, stats.Cache.Recalled)
		m.Remount()
		a.ResetRequests()
		if out, err := m.Command("cmp", m.Path(path), want).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if n := a.Count("GET", "/xezq/*"); n != 0 {
			t.Errorf("what was read before cost %d requests", n)
		}
	})
}
