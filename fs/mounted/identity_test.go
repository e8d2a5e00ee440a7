package mounted_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// everything is a walk over all names in the order in which they are listed,
// with all that stat tells of them but where they are mounted.
const everything = `cd "$M"; find . -printf '%p %i %n %M %U:%G %s %b %T@ %C@ %l\n'`

// ready waits until the whole list was read, and the news once.
func ready(t *testing.T, m *mounted.Mount) {
	t.Helper()
	mounted.Until(t, "the list is read", func() bool {
		s := statsOf(t, m).Sync
		return s.Complete && s.Polls > 0
	})
}

// Two mounts that know nothing of each other show the same, to the inode.
func TestTwoMachines(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := mounted.Serve(t, sim.Options{Past: 40, Limits: sim.Limits{Create: -1, Other: -1}})
		addBlob(a, 1000)
		one, two := a.Mount(o), a.Mount(o)
		sh(t, one, `echo "a lion" | tee "$M/`+painter+`/prompt.txt"`)
		ready(t, one)
		ready(t, two)
		mounted.Until(t, "the run is seen", func() bool { return sh(t, two, `ls "$M/predictions" | wc -l`) == "42\n" })
		// Folders of models have the times of documents, which the first walk fetches.
		sh(t, one, everything)
		sh(t, two, everything)
		want, got := sh(t, one, everything), sh(t, two, everything)
		if got != want {
			t.Errorf("two mounts of one account differ:\n%s", difference(want, got))
		}
		if n := strings.Count(want, "\n"); n < 500 {
			t.Errorf("only %d names were compared", n)
		}
		one.Remount()
		if got := sh(t, one, everything); got != want {
			t.Errorf("after a remount, this differs:\n%s", difference(want, got))
		}
	})
}

// What we say ourselves changes only when it says something else: not when a
// model was run by others meanwhile.
func TestOwnFiles(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{})
	const look = `cd "$M"; stat -c '%n %i %s %Y %Z' README.md account.json models/black-forest-labs/flux-schnell/{README.md,model.json,schema.json}; cat models/black-forest-labs/flux-schnell/model.json`
	before := output(t, m.Command("bash", "-euc", look))
	sh(t, m, `for i in 1 2 3; do echo "a lion" | tee "$M/`+painter+`/prompt.txt"; done`)
	m.Stop()
	a.Advance(24 * time.Hour)
	m.Remount()
	output(t, m.Command("bash", "-euc", look)) // old: asked for again behind this
	if after := output(t, m.Command("bash", "-euc", look)); after != before {
		t.Errorf("files of ours changed:\n%s", difference(before, after))
	}
	if strings.Contains(before, "run_count") {
		t.Error("model.json has a counter")
	}
}

// A prediction that ends makes the folders that show it newer.
func TestFolderTimes(t *testing.T) {
	t.Parallel()
	a := serveShapes(t)
	m := a.Mount(mounted.Options{})
	ready(t, m)
	// The newest one that has ended, and the one that runs, a minute before noon.
	const times = `cd "$M"; stat -c '%n %Y' . predictions by-date by-date/2026 by-date/2026/11 by-date/2026/11/22 by-status models models/acme models/acme/puppet models/acme/puppet/predictions`
	for line := range strings.Lines(sh(t, m, times)) {
		name, got, _ := strings.Cut(strings.TrimSpace(line), " ")
		want := noon.Add(-time.Minute)
		if name == "." {
			want = noon // of README.md
		}
		if got != formatUnix(want) {
			t.Errorf("%s has the time %s, want %s", name, got, formatUnix(want))
		}
	}
	if got, want := sh(t, m, `stat -c %Y "$M/by-status/failed"`), formatUnix(noon.Add(-44*time.Minute+20*time.Second))+"\n"; got != want {
		t.Errorf("by-status/failed has the time %s, want %s", got, want)
	}
}

func formatUnix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
