package mounted_test

import (
	"fmt"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// quiet makes a mount ask for nothing by itself once it has the past.
var quiet = []string{"--poll=24h"}

// What people and programs do costs so many requests and no more. Each row
// goes on where the one before left off.
func TestEconomy(t *testing.T) {
	rows := []struct {
		what, script string
		want         cost
	}{
		{"ls of everything", `ls "$M" "$M/predictions" "$M/by-date" "$M"/by-status/* "$M/models" "$M"/models/*`, cost{api: 2}}, // trainings and deployments, whose models are listed
		{"find by type", `find "$M/predictions" -type f`, cost{}},
		{"find by name, following links", `find -L "$M/by-date" -name 'output*'`, cost{}},
		{"names that nobody has", `for d in . predictions predictions/$A models models/acme models/acme/blob by-date by-date/2026 by-status; do
			for n in .git .svn .hg .Trash .Trash-1000 .hidden .directory .DS_Store autorun.inf desktop.ini Thumbs.db .bzr HEAD index.html "a b" "ä" "$(printf %200s)"; do
				case $d/$n in models/HEAD|models/acme/HEAD|models/acme/autorun.inf|models/acme/desktop.ini|models/acme/Thumbs.db|models/acme/index.html) continue ;; esac
				test ! -e "$M/$d/$n"; done; done`, cost{}},
		{"names that a model could have", `for i in 1 2; do for n in HEAD autorun.inf desktop.ini Thumbs.db index.html; do test ! -e "$M/models/acme/$n"; done; done`, cost{api: 5}},
		{"a model that is not there", `test ! -e "$M/models/acme/nothing"; test ! -e "$M/models/acme/nothing"; test ! -e "$M/models/acme/nothing/prompt.txt"`, cost{api: 1}},
		// Its logs were in no list, so it is asked for once.
		{"ls -l of a prediction", `ls -l "$M/predictions/$A"`, cost{api: 1, head: 3}},
		{"ls -l again", `ls -l "$M/predictions/$A"`, cost{}},
		{"stat of an output", `stat "$M/predictions/$B/output-1.bin"`, cost{head: 3}},
		{"stat of its siblings", `stat "$M/predictions/$B/output-0.bin" "$M/predictions/$B/output-2.bin"`, cost{}},
		{"cat", `cat "$M/predictions/$B/output-0.bin" > got`, cost{get: 1}},
		{"cat again", `cat "$M/predictions/$B/output-0.bin" > got`, cost{}},
		{"cat of its texts", `cat "$M/predictions/$B/status" "$M/predictions/$B/output.json" "$M/predictions/$B/input.json"`, cost{}},
		{"find by size", `find "$M/predictions" -size +1k`, cost{api: 9, head: 8 * 3}},
		{"find by size again", `find "$M/predictions" -size +1k`, cost{}},
		{"du", `du -s "$M/predictions"`, cost{}},
		{"cp of a folder", `cp -r "$M/predictions/$A" copy`, cost{get: 3}},
		{"tar of it", `tar -cf x.tar -C "$M/predictions" $A`, cost{}},
		{"ls -l of views", `ls -l "$M"/by-date/*/*/* "$M/by-status/succeeded" "$M/models/acme/blob/predictions"`, cost{}},
		{"what a model says of itself", `cat "$M/models/acme/blob/schema.json" "$M/models/acme/blob/model.json"`, cost{api: 1}},
		{"what it says again", `cat "$M/models/acme/blob/schema.json" "$M/models/acme/blob/model.json"`, cost{}},
		{"ls of a model", `ls "$M/models/acme/captioner"`, cost{api: 1}},
		{"triggers", `ls -l "$M/models/acme/blob/prompt.txt"; cat "$M/models/acme/blob/prompt.txt"; touch "$M/models/acme/blob/input.json"`, cost{}},
		{"df", `df "$M"`, cost{}},
	}
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		var ids []string
		for range 10 {
			ids = append(ids, a.Add(sim.Prediction{
				Model: "acme/blob", Status: sim.Succeeded, CreatedAt: time.Now().Add(-time.Minute),
				Output: []any{sim.NewBlob("a.bin", 5000), sim.NewBlob("b.bin", 6000), sim.NewBlob("c.bin", 7000)},
			}))
		}
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, 10)
		again := repeats()
		for _, row := range rows {
			a.ResetRequests()
			cmd := m.Command("sh", "-euc", row.script)
			cmd.Env = append(cmd.Env, "A="+ids[0], "B="+ids[1])
			output(t, cmd)
			if got := spent(a); !got.is(row.want, again(t, m)) {
				t.Errorf("%s costs %v, want %v\n%s%s", row.what, got, row.want, requests(a, sim.API), requests(a, sim.Delivery))
			}
		}

		// All about predictions is known to the next mount.
		m.Stop()
		a.ResetRequests()
		m.Remount()
		mounted.Until(t, "the list is asked for", func() bool { return a.Count("GET", "/v1/predictions") > 0 })
		sh(t, m, `find "$M/predictions" -size +1k; cat "$M/predictions/`+ids[1]+`"/output-0.bin > got; ls -l "$M"/by-date/*/*/*`)
		// The account, and the news.
		if got, want := spent(a), (cost{api: 2}); got != want {
			t.Errorf("a remount, and looking at everything, costs %v, want %v\n%s%s", got, want, requests(a, sim.API), requests(a, sim.Delivery))
		}
	})
}

