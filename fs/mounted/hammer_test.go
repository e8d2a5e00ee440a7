package mounted_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// Reads, lookups, walks, saves and news from elsewhere, all at once, with the
// kernel forgetting what it knows in between: nothing hangs, and nothing is
// read wrong. A watchdog ends a test that makes no progress.
func TestHammer(t *testing.T) {
	if testing.Short() {
		t.Skip("left out by -short: it goes on for 8 seconds")
	}
	each(t, func(t *testing.T, o mounted.Options) {
		a := mounted.Serve(t, sim.Options{Past: 200, PastModel: "acme/blob", ListLogs: true, Speed: 20, Limits: sim.Limits{Create: -1, Other: -1}})
		const size = 2*mib + 77
		id, path := addBlob(a, size)
		o.Flags = []string{"--poll=1s", "--max-runs-per-minute=6000", "--memory=16MiB"}
		m := a.Mount(o)
		ready(t, m)
		want := truth(t, m, id, size)

		end := time.Now().Add(8 * time.Second)
		progress := make(chan string, 1000)
		var all sync.WaitGroup
		worker := func(name, script string) {
			all.Go(func() {
				for n := 0; n == 0 || time.Now().Before(end); n++ {
					cmd := m.Command("sh", "-euc", script)
					cmd.Env = append(cmd.Env, "F="+m.Path(path), "W="+want, fmt.Sprintf("N=%d", n))
					var said bytes.Buffer
					cmd.Stdout, cmd.Stderr = &said, &said
					if err := cmd.Run(); err != nil {
						t.Errorf("%s: %v\n%s", name, err, said.Bytes())
						return
					}
					progress <- name
				}
			})
		}
		worker("read", `cmp "$F" "$W"`)
		worker("read a part", `tail -c 70000 "$F" > part1; tail -c 70000 "$W" | cmp - part1`)
		worker("walk", `find "$M/predictions" "$M/by-date" "$M/by-status/succeeded" -type f > /dev/null`)
		worker("stat", `ls -lR "$M/by-status/succeeded/" > /dev/null; ls -l "$M"/by-status/succeeded/*/ > /dev/null`)
		worker("missing", `! ls "$M/predictions/nothing$N" "$M/models/.git" 2> /dev/null`)
		worker("save", `echo "lion $N" | tee "$M/`+painter+`/prompt.txt" > /dev/null; ls "$M/`+painter+`/latest/" > /dev/null; cat "$M/`+painter+`/latest/status" > /dev/null`)
		worker("follow", `timeout 0.5 tail -f "$M/`+painter+`/latest/logs.txt" > /dev/null 2>&1 || true`) // a save that is just being sent has no logs
		all.Go(func() {                                                                                   // elsewhere
			for time.Now().Before(end) {
				for range 20 {
					addBlob(a, 1000)
				}
				os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0) // as far as we may
				select {
				case <-time.After(200 * time.Millisecond):
				case <-t.Context().Done():
				}
			}
		})
		done := make(chan struct{})
		go func() {
			all.Wait()
			close(done)
		}()
		count := map[string]int{}
		for quiet := 0; ; {
			select {
			case name := <-progress:
				count[name]++
				quiet = 0
				continue
			case <-time.After(time.Second):
				quiet++
			case <-done:
				for range len(progress) {
					count[<-progress]++
				}
				for _, name := range []string{"read", "walk", "stat", "missing", "save", "follow"} {
					if count[name] == 0 {
						t.Errorf("no %s came to its end", name)
					}
				}
				t.Logf("%v", count)
				return
			}
			if quiet == int(mounted.Patience.Seconds()) {
				m.Signal(syscall.SIGQUIT) // the log then says where it hangs
				stacks := stuck(m.PID())
				m.Kill() // who hangs in the kernel is freed by it
				t.Fatalf("nothing happens any more:\n%s", stacks)
			}
		}
	})
}

// stuck is where the threads of a process wait in the kernel, where that may
// be looked at.
func stuck(pid int) string {
	var b strings.Builder
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stack", pid))
	for _, file := range files {
		if stack, err := os.ReadFile(file); err == nil {
			fmt.Fprintf(&b, "%s\n%s\n", file, stack)
		}
	}
	return b.String()
}
