package mounted_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/cache"
	"replicatefs/fs/mounted"
)

// These benchmarks time reading beside curl, rclone and local files, in the
// same run and with the same origin, and tell ratios: machines differ, and are
// noisy. Peers are taken from PATH; RCLONE names one more rclone.
//
//	go test -run '^$' -bench Read -benchtime 3x ./fs/mounted

// A bench is an account with one file at an origin, mounted.
type bench struct {
	*mounted.Mount
	b *testing.B
	o *origin
	n int // files
}

func newBench(b *testing.B, o *origin, mo mounted.Options, names ...string) *bench {
	b.Helper()
	account := mounted.Serve(b, sim.Options{})
	for _, name := range names {
		account.Add(sim.Prediction{Model: "acme/blob", Status: api.Succeeded, Source: "web", Output: o.URL + "/" + name})
	}
	mo.Flags = append(mo.Flags, "--output-host", o.Host, "--log-level", "warn")
	return &bench{account.Mount(mo), b, o, len(names)}
}

// outputs are the paths of all outputs, with their sizes known.
func (m *bench) outputs() (paths []string) {
	m.b.Helper()
	mounted.Until(m.b, "the list is there", func() bool {
		out, err := m.Command("sh", "-c", "find $M/predictions -name 'output.*' ! -name output.json -size +0").Output()
		if err != nil {
			m.b.Fatal(err)
		}
		paths = strings.Fields(string(out))
		return len(paths) == m.n
	})
	slices.Sort(paths)
	return paths
}

// cold forgets everything that was read, but not the sizes.
func (m *bench) cold() {
	m.b.Helper()
	m.Stop()
	chunks, err := filepath.Glob(filepath.Join(m.Data, "*", "chunks"))
	if err != nil || len(chunks) != 1 {
		m.b.Fatalf("no chunks in %s: %v", m.Data, err)
	}
	if err := os.RemoveAll(chunks[0]); err != nil {
		m.b.Fatal(err)
	}
	if err := m.Start(); err != nil {
		m.b.Fatal(err)
	}
}

// whole waits until the disk has so many bytes: it may be slower than the
// origin, and gets the rest after the reading.
func (m *bench) whole(size int64) {
	m.b.Helper()
	var stats struct{ Cache cache.Stats }
	mounted.Until(m.b, "all is on the disk", func() bool {
		b, err := m.Command("cat", m.Path(".replicatefs", "stats.json")).Output()
		return err == nil && json.Unmarshal(b, &stats) == nil && stats.Cache.DiskUsed >= size
	})
}

// median of some runs of one measurement.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// cat reads files to the end and does nothing with them.
func (m *bench) cat(paths ...string) *exec.Cmd {
	return m.Command("cat", paths...)
}

// run times a command whose output goes to /dev/null.
func run(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	cmd.Stdout = null
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v: %v", cmd.Args, err)
	}
	return time.Since(start)
}

func curl(o *origin, name string) *exec.Cmd {
	return exec.Command("curl", "-sf", "-o", "/dev/null", o.URL+"/"+name)
}

// users are who mounts.
func users(b *testing.B, f func(b *testing.B, user bool)) {
	for _, user := range []bool{false, true} {
		b.Run(map[bool]string{false: "root", true: "user"}[user], func(b *testing.B) { f(b, user) })
	}
}

