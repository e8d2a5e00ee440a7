package storm

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"replicatefs/fs"
	"replicatefs/fs/mounted"
)

// calm checks what must hold after a storm.
func (s *storm) calm() {
	s.Helper()
	var all sync.WaitGroup
	for _, files := range [2][]file{s.files[:len(s.files)/2], s.files[len(s.files)/2:]} {
		all.Go(func() {
			for _, f := range files {
				s.stays(f)
			}
		})
	}
	all.Wait()
	s.paid()
	s.settles()
}

// kept has Replicate delete everything. What was made by a save that was told
// to be well is still there.
func (s *storm) kept() {
	var files []file
	bought := s.bought()
	for _, save := range s.saves {
		if save.said != "ok" {
			continue
		}
		for _, r := range bought[save.prompt] {
			files = append(files, s.outputs(r)...)
		}
	}
	mounted.Until(s.T, "all has ended, and nothing is left to be kept", func() bool {
		all := s.stats()
		under := len(all.Runs) + all.Catalog.Statuses["starting"] + all.Catalog.Statuses["processing"]
		return under+all.Keep.Pending == 0
	})
	s.account.Advance(2 * time.Hour)
	s.mount.Remount()
	for _, f := range files {
		if said, err := s.child("read", "through", s.mount.Path(f.path), f.truth, "1"); said != "ok" {
			s.Errorf("%s was not kept: %s, %v; seed %d", f.path, said, err, s.seed)
		}
	}
	s.Logf("%d files were kept", len(files))
}

// outputs are the files of a run, as the delivery host has them.
func (s *storm) outputs(r run) []file {
	var urls []string
	if r.Status != "succeeded" || json.Unmarshal(r.Output, &urls) != nil {
		return nil
	}
	var files []file
	for i, u := range urls {
		if !strings.HasPrefix(u, "http") {
			continue // a piece of text
		}
		resp, err := http.Get(u)
		if err != nil {
			s.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			s.Fatal(u, resp.Status, err)
		}
		truth := filepath.Join(s.mount.Work, fmt.Sprint(r.ID, i))
		if err := os.WriteFile(truth, b, 0o644); err != nil {
			s.Fatal(err)
		}
		files = append(files, file{fmt.Sprintf("predictions/%s/output-%d%s", r.ID, i, path.Ext(u)), truth})
	}
	return files
}

// settles waits until the program holds no more than an idle one does.
func (s *storm) settles() {
	const (
		descriptorsIdle = 80 // the catalog, the cache, a few connections
		goroutinesIdle  = 80 // likewise; those that read from the kernel
	)
	mounted.Until(s.T, "the descriptors are given back", func() bool { return descriptors(s.mount.PID()) < descriptorsIdle })
	before := s.goroutines()
	mounted.Until(s.T, "the goroutines end", func() bool { return s.goroutines() < goroutinesIdle })
	s.Logf("%d descriptors, %d goroutines (%d at first)", descriptors(s.mount.PID()), s.goroutines(), before)
}

// stats is what the mount tells of itself.
func (s *storm) stats() (stats fs.Stats) {
	s.Helper()
	raw, err := s.mount.Command("cat", s.mount.Path(".replicatefs", "stats.json")).Output()
	if err == nil {
		err = json.Unmarshal(raw, &stats)
	}
	if err != nil {
		s.Fatal(err)
	}
	return stats
}

// goroutines is how many the program has, as it tells Prometheus.
func (s *storm) goroutines() (n int) {
	resp, err := http.Get("http://" + s.stats().Mount.Metrics + "/metrics")
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "go_goroutines %d", &n); err == nil {
			return n
		}
	}
	s.Fatal("the program does not tell its goroutines")
	return 0
}

func descriptors(pid int) int {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	return len(open)
}
