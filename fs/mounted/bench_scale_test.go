package mounted_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// These benchmarks time listing and walking beside a local folder of the same
// shape, and beside that folder through rclone, in the same run.
//
//	go test -run '^$' -bench Scale -benchtime 3x ./fs/mounted
//
// SCALE_PREDICTIONS changes how many predictions there are.

// many is how many predictions a benchmark has.
func many(b *testing.B, n int) int {
	b.Helper()
	if s := os.Getenv("SCALE_PREDICTIONS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// A past is a mounted account with a past that is known.
type past struct {
	*mounted.Mount
	b *testing.B
}

// newPast mounts an account that has so many predictions of a model, all of
// them read from the list.
func newPast(b *testing.B, n int, model string) *past {
	b.Helper()
	account := mounted.Serve(b, sim.Options{Past: n, PastModel: model, Limits: sim.Limits{Create: -1, Other: -1}, ListLogs: true, LogSize: 1 << 20})
	m := &past{account.Mount(mounted.Options{Flags: []string{"--poll", "1h", "--log-level", "warn"}}), b}
	start := time.Now()
	for m.stats().Catalog.Predictions < n || !m.stats().Sync.Complete {
		if time.Since(start) > 30*time.Minute {
			b.Fatalf("the list is not read: %+v", m.stats())
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Logf("first listing of %d predictions: %v", n, time.Since(start).Round(time.Millisecond))
	return m
}

// stats is what the mount says of itself.
type stats struct {
	Sync struct {
		Complete bool `json:"complete"`
	} `json:"sync"`
	Catalog struct {
		Predictions int `json:"predictions"`
	} `json:"catalog"`
}

func (m *past) stats() (s stats) {
	m.b.Helper()
	out, err := m.Command("cat", m.Path(".replicatefs/stats.json")).Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		m.b.Fatal(err)
	}
	return s
}

// copyShape makes a local folder with the same names, sizes 0, and returns it.
func (m *past) copyShape() (dir string, files int) {
	m.b.Helper()
	dir = filepath.Join(m.Work, "local")
	out, err := m.Command("sh", "-c", "cd $M/predictions && find . -type f").Output() // -printf would ask for sizes
	if err != nil {
		m.b.Fatal(err)
	}
	made := ""
	for line := range strings.Lines(string(out)) {
		path := filepath.Join(dir, strings.TrimSuffix(line, "\n"))
		if d := filepath.Dir(path); d != made {
			if err := os.MkdirAll(d, 0o755); err != nil {
				m.b.Fatal(err)
			}
			made = d
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			m.b.Fatal(err)
		}
		files++
	}
	return dir, files
}

// dropKernel makes the kernel forget names and attributes, so that a local
// folder is read as coldly as ours, as far as its disk allows.
func dropKernel(b *testing.B) {
	b.Helper()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); err != nil {
		b.Logf("the kernel keeps what it knows of local folders: %v", err)
	}
}

// walks times a command first and again, here, in a local folder and through
// rclone, and reports times and ratios.
func (m *past) walks(command func(dir string) *exec.Cmd) {
	b := m.b
	b.Helper()
	local, files := m.copyShape()
	var times [3][2][]time.Duration
	for range b.N {
		m.Remount()
		remote, end := rclones(b)[0].mount(b, false, local, [2]string{"--dir-cache-time", "1h"})
		m.ResetRequests()
		for i, dir := range []string{m.Path("predictions"), local, remote} {
			dropKernel(b)
			for again := range 2 {
				times[i][again] = append(times[i][again], run(b, command(dir)))
			}
		}
		end()
		if n := m.Count(http.MethodHead, "*"); n != 0 {
			b.Errorf("%d HEADs", n)
		}
	}
	requests := m.Requests()
	for again, word := range []string{"first", "again"} {
		ours, local, remote := median(times[0][again]), median(times[1][again]), median(times[2][again])
		b.ReportMetric(ours.Seconds(), word+"-s")
		b.ReportMetric(ours.Seconds()/local.Seconds(), word+"-x-local")
		b.ReportMetric(ours.Seconds()/remote.Seconds(), word+"-x-rclone")
	}
	_, peak := usage(b, m.PID())
	b.ReportMetric(peak, "rss-MiB")
	b.ReportMetric(float64(files), "files")
	b.ReportMetric(float64(len(requests)), "requests")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkScaleList is ls -l of 10,000 known predictions.
func BenchmarkScaleList(b *testing.B) {
	m := newPast(b, many(b, 10_000), "black-forest-labs/flux-schnell")
	m.walks(func(dir string) *exec.Cmd { return m.Command("ls", "-l", dir) })
}

// BenchmarkScaleFind is find over 10,000 predictions of 8 files, of which no
// size is known.
func BenchmarkScaleFind(b *testing.B) {
	m := newPast(b, many(b, 10_000), "black-forest-labs/flux-schnell")
	m.walks(func(dir string) *exec.Cmd { return m.Command("find", dir, "-type", "f") })
}

// BenchmarkScaleMount mounts an account of 100,000 known predictions, walks
// over all of it, and tells the memory.
func BenchmarkScaleMount(b *testing.B) {
	m := newPast(b, many(b, 100_000), "acme/gallery")
	var ready, list, find []time.Duration
	var idle, peak, after float64
	var files int
	for range b.N {
		m.Stop()
		dropKernel(b)
		start := time.Now()
		if err := m.Start(); err != nil {
			b.Fatal(err)
		}
		ready = append(ready, time.Since(start))
		list = append(list, run(b, m.Command("ls", m.Path("predictions"))))
		idle = resident(b, m.PID())
		start = time.Now()
		out, err := m.Command("sh", "-c", "find $M/predictions -type f | wc -l").Output()
		if err != nil {
			b.Fatal(err)
		}
		find = append(find, time.Since(start))
		files, _ = strconv.Atoi(strings.TrimSpace(string(out)))
		_, peak = usage(b, m.PID())
		dropKernel(b)
		after = settled(b, m.PID())
	}
	b.ReportMetric(median(ready).Seconds(), "ready-s")
	b.ReportMetric(median(list).Seconds(), "ls-s")
	b.ReportMetric(median(find).Seconds(), "find-s")
	b.ReportMetric(float64(files), "files")
	b.ReportMetric(idle, "rss-MiB")
	b.ReportMetric(peak, "peak-MiB")
	b.ReportMetric(after, "after-MiB")
	b.ReportMetric(size(b, m.Data)/float64(many(b, 100_000)), "disk-B/prediction")
	b.ReportMetric(0, "ns/op")
}

// resident is how much memory a process has now, in MiB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(v)[0], 64)
			return n / 1024
		}
	}
	return 0
}

