package sim

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// The same seed at the same moment is the same world, byte for byte.
func TestSameSeedSameWorld(t *testing.T) {
	look := func(t *testing.T, seed int64) (all []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, Options{Seed: seed, Past: 150})
			for _, u := range []string{"/predictions", "/models", "/trainings", "/deployments", "/collections/official", "/models/" + flux, "/webhooks/default/secret"} {
				all = append(all, s.do("GET", u, "").body...)
			}
			p := s.create(flux, `{"prompt":"a cat"}`, "Prefer", "wait")
			all = append(all, s.do("GET", p["output"].([]any)[0].(string), "").body...)
			p = s.create(llama, `{"prompt":"a story about a cat"}`, "Prefer", "wait")
			all = append(all, s.do("GET", "/predictions/"+p["id"].(string), "").body...)
			for i, r := range flat(s.walk("/predictions", "next")) {
				if i%10 == 0 {
					all = append(all, s.do("GET", "/predictions/"+r["id"].(string), "").body...)
				}
			}
		})
		return all
	}
	a := look(t, 1)
	if !bytes.Equal(a, look(t, 1)) {
		t.Error("one seed, two worlds")
	}
	if bytes.Equal(a, look(t, 2)) {
		t.Error("two seeds, one world")
	}
}

func TestPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: DemoPast})
		now := time.Now()
		rows := flat(s.walk("/predictions", "next"))
		if len(rows) != DemoPast {
			t.Fatalf("got %d rows, want %d", len(rows), DemoPast)
		}
		days, status, models := make(map[string]bool), make(map[any]int), make(map[any]int)
		readable, recent := 0, 0
		for _, r := range rows {
			at := parse(t, r["created_at"].(string))
			days[at.Format(time.DateOnly)] = true
			status[r["status"]]++
			models[r["model"]]++
			if at.After(now) {
				t.Errorf("%s is in the future", at)
			}
			if now.Sub(at) < time.Hour {
				recent++
			}
			if r["data_removed"] == false {
				readable++
			}
			if got := s.get(r); got["id"] != r["id"] || got["created_at"] != r["created_at"] || got["status"] != r["status"] {
				t.Errorf("alone it is another prediction than in the list: %v, %v", got, r)
			}
		}
		if len(days) < 5 || len(models) < 5 || recent < 3 || readable < DemoPast/2 || status["succeeded"] < DemoPast/2 {
			t.Errorf("got %d days, %d models, %d recent, %d readable, status %v: not a past to show", len(days), len(models), recent, readable, status)
		}
	})
}

func TestPastHasEverything(t *testing.T) {
	s := New(Options{Past: 3000})
	defer s.Close()
	status := make(map[Status]int)
	for i := range 3000 {
		p, ok := s.pastRow(uint64(i))
		if !ok {
			t.Fatalf("no row %d", i)
		}
		status[p.Status]++
		if r, ok := s.predictionRef(p.ID); !ok || r.kind != kindPast || r.n != uint64(i) {
			t.Fatalf("row %d has id %s, which is %+v", i, p.ID, r)
		}
		if len(p.ID) != 26 {
			t.Errorf("id %s has %d characters, want 26", p.ID, len(p.ID))
		}
		if p.Status != Aborted && (p.StartedAt.Before(p.CreatedAt) || p.CompletedAt.Before(p.StartedAt)) || p.CompletedAt.After(s.start) {
			t.Errorf("row %d: created %s, started %s, completed %s", i, p.CreatedAt, p.StartedAt, p.CompletedAt)
		}
		if i > 0 && !p.CreatedAt.Before(s.pastTime(i-1)) {
			t.Errorf("row %d is not older than the one before", i)
		}
		each(p.Output, func(f *File) {
			if r, ok := s.fileRef(f.id); !ok || r != f.ref {
				t.Errorf("file %s is %+v, want %+v", f.id, r, f.ref)
			}
		})
	}
	for _, want := range []Status{Succeeded, Failed, Canceled, Aborted} {
		if status[want] == 0 {
			t.Errorf("no %s among 3000", want)
		}
	}
	if _, ok := s.pastRow(3000); ok {
		t.Error("a row beyond the past")
	}
	if _, ok := s.predictionRef("q3v7k9x2mdrmc0cw41s8t5hzna"); ok {
		t.Error("an invented id is one of ours")
	}
}

func TestPastOfOneModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: 20, PastModel: "acme/blob"})
		for _, r := range flat(s.walk("/predictions", "next")) {
			if r["model"] != "acme/blob" {
				t.Errorf("got %v", r["model"])
			}
		}
	})
}
