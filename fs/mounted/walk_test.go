package mounted_test

import (
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// A walk through the whole mount, with or without sizes, asks once for what it
// does not know, and then for nothing: not the second time, and not after a
// remount. What belongs to the account and may have grown elsewhere, three
// lists, is asked for as the news is, whatever there is in them.
func TestEconomyOfWalks(t *testing.T) {
	walks := []struct{ what, script string }{
		{"find", `find "$M" > list`},
		{"find with sizes", `find "$M" -size +1k > list`},
		{"ls -lR", `ls -lR "$M" > list`},
	}
	each(t, func(t *testing.T, o mounted.Options) {
		a := mounted.Serve(t, sim.Options{Past: 30, Account: "you", Limits: sim.Limits{Create: -1, Other: -1}})
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, 30)
		sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt" > /dev/null`)
		for _, walk := range walks {
			sh(t, m, walk.script)
		}
		kept(t, m, 1)
		a.ResetRequests()
		for _, walk := range walks {
			sh(t, m, walk.script)
		}
		if got, want := spent(a), (cost{}); got != want {
			t.Errorf("the second walks cost %v, want %v\n%s%s", got, want, requests(a, sim.API), requests(a, sim.Delivery))
		}

		m.Stop()
		a.ResetRequests()
		m.Remount()
		mounted.Until(t, "the news is asked for", func() bool { return a.Count("GET", "/v1/predictions") > 0 })
		for _, walk := range walks {
			sh(t, m, walk.script)
		}
		asked := map[string]int{}
		for _, r := range a.Requests() {
			asked[r.Method+" "+r.Path]++
		}
		for _, news := range []string{"account", "predictions", "deployments", "files", "trainings"} {
			if n := asked["GET /v1/"+news]; n > 1 {
				t.Errorf("after a remount %s was asked for %d times", news, n)
			}
			delete(asked, "GET /v1/"+news)
		}
		if len(asked) > 0 {
			t.Errorf("after a remount the walks cost also %v", asked)
		}
	})
}