// BenchmarkReadCold reads one large file that nothing is known of but its
// size, from the first byte to the last.
func BenchmarkReadCold(b *testing.B) {
	for _, test := range []struct {
		set    setting
		size   int64
		rclone [][][2]string // settings, of which the best counts
	}{
		{settingA, 256 << 20, [][][2]string{{{"--vfs-read-chunk-streams", "16"}, {"--vfs-read-chunk-size", "4M"}}}},
		{settingB, 1 << 30, [][][2]string{
			nil, // its own
			{{"--vfs-read-chunk-streams", "4"}, {"--vfs-read-chunk-size", "32M"}, {"--buffer-size", "32M"}},
		}},
	} {
		b.Run(test.set.name, func(b *testing.B) {
			users(b, func(b *testing.B, user bool) {
				o := newOrigin(b, test.set)
				o.add(b, "big.bin", test.size)
				m := newBench(b, o, mounted.Options{User: user}, "big.bin")
				path := m.outputs()[0]
				var ours, curls []time.Duration
				peers, theirs := rclones(b), map[string][]time.Duration{}
				var requests, conns, moved, cpu, rss float64
				for range b.N {
					curls = append(curls, run(b, curl(o, "big.bin")))
					m.cold()
					o.reset()
					ours = append(ours, run(b, m.cat(path)))
					requests, conns, moved = float64(o.requests.Load()), float64(o.conns.Load()), float64(o.sent.Load())/(1<<20)
					cpu, rss = usage(b, m.PID())
					for _, peer := range peers {
						var best time.Duration
						for _, options := range test.rclone {
							dir, end := peer.mount(b, user, ":http:", append(options, [2]string{"--http-url", o.URL + "/"})...)
							cmd := exec.Command("cat", filepath.Join(dir, "big.bin"))
							if user {
								cmd = m.cat(filepath.Join(dir, "big.bin"))
							}
							if took := run(b, cmd); best == 0 || took < best {
								best = took
							}
							end()
						}
						theirs[peer.unit] = append(theirs[peer.unit], best)
					}
				}
				we := median(ours)
				b.ReportMetric(float64(test.size)/we.Seconds()/1e6, "MB/s")
				b.ReportMetric(median(curls).Seconds()/we.Seconds(), "x-curl")
				for unit, times := range theirs {
					b.ReportMetric(median(times).Seconds()/we.Seconds(), unit)
				}
				b.ReportMetric(requests, "requests")
				b.ReportMetric(conns, "connections")
				b.ReportMetric(moved, "moved-MiB")
				b.ReportMetric(cpu, "cpu-s")
				b.ReportMetric(rss, "rss-MiB")
				b.ReportMetric(0, "ns/op")
			})
		})
	}
}

// usage is what a process has used: seconds of CPU, and MiB of memory at its
// most.
func usage(b *testing.B, pid int) (cpu, rss float64) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, i := range []int{11, 12} { // utime and stime, in ticks of 10 ms
		n, _ := strconv.ParseFloat(f[i], 64)
		cpu += n / 100
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(v)[0], 64)
			rss = n / 1024
		}
	}
	return cpu, rss
}

// headers reads the first 64 KiB of files, one after the other, and prints how
// many seconds that took.
const headers = `
import os, sys, time
start = time.monotonic()
for path in sys.argv[1:]:
    f = os.open(path, os.O_RDONLY)
    left = 65536
    while left:
        left -= len(os.read(f, left))
    os.close(f)
print(time.monotonic() - start)
`

