package fs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

func TestViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		at := time.Date(2026, 11, 22, 15, 30, 12, 345e6, time.UTC)
		one := w.sim.Add(sim.Prediction{Model: official, Status: api.Succeeded, Source: "web", CreatedAt: at, Input: raw(t, map[string]string{"prompt": "x"})})
		two := w.sim.Add(sim.Prediction{Model: "acme/broken", Status: api.Failed, Source: "web", CreatedAt: at.AddDate(0, -1, 0)})
		w.Start()
		synctest.Wait()
		for path, want := range map[string]string{
			"":                           "README.md account.json by-date by-status collections deployments files gallery.html models predictions search trainings",
			"by-date":                    "2026",
			"by-date/2026":               "10 11",
			"by-date/2026/11":            "22",
			"by-date/2026/11/22":         "153012-flux-schnell-" + one,
			"by-status":                  "failed succeeded",
			"by-status/failed":           two,
			"models":                     "acme black-forest-labs",
			"models/acme":                "broken",
			painter + "/predictions":     one,
			painter:                      "README.md example input.json latest model.json predictions prompt.txt schema.json versions",
			"models/nobody":              "",
			broken + "/predictions":      two,
			"models/meta":                "",
			talker:                       "README.md example input.json model.json predictions prompt.txt schema.json versions",
			"predictions/" + two:         "error.txt input.json logs.txt metrics.json prediction.json status",
			"by-status/succeeded/" + one: w.names("predictions/" + one),
		} {
			if got := w.names(path); got != want {
				t.Errorf("%s has %q, want %q", path, got, want)
			}
		}
		for _, path := range []string{
			"by-date/2025", "by-date/2026/13", "by-date/2026/11/31", "by-date/26", "by-date/2026/11/22/153012-other-" + one,
			"by-status/nonsense", "models/.git", "models/autorun.inf", "models/acme/.hidden", "predictions/.Trash", "predictions/AUTORUN",
		} {
			before := len(w.sim.Requests())
			if _, err := w.at(path); err == nil {
				t.Errorf("%s is there", path)
			}
			if asked := len(w.sim.Requests()) - before; asked != 0 {
				t.Errorf("%s cost %d requests", path, asked)
			}
		}
		if info, _ := must(w.at("predictions/" + one)).Info(t.Context()); !info.ModTime.Equal(info.ModTime.Truncate(time.Second)) {
			t.Errorf("time %v has a fraction", info.ModTime)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A listing costs no request; the first stat of an output asks for it and its
// siblings, once.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		if err := w.save(painter+"/input.json", `{"prompt": "four", "num_outputs": 4}`); err != nil {
			t.Fatal(err)
		}
		w.sim.ResetRequests()
		names := strings.Fields(w.names(painter + "/latest"))
		if n := len(w.sim.Requests()); n != 0 {
			t.Errorf("a listing cost %d requests: %v", n, w.sim.Requests())
		}
		done := make(chan int64)
		for _, name := range names {
			go func() {
				info, err := must(w.at(painter + "/latest/" + name)).Info(t.Context())
				if err != nil {
					t.Error(err)
				}
				done <- info.Size
			}()
		}
		for range names {
			<-done
		}
		if n := w.sim.Count("HEAD", "*"); n != 4 || len(w.sim.Requests()) != 4 {
			t.Errorf("sizes of 4 outputs cost %d HEADs and %d requests", n, len(w.sim.Requests()))
		}
		if _, known := must(w.at(painter + "/latest/output-3.webp")).Peek(); !known {
			t.Error("a size that was learned is not remembered")
		}
	})
}

// A walk over files that the delivery host refuses asks for each once, not for
// all of its block at each name; a moment later it asks again.
func TestRefusedSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		if err := w.save(painter+"/input.json", `{"prompt": "four", "num_outputs": 4}`); err != nil {
			t.Fatal(err)
		}
		refused := w.sim.Inject(sim.Fault{Host: sim.Delivery, Status: 403, Times: -1})
		w.sim.ResetRequests()
		walk := func() (failed int) {
			for i := range 4 {
				if _, err := must(w.at(fmt.Sprintf("%s/latest/output-%d.webp", painter, i))).Info(t.Context()); err != nil {
					failed++
				}
			}
			return failed
		}
		if n := walk(); n != 4 {
			t.Errorf("%d of 4 refused sizes are errors", n)
		}
		if n := w.sim.Count("HEAD", "*"); n != 4 {
			t.Errorf("a walk over 4 refused outputs cost %d HEADs", n)
		}
		refused.Stop()
		time.Sleep(untoldLife)
		if n := walk(); n != 0 {
			t.Errorf("%d of 4 sizes are errors when they are told again", n)
		}
	})
}

