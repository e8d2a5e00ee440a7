package mounted_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// descriptors is how many the program has open.
func descriptors(t *testing.T, m *mounted.Mount) int {
	t.Helper()
	open, err := os.ReadDir("/proc/" + strconv.Itoa(m.PID()) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// However much is walked over, listed, open and read at the same time, memory
// and descriptors stay within bounds, and descriptors are given back.
func TestBounds(t *testing.T) {
	past := 3000
	if testing.Short() || mounted.Race {
		past = 300
	}
	a := mounted.Serve(t, sim.Options{Speed: 1, Limits: sim.Limits{Create: -1, Other: -1}, ListLogs: true})
	for range past {
		addBlob(a, 1000)
	}
	files := a.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Source: "web",
		Output: repeat(100, func(int) any { return sim.NewBlob("a.bin", 5*mib) })})
	m := a.Mount(mounted.Options{Flags: []string{"--memory=64MiB", "--poll=1s"}})
	ready(t, m)
	base := descriptors(t, m)
	for _, step := range []struct {
		what, script string
		most         int // descriptors beyond the base
	}{
		{"ls -lR of everything", `ls -lR "$M/predictions" "$M/by-date" > /dev/null`, 150},
		{"a hundred open files", `n=10; for f in "$M/predictions/$ID"/output-*; do eval "exec $((n+=1))<\"$f\""; head -c 300000 <&$n > /dev/null; done; ls /proc/$PID/fd | wc -l`, 400},
		{"all of a hundred files at once", `cd "$M/predictions/$ID"; printf '%s\0' output-* | xargs -0 -P 16 -n 1 cat | wc -c`, 400},
		{"a backup while a run streams", `echo "a long story" | tee "$M/` + talker + `/prompt.txt" > /dev/null & tar cf - -C "$M" predictions | wc -c; wait`, 400},
	} {
		cmd := m.Command("bash", "-euc", step.script)
		cmd.Env = append(cmd.Env, "ID="+files, "PID="+strconv.Itoa(m.PID()))
		most, stop, stopped := 0, make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for tick := time.Tick(50 * time.Millisecond); ; {
				most = max(most, descriptors(t, m))
				select {
				case <-tick:
				case <-stop:
					return
				}
			}
		}()
		said := output(t, cmd)
		close(stop)
		<-stopped
		t.Logf("%-32s %4d descriptors, %4d MiB at most; %s", step.what, most, peak(t, m)>>20, said)
		if most > base+step.most {
			t.Errorf("%s took %d descriptors, from %d at the beginning", step.what, most, base)
		}
	}
	t.Logf("%d descriptors at the beginning", base)
	mounted.Until(t, "descriptors are as at the beginning", func() bool { return descriptors(t, m) <= base+80 }) // connections stay open for a while
	if got := peak(t, m); got > (64+256)<<20 && !mounted.Race {
		t.Errorf("it took %d MiB", got>>20)
	}
}
