package catalog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unique"
)

// TestSnapshot compares the index with a plain map through many random changes,
// and looks at snapshots from before again at the end.
func TestSnapshot(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 0))
	rows := map[string]*row{}
	random := func() *row {
		k := kind{model: fmt.Sprintf("acme/m%d", rnd.IntN(5)), status: []string{"starting", "processing", "succeeded"}[rnd.IntN(3)]}
		if rnd.IntN(4) == 0 {
			k.deployment = "acme/d"
		}
		if rnd.IntN(50) == 0 {
			k = kind{} // an object that leaves everything out
		}
		r := &row{id: fmt.Sprintf("p%04d", rnd.IntN(4000)), created: int64(rnd.IntN(1000)), kind: unique.Make(k)}
		if k.status == "succeeded" {
			r.flags = done
		}
		return r
	}
	type moment struct {
		snap *snapshot
		rows []*row // by id
	}
	now := func(s *snapshot) moment {
		var all []*row
		for _, r := range rows {
			all = append(all, r)
		}
		slices.SortFunc(all, func(a, b *row) int { return compare(lessID, a, b) })
		return moment{s, all}
	}

	s := newSnapshot(0, nil)
	moments := []moment{now(s)}
	for batch := range 300 {
		changes := map[string]*row{}
		for range 1 + rnd.IntN(60) {
			r := random()
			changes[r.id], rows[r.id] = r, r
		}
		s = s.with(changes)
		if batch%30 == 0 {
			moments = append(moments, now(s))
		}
	}
	moments = append(moments, now(s), moment{newSnapshot(0, now(s).rows), now(s).rows})

	for i, m := range moments {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			check := func(name string, got sorted, want []*row) {
				t.Helper()
				if all := slices.Collect(got.all()); !slices.Equal(all, want) || got.n != len(want) {
					t.Errorf("%s: %d rows (n %d), want %d, or another order", name, len(all), got.n, len(want))
				}
			}
			check("by id", m.snap.byID, m.rows)
			byCreated := slices.Clone(m.rows)
			slices.SortFunc(byCreated, func(a, b *row) int { return compare(newer, a, b) })
			check("by created", m.snap.byCreated, byCreated)
			check("unfinished", m.snap.unfinished, slices.DeleteFunc(slices.Clone(m.rows), func(r *row) bool { return r.flags&done != 0 }))
			for name, groups := range map[string]struct {
				got map[string]group
				of  func(kind) string
			}{
				"models":      {m.snap.models, func(k kind) string { return k.model }},
				"statuses":    {m.snap.statuses, func(k kind) string { return k.status }},
				"deployments": {m.snap.deployments, func(k kind) string { return k.deployment }},
			} {
				want := map[string][]*row{}
				for _, r := range m.rows {
					if g := groups.of(r.kind.Value()); g != "" {
						want[g] = append(want[g], r)
					}
				}
				if len(groups.got) != len(want) {
					t.Errorf("%s: %d groups, want %d", name, len(groups.got), len(want))
				}
				for g, rows := range want {
					check(name+" "+g, groups.got[g].sorted, rows)
					newest := slices.MinFunc(rows, func(a, b *row) int { return compare(newer, a, b) })
					if groups.got[g].newest != newest {
						t.Errorf("%s %s: newest %+v, want %+v", name, g, groups.got[g].newest, newest)
					}
				}
			}
			for _, r := range m.rows {
				if got := m.snap.row(r.id); got != r {
					t.Fatalf("row %s is %+v, want %+v", r.id, got, r)
				}
			}
			for _, id := range []string{"", "o", "p0000x", "q"} {
				if got := m.snap.row(id); got != nil {
					t.Errorf("row %q is %+v, want none", id, got)
				}
			}
		})
	}
}

func TestSortedCut(t *testing.T) {
	var rows []*row
	for i := range 5000 {
		rows = append(rows, &row{id: fmt.Sprintf("%05d", i)})
	}
	l := newSorted(lessID, rows).edit()
	rand.New(rand.NewPCG(2, 0)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for i, r := range rows {
		l.cut(r)
		l.cut(r) // nothing left to cut
		if l.n != len(rows)-i-1 {
			t.Fatalf("%d rows after cutting %d of %d", l.n, i+1, len(rows))
		}
	}
	if len(l.leaves) != 0 || l.first() != nil {
		t.Errorf("%d leaves left", len(l.leaves))
	}
	l.put(rows[0])
	if l.first() != rows[0] || l.n != 1 {
		t.Errorf("first is %v of %d, want %v of 1", l.first(), l.n, rows[0])
	}
}

func TestBetween(t *testing.T) {
	c := open(t, t.TempDir())
	defer shut(t, c)
	day := func(n int) time.Time { return sampleStart.AddDate(0, 0, n) }
	for n := range 10 {
		put(t, c, Record{Prediction: Prediction{ID: fmt.Sprint("p", n), Created: day(n)}})
	}
	put(t, c, Record{Prediction: Prediction{ID: "untold"}})
	for _, test := range []struct {
		from, to time.Time
		want     []string
	}{
		{day(2), day(4), []string{"p3", "p2"}},
		{day(2).Add(1), day(4).Add(1), []string{"p4", "p3"}},
		{day(-5), day(1), []string{"p0"}},
		{day(9), day(20), []string{"p9"}},
		{day(20), day(30), nil},
		{day(4), day(2), nil},
	} {
		var got []string
		for p := range c.Between(test.from, test.to) {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("between %s and %s: %v, want %v", test.from, test.to, got, test.want)
		}
	}
	if got, want := c.Newest(), day(9); got != want {
		t.Errorf("newest is %s, want %s", got, want)
	}
}

func compare(less func(a, b *row) bool, a, b *row) int {
	switch {
	case less(a, b):
		return -1
	case less(b, a):
		return 1
	}
	return 0
}