// The hour is over: what was not read is gone and said to be, the rest stays.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		if err := w.save(painter+"/input.json", `{"prompt": "two", "num_outputs": 2}`); err != nil {
			t.Fatal(err)
		}
		picture := w.read(painter + "/latest/output-0.webp")
		before := w.read(painter + "/latest/prediction.json")
		w.Start()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got, want := w.names(painter+"/latest"), "expired.txt input.json logs.txt metrics.json output-0.webp output.json prediction.json prompt.txt status"; got != want {
			t.Errorf("after the hour: %s\nwant            %s", got, want)
		}
		if w.read(painter+"/latest/output-0.webp") != picture {
			t.Error("a picture that was read is another one after the hour")
		}
		if said := w.read(painter + "/latest/expired.txt"); !strings.Contains(said, "output-1.webp") || strings.Contains(said, "output-0.webp") {
			t.Errorf("expired.txt says %q", said)
		}
		if err := w.Fetch(t.Context(), painter+"/latest/output-1.webp", nil); !errors.Is(err, iofs.ErrNotExist) || !strings.Contains(err.Error(), "expired.txt") {
			t.Errorf("a file that was deleted is fetched: %v", err)
		}
		if w.read(painter+"/latest/prediction.json") != before {
			t.Error("prediction.json changed")
		}
	})
}

// What only the list told of is not unseen: its outputs are named when they
// are gone.
func TestExpiryOfWhatWasListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		id := w.sim.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Output: sim.NewBlob("out.bin", 10), Input: raw(t, map[string]string{"prompt": "x"})})
		w.Start()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got, want := w.names("predictions/"+id), "expired.txt input.json logs.txt metrics.json output.json prediction.json prompt.txt status"; got != want {
			t.Errorf("after the hour: %s\nwant            %s", got, want)
		}
		if said := w.read("predictions/" + id + "/expired.txt"); !strings.Contains(said, "output.bin") {
			t.Errorf("expired.txt says %q", said)
		}
	})
}

// A prediction whose age is not told is not taken for an old one.
func TestExpiryOfUnknownAge(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	if w.expired(&api.Prediction{Status: api.Succeeded}) {
		t.Error("a prediction without times has expired")
	}
}

// Without the API, what is known stays as it was.
func TestOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Past: 30}, Options{})
		w.Start()
		synctest.Wait()
		all := w.names("predictions")
		if n := len(strings.Fields(all)); n != 30 {
			t.Fatalf("%d predictions, want 30", n)
		}
		w.sim.Inject(sim.Fault{Path: "*", Reset: true, Times: 1 << 30})
		time.Sleep(3 * time.Hour)
		if got := w.names("predictions"); got != all {
			t.Errorf("without the API there are %q, want %q", got, all)
		}
	})
}

// The same account seen from two places has the same numbers and times.
func TestIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newWorld(t, sim.Options{Past: 20}, Options{})
		b := mountWorld(t, a.sim, t.TempDir(), Options{})
		for _, w := range []*world{a, b} {
			w.Start()
		}
		synctest.Wait()
		for _, id := range strings.Fields(a.names("predictions")) {
			for _, name := range strings.Fields(a.names("predictions/" + id)) {
				path := "predictions/" + id + "/" + name
				x, y := must(a.at(path)), must(b.at(path))
				ix, err := x.Info(t.Context())
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				iy, err := y.Info(t.Context())
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				if x.Ino() != y.Ino() || ix != iy {
					t.Errorf("%s is %d %+v here and %d %+v there", path, x.Ino(), ix, y.Ino(), iy)
				}
				if tree.Type(x) == 0 && a.read(path) != b.read(path) {
					t.Errorf("%s reads differently", path)
				}
			}
		}
	})
}

// Logs are there while a run goes on, whoever began it, and polls of the
// list, which has none, do not take them away.
func TestLogsOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		elsewhere := w.sim.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Processing, Logs: "50%\n", CreatedAt: time.Now().Add(-41 * time.Minute)})
		w.Start()
		if err := w.save("models/acme/puppet/prompt.txt", "x"); err != nil {
			t.Fatal(err)
		}
		ours := must(w.at("models/acme/puppet/latest")).(*predictionDir).id
		w.sim.Set(ours, func(p *sim.Prediction) { p.Status, p.Logs = sim.Processing, "10%\n" })
		time.Sleep(10 * time.Second) // until it is seen
		for range 60 {
			if got := w.read("predictions/" + ours + "/logs.txt"); got != "10%\n" {
				t.Fatalf("logs of a run of ours are %q", got)
			}
			if got := w.read("predictions/" + elsewhere + "/logs.txt"); got != "50%\n" {
				t.Fatalf("logs of a run begun elsewhere are %q", got)
			}
			time.Sleep(time.Second)
		}
	})
}

// Right after the first mount of an account nothing of it is known yet. Paths
// that a script has are there all the same, and a listing is not of that one
// prediction alone which somebody has named.
func TestFirstLook(t *testing.T) {
	for _, path := range []string{
		"predictions/%s", "by-status/failed/%s", "by-date/2000/01/01/000000-puppet-%s",
		"models/acme/puppet/predictions/%s", "models/acme/puppet/latest/status",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := sim.New(sim.Options{})
			t.Cleanup(func() { s.Close() })
			s.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Succeeded, Source: "web", CreatedAt: time.Now().Add(-time.Hour)})
			path := strings.ReplaceAll(path, "%s", s.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Failed}))
			w := mountWorld(t, s, t.TempDir(), Options{})
			w.Start()
			if _, err := w.at(path); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if n := len(strings.Fields(w.names("predictions"))); n != 2 {
				t.Errorf("after %s a listing has %d predictions, want 2", path, n)
			}
		})
	}
}
