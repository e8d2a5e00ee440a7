package mounted_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// The first stat of an output asks for it and its siblings, all walks over an
// account together at most once for each, and after a remount for none.
func TestSizesOnce(t *testing.T) {
	t.Parallel()
	const predictions = 300
	// Not of a past, whose pictures would all be drawn for their sizes.
	a := mounted.Serve(t, sim.Options{Limits: sim.Limits{Create: -1, Other: -1}, ListLogs: true})
	for i := range predictions {
		at := made.Add(-time.Duration(i) * time.Second)
		a.Add(sim.Prediction{
			Model: "acme/blob", Status: sim.Succeeded, CreatedAt: at, CompletedAt: at,
			Output: []any{sim.NewBlob("a.bin", 5000), sim.NewBlob("b.bin", int64(150_000+i))},
		})
	}
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1h"}})
	ready(t, m)
	a.ResetRequests()
	sh(t, m, `ls -R "$M/predictions" >/dev/null; find "$M"/predictions "$M"/by-* -type f >/dev/null; find "$M/by-date" -type l >/dev/null`)
	if n := len(a.Requests()); n != 0 {
		t.Errorf("ls and find cost %d requests:\n%s", n, requests(a, sim.API)+requests(a, sim.Delivery))
	}
	outputs := strings.Count(sh(t, m, `find "$M/predictions" -type f -name 'output*' ! -name output.json ! -name output.txt`), "\n")
	sum := sh(t, m, `du -s --apparent-size "$M/predictions"; find "$M/predictions" -type f -size +100k | LC_ALL=C sort`)
	if n := a.Count(http.MethodHead, "*"); n > outputs || n < outputs/2 {
		t.Errorf("%d HEADs for %d outputs", n, outputs)
	}
	seen := map[string]bool{}
	for _, r := range a.Requests() {
		if r.Method == http.MethodHead && seen[r.Path] {
			t.Errorf("asked twice: %s", r.Path)
		}
		seen[r.Path] = true
		if r.Method == http.MethodGet && r.Host == sim.Delivery {
			t.Errorf("content was read: %s", r.Path)
		}
	}
	a.ResetRequests()
	m.Remount()
	again := sh(t, m, `du -s --apparent-size "$M/predictions"; find "$M/predictions" -type f -size +100k | LC_ALL=C sort`)
	if again != sum {
		t.Errorf("sizes differ after a remount:\n%s", difference(sum, again))
	}
	for _, r := range a.Requests() {
		if r.Host == sim.Delivery || strings.HasPrefix(r.Path, "/v1/predictions/") {
			t.Errorf("sizes that were known cost %s %s", r.Method, r.Path)
		}
	}
	// df tells them: used grows by what was learned.
	mounted.Until(t, "df shows what is used", func() bool {
		return strings.TrimSpace(sh(t, m, `df --output=used "$M" | tail -1`)) != "0"
	})
}

// Outputs whose size is hard to learn.
func TestOddSizes(t *testing.T) {
	for _, test := range []struct {
		name  string
		size  int64
		fault sim.Fault
		want  string // what stat says
	}{
		{"HEAD refused", 5000, sim.Fault{NoHEAD: true, Times: -1}, "5000"},
		{"no length", 5000, sim.Fault{NoLength: true, Times: -1}, "5000"},
		{"no length, HEAD and range refused", 5000, sim.Fault{NoHEAD: true, NoLength: true, NoRange: true, Times: -1}, "5000"},
		{"empty", 0, sim.Fault{Times: -1, Path: "/none"}, "0"},
		{"empty, HEAD refused", 0, sim.Fault{NoHEAD: true, Times: -1}, "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			id, path := addBlob(a, test.size)
			test.fault.Host = sim.Delivery
			a.Inject(test.fault)
			m := a.Mount(mounted.Options{})
			if got := sh(t, m, `stat -c %s "$M/`+path+`"`); got != test.want+"\n" {
				t.Errorf("size %q, want %s", got, test.want)
			}
			if got, err := os.ReadFile(truth(t, m, id, test.size)); err != nil || sh(t, m, `cat "$M/`+path+`"`) != string(got) {
				t.Errorf("wrong bytes, %v", err)
			}
			n := a.Count("", "/xezq/*")
			sh(t, m, `stat -c %s "$M/`+path+`"; ls -l "$M/`+path+`"`)
			if more := a.Count("", "/xezq/*") - n; more != 0 {
				t.Errorf("the second stat cost %d requests", more)
			}
		})
	}
}

// Without API and delivery everything known is there, at once; the rest fails
// at once with an error, and the log says why. Back online, all is well again.
func TestAway(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := mounted.Serve(t, sim.Options{Past: 50, ListLogs: true, Limits: sim.Limits{Create: -1, Other: -1}})
		read, readPath := addBlob(a, 3*mib)
		_, unread := addBlob(a, 3*mib)
		_, unknown := addBlob(a, 100)
		o.Flags = []string{"--poll=1s"}
		m := a.Mount(o)
		ready(t, m)
		cat(t, m, readPath)
		sh(t, m, `stat "$M/`+unread+`"; find "$M" -type f >/dev/null`)
		before := sh(t, m, `cd "$M"; find predictions by-date by-status -printf '%p %y\n' | LC_ALL=C sort`)
		away := a.Inject(sim.Fault{Reset: true, Times: -1})
		for _, when := range []string{"after a remount", "while mounted"} {
			if when == "after a remount" {
				m.Remount()
			}
			if after := sh(t, m, `cd "$M"; find predictions by-date by-status -printf '%p %y\n' | LC_ALL=C sort`); after != before {
				t.Errorf("%s, offline, this differs:\n%s", when, difference(before, after))
			}
			if got, failed := cat(t, m, readPath); failed {
				t.Errorf("%s: what was read cannot be read", when)
			} else {
				right(t, a, read, 3*mib, got, failed)
			}
			for _, path := range []string{unread, unknown} {
				start := time.Now()
				if _, failed := cat(t, m, path); !failed {
					t.Errorf("%s: %s can be read", when, path)
				}
				t.Logf("%s: reading what is not here fails after %v", when, time.Since(start).Round(time.Millisecond))
			}
		}
		mounted.Until(t, "the log says that the API and the host are away", func() bool {
			return strings.Contains(m.Log(), "no news from the API") && strings.Contains(m.Log(), "an output host does not answer")
		})
		away.Stop()
		id, _ := addBlob(a, 10)
		mounted.Until(t, "the news arrives", func() bool { return has(sh(t, m, `ls "$M/predictions"`), id) })
		mounted.Until(t, "what was away is read", func() bool {
			_, failed := cat(t, m, unread)
			return !failed
		})
		if !strings.Contains(sh(t, m, fmt.Sprintf(`stat -c %%s "$M/%s"`, unknown)), "100") {
			t.Error("back online, the size is wrong")
		}
	})
}
