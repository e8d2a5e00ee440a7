package storm

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

var (
	length = flag.Duration("for", 15*time.Second, "how long a storm goes on")
	seed   = flag.Uint64("seed", 0, "replays the storm of this seed; 0 draws one")
)

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childKey)]; child != nil {
		child(os.Args[1:])
		os.Exit(0)
	}
	mounted.Main(m)
}

// patience is how long one thing that a program does may take in a storm, and
// how long until all is well after it. It is far above the deadlines of the
// program, each of which ends in an error: it tells what hangs from what waits.
const patience = mounted.Patience

// TestStorm is all of it at once: bad weather on the way to both hosts, a disk
// that fails, a clock that jumps, and crashes and restarts of the program.
func TestStorm(t *testing.T) {
	for _, user := range []bool{false, true} {
		if !user && os.Geteuid() != 0 {
			continue
		}
		t.Run(map[bool]string{false: "root", true: "user"}[user], func(t *testing.T) {
			t.Parallel()
			n := *seed
			if n == 0 {
				n = uint64(time.Now().UnixNano()) % 1e6
			}
			t.Logf("to replay: go test ./fs/mounted/storm -run %s -for %v -seed %d", t.Name(), *length, n)
			s := brew(t, n, user)
			s.rage(*length, apiFaults, deliveryFaults, true)
			s.calm()
			s.kept()
		})
	}
}

// TestWeather is each fault on its own.
func TestWeather(t *testing.T) {
	for _, f := range append(slices.Clone(apiFaults), deliveryFaults...) {
		t.Run(string(f.Host)+" "+f.name, func(t *testing.T) {
			t.Parallel()
			s := brew(t, max(*seed, 1), os.Geteuid() != 0)
			if f.Host == sim.Delivery {
				s.rage(2*time.Second, nil, []fault{f}, false)
			} else {
				s.rage(2*time.Second, []fault{f}, nil, false)
			}
			s.calm()
			s.kept()
		})
	}
}

// A storm is one account, its mount, and what is known of both.
type storm struct {
	*testing.T
	seed    uint64
	user    bool // an ordinary one has mounted
	account *mounted.Account
	mount   *mounted.Mount
	end     chan struct{} // closed when the storm is over
	turn    sync.Mutex    // held while the program is restarted, or asked why it hangs
	slept   time.Duration // how far Replicate's clock is ahead; of clock alone

	mu    sync.Mutex // guards what follows
	files []file
	saves []saved
	count map[string]int // what the programs did, and how it went
}

// past is how many predictions there are before a storm.
const past = 120

func brew(t *testing.T, seed uint64, user bool) *storm {
	t.Helper()
	a := mounted.Serve(t, sim.Options{Past: past, Speed: 40, Limits: sim.Limits{Create: -1, Other: -1}})
	s := &storm{T: t, seed: seed, user: user || os.Geteuid() != 0, account: a, end: make(chan struct{}), count: map[string]int{}}
	s.mount = a.Mount(mounted.Options{User: user, Flags: []string{"--poll=1s", "--wait=20s", "--memory=32MiB", "--cache-size=64MiB", "--max-runs-per-minute=6000", "--metrics-addr=127.0.0.1:0"}})
	dice := s.dice(0)
	for range 6 {
		s.add(dice)
	}
	return s
}

// dice are those of one of the programs. What it does is drawn by itself
// alone, and so is the same for the same seed, whatever the others do.
func (s *storm) dice(who uint64) *rand.Rand { return rand.New(rand.NewPCG(s.seed, who)) }

