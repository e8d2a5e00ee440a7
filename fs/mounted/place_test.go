package mounted_test

import (
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// servePast is an account with a past, which has trainings too.
func servePast(t *testing.T) *mounted.Account {
	return mounted.Serve(t, sim.Options{Past: 20, Limits: sim.Limits{Create: -1, Other: -1}})
}

// What looking around costs in the places that are not predictions: one
// request for a folder, none for an entry, and none again.
func TestEconomyOfPlaces(t *testing.T) {
	rows := []struct {
		what, script string
		want         cost
	}{
		{"ls of the root", `ls -l "$M"`, cost{}},
		{"ls of trainings", `ls -l "$M/trainings"; ls "$M"/trainings/*`, cost{api: 1}},
		{"find by type in trainings", `find "$M/trainings" -type f`, cost{}},
		// Their logs were in no list.
		{"reading them", `cat "$M"/trainings/*/{status,logs.txt,prediction.json}`, cost{api: 2}},
		{"reading them again", `cat "$M"/trainings/*/{status,logs.txt,prediction.json}`, cost{}},
		{"stat of the weights", `stat "$M"/trainings/*/output-weights.tar`, cost{head: 2}},
		{"the beginning of weights", `for f in "$M"/trainings/*/output-weights.tar; do head -c 1000 "$f" > got; done`, cost{get: 2}},
		{"ls of collections", `ls -l "$M/collections"`, cost{api: 1}},
		{"ls of a collection", `ls -l "$M/collections/official"`, cost{api: 1}},
		{"following its links", `ls -L "$M/collections/official"; ls -l "$M"/collections/official/*/prompt.txt`, cost{}},
		{"collections again", `ls -l "$M/collections" "$M/collections/official"`, cost{}},
		{"stat of a search", `stat "$M/search/flux" "$M/search/no such thing"`, cost{}},
		{"a search", `ls -l "$M/search/flux"; ls -lL "$M/search/flux"`, cost{api: 1}},
		{"the search again", `ls "$M/search/flux"; ls "$M/search"`, cost{}},
		{"names that nobody has", `for d in trainings collections collections/official search search/flux; do
			for n in .git .Trash-1000 .hidden .directory .DS_Store autorun.inf desktop.ini Thumbs.db HEAD index.html package.json; do
				test ! -e "$M/$d/$n"; done; done; test ! -e "$M/collections/nothing"; test -z "$(ls "$M"/search/*.png 2>/dev/null)"`, cost{}},
		{"an example", `ls "$M/` + painter + `/example"; cat "$M/` + painter + `/example/prompt.txt" "$M/` + painter + `/example/logs.txt"`, cost{}},
		{"its picture", `cat "$M/` + painter + `/example/output-0.webp" > got`, cost{head: 1, get: 1}},
	}
	each(t, func(t *testing.T, o mounted.Options) {
		a := servePast(t)
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, 20)
		for _, row := range rows {
			a.ResetRequests()
			output(t, m.Command("bash", "-euc", row.script))
			if got := spent(a); got != row.want {
				t.Errorf("%s costs %v, want %v\n%s%s", row.what, got, row.want, requests(a, sim.API), requests(a, sim.Delivery))
			}
		}
		if got := sh(t, m, `ls "$M/models"`); !has(got, "ostris") || !has(got, "demo") {
			t.Errorf("models has %q, want what was trained and what came of it, too", got)
		}
	})
}

// A training is followed as a prediction is, and ended as one.
func TestTrainingUnderWay(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		id := a.Add(sim.Prediction{Training: true, Model: "acme/trainer", Status: sim.Processing, Logs: "step 1\n"})
		m := a.Mount(o)
		dir := "trainings/" + id
		if got := sh(t, m, `ls "$M/trainings"; cat "$M/`+dir+`/logs.txt" "$M/`+dir+`/status"`); got != id+"\nstep 1\nprocessing\n" {
			t.Errorf("a training under way says %q", got)
		}
		a.Set(id, func(p *sim.Prediction) { p.Logs += "step 2\n" })
		if got := sh(t, m, `timeout 30 tail -n +1 -f "$M/`+dir+`/logs.txt" | head -n 2`); got != "step 1\nstep 2\n" {
			t.Errorf("tail -f shows %q", got)
		}
		sh(t, m, `echo x | tee "$M/`+dir+`/cancel"`)
		if got := sh(t, m, `cat "$M/`+dir+`/status"; ls "$M/`+dir+`"`); !strings.HasPrefix(got, "canceled\n") || has(got, "cancel") {
			t.Errorf("after cancel: %q", got)
		}
		if p, _ := a.Prediction(id); p.Status != sim.Canceled {
			t.Errorf("the training is %s at Replicate", p.Status)
		}
		if got := fails(t, m, `echo x | tee "$M/`+dir+`/status"`); !strings.Contains(got, "Permission denied") && !strings.Contains(got, "Read-only") {
			t.Errorf("writing to its status: %s", got)
		}
	})
}