// settled is the memory of a process after a while without work.
func settled(b *testing.B, pid int) float64 {
	b.Helper()
	least := resident(b, pid)
	for range 30 {
		time.Sleep(time.Second)
		least = min(least, resident(b, pid))
	}
	return least
}

// size is what a folder takes on the disk, in bytes.
func size(b *testing.B, dir string) float64 {
	b.Helper()
	var sum float64
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += float64(info.Size())
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return sum
}

// BenchmarkScaleBackup is the second restic backup of 1,000 predictions, after
// a remount and with nothing in the cache, beside that of a local copy.
func BenchmarkScaleBackup(b *testing.B) {
	mounted.Need(b, "apt install restic", "restic")
	m := newPast(b, many(b, 1000), "black-forest-labs/flux-schnell")
	local := filepath.Join(m.Work, "copy")
	run(b, m.Command("cp", "-a", m.Path("predictions"), local))
	backup := func(dir, repo string) *exec.Cmd {
		cmd := m.Command("restic", "backup", "--quiet", dir)
		cmd.Env = append(cmd.Env, "RESTIC_REPOSITORY="+repo, "RESTIC_PASSWORD=x")
		return cmd
	}
	var repos []string
	for i, dir := range []string{m.Path("predictions"), local} {
		repos = append(repos, filepath.Join(m.Work, fmt.Sprint("repo", i)))
		cmd := backup("", repos[i])
		cmd.Args = []string{"restic", "init"}
		run(b, cmd)
		run(b, backup(dir, repos[i]))
	}
	var ours, locals []time.Duration
	for range b.N {
		m.Remount()
		m.ResetRequests()
		dropKernel(b)
		ours = append(ours, run(b, backup(m.Path("predictions"), repos[0])))
		for _, r := range m.Requests() {
			if r.Host == sim.Delivery || strings.HasPrefix(r.Path, "/v1/predictions/") {
				b.Errorf("the second backup caused %s %s", r.Method, r.Path)
			}
		}
		dropKernel(b)
		locals = append(locals, run(b, backup(local, repos[1])))
	}
	b.ReportMetric(median(ours).Seconds(), "again-s")
	b.ReportMetric(median(ours).Seconds()/median(locals).Seconds(), "again-x-local")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkScaleSizes is du over 10,000 predictions of which no size is known,
// and again after a remount.
func BenchmarkScaleSizes(b *testing.B) {
	m := newPast(b, many(b, 10_000), "acme/blob") // whose files the simulator need not draw to know their size
	m.ResetRequests()
	du := func() time.Duration { return run(b, m.Command("du", "-s", "--apparent-size", m.Path("predictions"))) }
	first := du()
	heads := m.Count(http.MethodHead, "*")
	var again []time.Duration
	for range b.N {
		m.Remount()
		m.ResetRequests()
		again = append(again, du())
		if n := m.Count(http.MethodHead, "*"); n != 0 {
			b.Errorf("%d HEADs for sizes that were known", n)
		}
	}
	_, peak := usage(b, m.PID())
	b.ReportMetric(first.Seconds(), "first-s")
	b.ReportMetric(float64(heads), "HEADs")
	b.ReportMetric(median(again).Seconds(), "again-s")
	b.ReportMetric(peak, "rss-MiB")
	b.ReportMetric(0, "ns/op")
}
