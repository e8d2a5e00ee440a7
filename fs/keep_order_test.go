package fs

import (
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
)

// The prediction that is deleted first comes first, even before one that is
// being fetched already.
func TestKeepOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Keep: KeepAll})
		hold := make(chan struct{})
		defer close(hold)
		w.sim.Inject(sim.Fault{Host: sim.Delivery, Method: "GET", Path: "*/late.bin", Hold: hold, Times: -1})
		add := func(name string, age time.Duration) string {
			return w.sim.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Source: "api",
				Output: sim.NewBlob(name, 3<<20), CreatedAt: time.Now().Add(-age)})
		}
		late := add("late.bin", 0)
		w.Start()
		time.Sleep(20 * time.Second)
		soon := add("soon.bin", 59*time.Minute+20*time.Second)
		must(w.at("predictions/" + soon)) // as somebody who names it finds it
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.wantKept(soon, true)
		w.wantKept(late, false)
	})
}

// One that failed for a moment does not wait for the end of another one, which
// has more time: that may take longer than it has. Nor does the other one wait
// for it for good.
func TestKeepTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Delivery: sim.Network{Bandwidth: 64 << 10}}, Options{Keep: KeepAll})
		add := func(name string, size int64, age time.Duration) string {
			return w.sim.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Source: "api",
				Output: sim.NewBlob(name, size), CreatedAt: time.Now().Add(-age)})
		}
		w.sim.Inject(sim.Fault{Host: sim.Delivery, Path: "*/never.bin", Status: 503, Times: -1})
		broken := w.sim.Inject(sim.Fault{Host: sim.Delivery, Path: "*/soon.bin", Status: 503, Times: -1})
		late := add("late.bin", 60<<20, 0)
		soon := add("soon.bin", 1000, 50*time.Minute)
		never := add("never.bin", 1000, 30*time.Minute)
		w.Start()
		time.Sleep(20 * time.Second)
		broken.Stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		w.wantKept(soon, true)
		w.wantKept(late, false)
		time.Sleep(20 * time.Minute)
		w.wantKept(late, true)
		w.wantKept(never, false)
	})
}
