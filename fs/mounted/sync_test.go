package mounted_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// A prediction that is made elsewhere shows within one poll, also in a folder
// that was just listed; one that is made here shows at once.
func TestNews(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		addBlob(a, 10)
		o.Flags = []string{"--poll=1s"}
		m := a.Mount(o)
		ready(t, m)
		sh(t, m, `ls -l "$M/predictions" "$M/by-status/succeeded"`)
		id, path := addBlob(a, 10)
		fails(t, m, `cat "$M/predictions/`+strings.Repeat("x", 26)+`/status"`)
		mounted.Until(t, "it is listed", func() bool { return has(sh(t, m, `ls "$M/predictions"`), id) })
		sh(t, m, `cat "$M/`+path+`" >/dev/null; ls "$M/by-status/succeeded/`+id+`/" "$M/models/acme/blob/predictions/`+id+`/"`)
		got := sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt" >/dev/null; ls "$M/predictions" | wc -l; ls "$M/`+painter+`/predictions/" | wc -l`)
		if got != "3\n1\n" {
			t.Errorf("after a run made here there are %q", got)
		}
	})
}

// The first listing goes on where a killed program left it: no page but the
// first is asked for twice, and none is left out.
func TestCrawlResumes(t *testing.T) {
	t.Parallel()
	const past = 2000
	a := mounted.Serve(t, sim.Options{Past: past, Limits: sim.Limits{Create: -1, Other: -1}})
	// It does not come to its end before that.
	hold := make(chan struct{})
	fault := a.Inject(sim.Fault{Method: http.MethodGet, Path: "/v1/predictions", After: 8, Times: -1, Hold: hold})
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1h"}})
	mounted.Until(t, "some pages were read", func() bool { return known(t, m) > 500 })
	m.Kill()
	fault.Stop()
	close(hold)
	m.Remount()
	ready(t, m)
	if n := known(t, m); n != past {
		t.Errorf("%d predictions are known, want %d", n, past)
	}
	asked := map[string]int{}
	for _, r := range a.Requests() {
		if r.Path == "/v1/predictions" && r.Method == http.MethodGet && !strings.Contains(r.Query, "created_after") {
			asked[r.Query]++
		}
	}
	twice := 0
	for query, n := range asked {
		if n > 1 && query != "" {
			twice += n - 1
		}
	}
	// The page that was on its way when the program was killed.
	if twice > 1 {
		t.Errorf("%d pages were asked for twice", twice)
	}
}

// pages counts how often the list was asked for.
func pages(a *mounted.Account) int { return a.Count(http.MethodGet, "/v1/predictions") }

// known is how many predictions a mount knows.
func known(t *testing.T, m *mounted.Mount) int {
	t.Helper()
	return statsOf(t, m).Catalog.Predictions
}

// News that fills several pages is not lost by a kill in the middle of it, nor
// by a run made here meanwhile, which is newer than all of it.
func TestNewsAfterKill(t *testing.T) {
	t.Parallel()
	a := serve(t)
	addBlob(a, 10)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1h"}})
	ready(t, m)
	m.Stop()
	for i := range 350 {
		at := time.Now().Add(-time.Duration(350-i) * time.Second)
		a.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Output: "x", CreatedAt: at.Add(time.Hour), CompletedAt: at.Add(time.Hour)})
	}
	a.Advance(2 * time.Hour)
	// The second page of the news never arrives.
	fault := a.Inject(sim.Fault{Path: "/v1/predictions", Method: http.MethodGet, After: 1, Times: -1, Delay: time.Hour})
	m.Remount()
	mounted.Until(t, "the first page is read", func() bool { return known(t, m) >= 101 })
	sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt"`)
	m.Kill()
	fault.Stop()
	m.Remount()
	mounted.Until(t, "all news is read", func() bool { return known(t, m) == 352 })
}