// rage lets everything happen, until the time is over.
func (s *storm) rage(length time.Duration, api, delivery []fault, crashes bool) {
	s.Helper()
	var all sync.WaitGroup
	var last uint64
	start := func(name string, step func(dice *rand.Rand) string) {
		last++
		dice := s.dice(last)
		all.Go(func() {
			for !s.over() && !s.Failed() {
				s.tally(name + ": " + step(dice))
			}
		})
	}
	for range 3 {
		start("read", s.read)
	}
	for range 2 {
		start("save", s.save)
	}
	start("walk", s.walk)
	start("look", s.look)
	start("news", s.news)
	for name, faults := range map[string][]fault{"api": api, "delivery": delivery} {
		if len(faults) > 0 {
			start(name, func(dice *rand.Rand) string { return s.weather(dice, faults) })
		}
	}
	if crashes {
		start("crash", s.crash)
		start("clock", s.clock)
	}
	time.AfterFunc(length, func() { close(s.end) })
	all.Wait()
	s.Logf("%v", s.count)
}

func (s *storm) over() bool {
	select {
	case <-s.end:
		return true
	default:
		return false
	}
}

// rest waits, or until the storm is over.
func (s *storm) rest(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.end:
	}
}

func (s *storm) tally(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[what]++
}

// hangs ends a storm in which something takes too long, with what the program
// says about itself.
func (s *storm) hangs(what string) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.stuck(what)
}

// stuck is hangs for who restarts the program.
func (s *storm) stuck(what string) {
	s.mount.Signal(syscall.SIGQUIT)
	select {
	case <-s.mount.Done():
	case <-time.After(10 * time.Second):
	}
	s.Errorf("%s takes longer than %v; seed %d\n%s", what, patience, s.seed, s.mount.Log())
}

// crash has the program killed, or told to end, and started again. In between is
// the time for runs and long reads to come to their end.
func (s *storm) crash(dice *rand.Rand) string {
	s.rest(time.Duration(2000+dice.IntN(6000)) * time.Millisecond)
	if s.over() {
		return "over"
	}
	how := ""
	if dice.IntN(3) == 0 {
		how = s.disk(dice)
	}
	s.sound()
	return how + s.killed(dice)
}

// killed ends the program and starts it again.
func (s *storm) killed(dice *rand.Rand) string {
	s.turn.Lock()
	defer s.turn.Unlock()
	how := "killed"
	switch dice.IntN(6) {
	case 0:
		how = s.stop(os.Interrupt)
	case 1:
		how = s.stop(syscall.SIGTERM)
	case 2:
		how = s.unmount()
	default:
		s.mount.Kill()
	}
	if err := s.mount.Start(); err != nil {
		s.Errorf("the program does not start again: %v; seed %d", err, s.seed)
		return how + " for good"
	}
	return how
}

// stop asks the program to end while it is in use, as Ctrl-C and service
// managers do. It then waits for those who use it, but does not when it is asked
// again.
func (s *storm) stop(by os.Signal) string {
	s.mount.Signal(by)
	select {
	case <-s.mount.Done():
		return "stopped by " + by.String()
	case <-time.After(3 * time.Second):
	}
	s.mount.Signal(by)
	s.ends("the program, told twice to end,")
	return "stopped at once by " + by.String()
}

// unmount takes the mount from under those who read.
func (s *storm) unmount() string {
	if s.user { // only root can end a connection; else it waits for who walks, however long that takes
		s.mount.Kill()
		return "killed"
	}
	if out, err := s.mount.Command(mounted.Program(s.T), "unmount", "--force", s.mount.Dir).CombinedOutput(); err != nil {
		s.Errorf("unmount --force: %v: %s; seed %d", err, out, s.seed)
	}
	s.ends("the program, whose mount was taken away,")
	return "unmount --force"
}

// ends waits for the program to do so.
func (s *storm) ends(what string) {
	select {
	case <-s.mount.Done():
	case <-time.After(patience):
		s.stuck(what)
		s.mount.Kill()
	}
}

// sound checks that the program lives, and has had no reason to complain.
func (s *storm) sound() {
	select {
	case <-s.mount.Done():
		s.Errorf("the program ended by itself; seed %d\n%s", s.seed, s.mount.Log())
	default:
	}
	for _, bad := range []string{"DATA RACE", "panic"} {
		if log := s.mount.Log(); strings.Contains(log, bad) {
			s.Errorf("%s in the program; seed %d\n%s", bad, s.seed, log)
		}
	}
}