// BenchmarkReadHeaders reads the first 64 KiB of 100 pictures, one after the
// other, as a file manager does; one more before them makes the connection.
func BenchmarkReadHeaders(b *testing.B) {
	const pictures, size = 100, 1_500_000
	users(b, func(b *testing.B, user bool) {
		mounted.Need(b, "apt install python3", "python3")
		o := newOrigin(b, settingA)
		var names []string
		for i := range pictures + 1 {
			names = append(names, fmt.Sprintf("p%03d.bin", i))
			o.add(b, names[i], size)
		}
		m := newBench(b, o, mounted.Options{User: user}, names...)
		paths := m.outputs()
		var each []time.Duration
		var conns int64
		for range b.N {
			m.cold()
			o.conns.Store(0)
			run(b, m.cat(paths[0]))
			o.requests.Store(0)
			o.sent.Store(0)
			out, err := m.Command("/usr/bin/python3", append([]string{"-c", headers}, paths[1:]...)...).Output()
			if err != nil {
				b.Fatal(err)
			}
			seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
			if err != nil {
				b.Fatal(err)
			}
			each = append(each, time.Duration(seconds*float64(time.Second))/pictures)
			conns = o.conns.Load()
		}
		b.ReportMetric(median(each).Seconds()/o.set.firstByte.Seconds(), "x-round-trip")
		b.ReportMetric(float64(o.requests.Load())/pictures, "requests/file")
		b.ReportMetric(float64(o.sent.Load())/pictures/1024, "KiB/file")
		b.ReportMetric(float64(conns), "connections")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkReadPicture reads whole pictures of 1.5 MB.
func BenchmarkReadPicture(b *testing.B) {
	users(b, func(b *testing.B, user bool) {
		o := newOrigin(b, settingA)
		names := []string{"a.bin", "b.bin", "c.bin", "d.bin", "e.bin"}
		for _, name := range names {
			o.add(b, name, 1_500_000)
		}
		m := newBench(b, o, mounted.Options{User: user}, names...)
		paths := m.outputs()
		var ours, curls []time.Duration
		for range b.N {
			m.cold()
			run(b, m.cat(paths[0])) // connected, as curl is not: it is timed with its connection
			o.reset()
			for i, path := range paths[1:] {
				ours = append(ours, run(b, m.cat(path)))
				curls = append(curls, run(b, curl(o, names[i+1])))
			}
		}
		b.ReportMetric(median(ours).Seconds()/(median(curls)-o.set.connect).Seconds(), "x-curl-time")
		b.ReportMetric(float64(o.requests.Load())/float64(2*len(paths[1:])), "requests/file")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkReadAgain reads what was read before: in the same mount, and after
// a remount.
func BenchmarkReadAgain(b *testing.B) {
	const size = 512 << 20
	users(b, func(b *testing.B, user bool) {
		o := newOrigin(b, settingB)
		o.add(b, "big.bin", size)
		m := newBench(b, o, mounted.Options{User: user}, "big.bin")
		path := m.outputs()[0]
		local := filepath.Join(o.dir, "big.bin")
		os.Chmod(filepath.Dir(o.dir), 0o755)
		var again, remounted, locals []time.Duration
		run(b, m.cat(path))
		m.whole(size)
		for range b.N {
			run(b, m.cat(path))
			o.reset()
			again = append(again, run(b, m.cat(path)))
			locals = append(locals, run(b, exec.Command("cat", local)))
			m.Remount()
			remounted = append(remounted, run(b, m.cat(path)))
		}
		if n := o.requests.Load(); n != 0 {
			b.Errorf("what was read before cost %d requests", n)
		}
		b.ReportMetric(median(locals).Seconds()/median(again).Seconds(), "again-x-local")
		b.ReportMetric(median(locals).Seconds()/median(remounted).Seconds(), "remounted-x-local")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkReadRandom reads 4 KiB at random places of a file that is wholly
// in the disk cache, after a remount.
func BenchmarkReadRandom(b *testing.B) {
	users(b, func(b *testing.B, user bool) {
		o := newOrigin(b, settingB)
		o.add(b, "big.bin", 256<<20)
		m := newBench(b, o, mounted.Options{User: user}, "big.bin")
		path := m.outputs()[0]
		run(b, m.cat(path))
		m.whole(256 << 20)
		m.Remount()
		local := filepath.Join(o.dir, "big.bin")
		const script = `
import os, random, sys
f = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(f).st_size
r = random.Random(1)
for _ in range(100000):
    os.pread(f, 4096, r.randrange(size - 4096))
`
		mounted.Need(b, "apt install python3", "python3")
		var ours, locals []time.Duration
		for range b.N {
			ours = append(ours, run(b, m.Command("/usr/bin/python3", "-c", script, path)))
			locals = append(locals, run(b, exec.Command("/usr/bin/python3", "-c", script, local)))
		}
		b.ReportMetric(median(locals).Seconds()/median(ours).Seconds(), "x-local")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkReadMemory has 8 readers stream 1 GiB each.
func BenchmarkReadMemory(b *testing.B) {
	o := newOrigin(b, settingB)
	var names []string
	for i := range 8 {
		names = append(names, fmt.Sprintf("big%d.bin", i))
		o.add(b, names[i], 1<<30)
	}
	m := newBench(b, o, mounted.Options{}, names...)
	paths := m.outputs()
	for range b.N {
		m.cold()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		done := make(chan error)
		for _, path := range paths {
			go func() { done <- exec.CommandContext(ctx, "cat", path).Run() }()
		}
		for range paths {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
		cancel()
	}
	_, rss := usage(b, m.PID())
	b.ReportMetric(rss, "rss-MiB")
	b.ReportMetric(0, "ns/op")
}