// A 429 while the list is read is waited out as told, and nothing is lost.
func TestCrawlThrottled(t *testing.T) {
	t.Parallel()
	a := mounted.Serve(t, sim.Options{Past: 500, Limits: sim.Limits{Create: -1, Other: -1}})
	throttle := sim.Throttle(2*time.Second, sim.InHeader)
	throttle.Path, throttle.After, throttle.Times = "/v1/predictions", 3, 1
	fault := a.Inject(throttle)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1h"}})
	ready(t, m)
	if n := known(t, m); n != 500 || fault.Fired() != 1 {
		t.Errorf("%d predictions are known, and %d requests were throttled", n, fault.Fired())
	}
	var refused time.Time
	for _, r := range a.Requests() {
		switch {
		case r.Path != "/v1/predictions":
		case r.Status == http.StatusTooManyRequests:
			refused = r.Time
		case !refused.IsZero() && r.Time.Sub(refused) < 2*time.Second:
			t.Errorf("asked again after %v, told to wait 2 s", r.Time.Sub(refused))
		}
	}
}

// What finishes in a folder that somebody looks at appears in it at once.
func TestRunShows(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := mounted.Serve(t, sim.Options{Speed: 1})
		o.Flags = []string{"--poll=1s", "--wait=0"}
		m := a.Mount(o)
		go func() { // once it is looked at, time flies
			for {
				select {
				case <-t.Context().Done():
					return
				case <-time.After(5 * time.Millisecond):
				}
				if _, err := os.Stat(filepath.Join(m.Work, "before")); err == nil {
					a.Advance(15 * time.Minute)
					return
				}
			}
		}()
		// A run whose folder is looked at again and again; the file cancel is
		// gone when it has ended, also in the middle of an ls.
		got := sh(t, m, `
			printf '{"seconds": 600}' | tee "$M/models/acme/slow/input.json" >/dev/null
			cd "$M/models/acme/slow/latest/"
			tail -f -s 0.1 logs.txt > "$HOME/tail" & tail=$!
			exec 3< status
			ls -l > "$HOME/part"; mv "$HOME/part" "$HOME/before"
			while [ "$(cat status)" != succeeded ]; do ls -l >/dev/null 2>&1 || true; cat logs.txt >/dev/null; sleep 0.05; done
			ls; ls -l >/dev/null
			cat <&3
			for i in $(seq 600); do ! cmp -s "$HOME/tail" logs.txt || break; sleep 0.1; done; kill $tail
			cmp "$HOME/tail" logs.txt >&2 || { cat "$HOME/tail" >&2; exit 1; }
			cat logs.txt | wc -c
			grep -c cancel "$HOME/before"`)
		if !strings.Contains(got, "output") || has(got, "cancel") {
			t.Errorf("after the run there are\n%s", got)
		}
	})
}

// A prediction in both JSON shapes is one entry, frozen when first complete.
func TestFrozen(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1s", "--keep=none"}})
	sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt"`)
	const look = `cd "$M/` + painter + `/latest/"; stat -c '%n %i %s %Y %Z' *; cat prediction.json`
	before := sh(t, m, look)
	polls := pages(a)
	mounted.Until(t, "the list told of it some times", func() bool { return pages(a) > polls+3 })
	a.Advance(3 * time.Hour)
	mounted.Until(t, "it is asked about its hour", func() bool {
		return strings.Contains(sh(t, m, `ls "$M/`+painter+`/latest/"`), "expired.txt")
	})
	after := sh(t, m, `cd "$M/`+painter+`/latest/"; stat -c '%n %i %s %Y %Z' $(ls | grep -v expired.txt); cat prediction.json`)
	var kept strings.Builder
	for line := range strings.Lines(before) {
		if !strings.HasPrefix(line, "output-0.webp ") { // never read, and so lost
			kept.WriteString(line)
		}
	}
	if after != kept.String() {
		t.Errorf("what was complete changed:\n%s", difference(kept.String(), after))
	}
	if n := sh(t, m, `ls "$M/predictions" | wc -l`); n != "1\n" {
		t.Errorf("there are %s predictions, want one", n)
	}
}
