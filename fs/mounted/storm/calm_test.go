package storm

import (
	"fmt"
	"os"
	"sync"

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

// settles waits until the program holds no more than an idle one does.
func (s *storm) settles() {
	const idle = 80 // descriptors: the catalog, the cache, a few connections
	mounted.Until(s.T, "the descriptors are given back", func() bool { return descriptors(s.mount.PID()) < idle })
}

func descriptors(pid int) int {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	return len(open)
}