// One run costs one create, and what it takes to see its end.
func TestEconomyOfRun(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{Flags: append([]string{"--keep=none"}, quiet...)})
	settle(t, m, 0)
	a.ResetRequests()
	sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt" > /dev/null`)
	if got := a.Count("POST", ""); got != 1 {
		t.Errorf("%d POST requests, want 1", got)
	}
	// The model, to know how to run it; then the stream or the prediction.
	if got := spent(a); got.api > 3 || got.head+got.get > 0 {
		t.Errorf("a run costs %v, want at most 3 requests of the API:\n%s", got, requests(a, sim.API))
	}
	a.ResetRequests()
	sh(t, m, `cp "$M/`+painter+`/latest/output-0.webp" .`)
	if got, want := spent(a), (cost{head: 1, get: 1}); !got.is(want, repeats()(t, m)) {
		t.Errorf("cp of its picture costs %v, want %v", got, want)
	}
	a.ResetRequests()
	sh(t, m, `echo "another lion" | tee "$M/`+painter+`/prompt.txt" > /dev/null`)
	if got := spent(a); got.api > 2 {
		t.Errorf("the second run costs %v, want at most 2 requests of the API:\n%s", got, requests(a, sim.API))
	}
}

// A cost is a number of requests.
type cost struct{ api, head, get int }

func (c cost) String() string {
	return fmt.Sprintf("%d of the API, %d HEAD and %d GET of outputs", c.api, c.head, c.get)
}

// is tells whether a cost is what was wanted, but for as many requests for
// content as were made again.
func (c cost) is(want cost, again int) bool {
	more := c.get - want.get
	c.get = want.get
	return c == want && more >= 0 && more <= again
}

// repeats counts the requests for content that a mount has made once more,
// since the first was not answered in time, from one call to the next: on a
// busy machine that happens.
func repeats() func(t *testing.T, m *mounted.Mount) int {
	before := 0
	return func(t *testing.T, m *mounted.Mount) int {
		t.Helper()
		s := statsOf(t, m).Cache
		all := int(s.Hedged + s.Retries)
		defer func() { before = all }()
		return all - before
	}
}

// spent is what was asked since the last ResetRequests.
func spent(a *mounted.Account) (c cost) {
	for _, r := range a.Requests() {
		switch {
		case r.Host == sim.API:
			c.api++
		case r.Host == sim.Delivery && r.Method == "HEAD":
			c.head++
		case r.Host == sim.Delivery:
			c.get++
		}
	}
	return c
}

// settle waits until a mount has the past, which is so many predictions on
// one page.
func settle(t *testing.T, m *mounted.Mount, past int) {
	t.Helper()
	want := fmt.Sprintf("%d\n", past)
	mounted.Until(t, "the past is known", func() bool {
		return sh(t, m, `ls "$M/predictions" | wc -l`) == want && m.Count("GET", "/v1/predictions") >= 2
	})
	ready(t, m)
}
