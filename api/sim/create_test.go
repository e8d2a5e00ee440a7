package sim

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPreferWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		path, body := "/models/"+flux+"/predictions", `{"input":{"prompt":"x","num_outputs":2}}`
		begin := time.Now()
		a := s.do("POST", path, body, "Prefer", "wait")
		p := a.object(t)
		if a.status != 201 || a.header.Get("Preference-Applied") != "wait" {
			t.Errorf("got %d, applied %q; want 201, wait", a.status, a.header.Get("Preference-Applied"))
		}
		// All files are there, the run itself ends a moment later.
		if out, _ := p["output"].([]any); p["status"] != "processing" || len(out) != 2 || p["completed_at"] != nil {
			t.Errorf("got %v with %v, want processing with all of the output", p["status"], p["output"])
		}
		if d := time.Since(begin); d < 500*time.Millisecond || d > 3*time.Second {
			t.Errorf("the answer came after %v", d)
		}
		begin = time.Now()
		v := s.models.named("acme/slow").versions[0].id
		a = s.do("POST", "/predictions", `{"version":"`+v+`","input":{"seconds":30}}`, "Prefer", "wait=5")
		if p := a.object(t); a.status != 202 || p["status"] != "processing" || time.Since(begin) != 5*time.Second {
			t.Errorf("got %d %v after %v, want 202 processing after 5s", a.status, p["status"], time.Since(begin))
		}
		a = s.do("POST", "/predictions", `{"version":"`+v+`","input":{"seconds":3}}`, "Prefer", "wait=99")
		if p := a.object(t); a.status != 201 || p["status"] != "succeeded" || p["output"] != "done" {
			t.Errorf("got %d %v %v, want 201 succeeded done", a.status, p["status"], p["output"])
		}
	})
}

func TestCancelAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		p := s.create("acme/slow", `{"seconds":60}`)
		cancel := p["urls"].(map[string]any)["cancel"].(string)
		time.Sleep(3 * time.Second)
		p = s.want(200, "POST", cancel, "")
		if p["status"] != "canceled" || p["completed_at"] == nil || p["metrics"].(map[string]any)["predict_time"] != 2.0 {
			t.Errorf("canceled: got %v with metrics %v", p["status"], p["metrics"])
		}
		again := s.want(200, "POST", cancel, "")
		if again["completed_at"] != p["completed_at"] {
			t.Errorf("canceling twice moved the end from %v to %v", p["completed_at"], again["completed_at"])
		}
		s.want(404, "POST", "/predictions/none/cancel", "")

		running := s.create("acme/slow", `{"seconds":60}`, "Cancel-After", "10")
		queued := s.create("acme/slow", `{"seconds":60,"boot":100}`, "Cancel-After", "0m10s")
		if running["deadline"] == nil {
			t.Error("no deadline in the answer")
		}
		time.Sleep(11 * time.Second)
		if got := s.get(running); got["status"] != "canceled" || got["started_at"] == nil || got["deadline"] == nil {
			t.Errorf("deadline of a run: got %v, started %v; want canceled", got["status"], got["started_at"])
		}
		if got := s.get(queued); got["status"] != "aborted" || got["started_at"] != nil {
			t.Errorf("deadline before the start: got %v, started %v; want aborted, never", got["status"], got["started_at"])
		}
		long := s.create("acme/slow", `{"seconds":7200}`)
		time.Sleep(31 * time.Minute)
		if got := s.get(long); got["status"] != "failed" {
			t.Errorf("after half an hour: got %v, want failed", got["status"])
		}
	})
}

// get is the prediction as it is now.
func (s *tester) get(p map[string]any) map[string]any {
	s.t.Helper()
	return s.want(200, "GET", "/predictions/"+p["id"].(string), "")
}

func TestShapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		a := s.do("POST", "/models/"+flux+"/predictions", `{"input":{"prompt":"x","seed":12345678901234567,"num_outputs":1}}`)
		live := keys(t, a.body)
		if got, want := strings.Join(live, " "), "id model version input logs output data_removed error source status created_at urls"; got != want {
			t.Errorf("live: got %s\nwant %s", got, want)
		}
		if !strings.Contains(string(a.body), `"input":{"prompt":"x","seed":12345678901234567,"num_outputs":1}`) {
			t.Errorf("the input is not as it was sent: %s", a.body)
		}
		p := a.object(t)
		urls := p["urls"].(map[string]any)
		if p["version"] != "hidden" || !strings.HasPrefix(urls["stream"].(string), "https://stream.replicate.com/v1/files/") ||
			urls["web"] != "https://replicate.com/p/"+p["id"].(string) {
			t.Errorf("got version %v, urls %v", p["version"], urls)
		}
		time.Sleep(5 * time.Second)
		a = s.do("GET", urls["get"].(string), "")
		row := keys(t, a.body)
		if got, want := strings.Join(row, " "), "completed_at created_at data_removed error id input logs metrics model output source started_at status urls version webhook"; got != want {
			t.Errorf("database: got %s\nwant %s", got, want)
		}
		if !strings.Contains(string(a.body), `"input":{"num_outputs":1,"prompt":"x","seed":12345678901234567}`) {
			t.Errorf("the input is not sorted: %s", a.body)
		}
		item := s.want(200, "GET", "/predictions", "")["results"].([]any)[0].(map[string]any)
		if _, ok := item["logs"]; ok {
			t.Error("list items have logs")
		}
	})
}

// keys are the keys of an object in their order.
func keys(t *testing.T, body []byte) (all []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(body)))
	depth := 0
	for expect := false; ; {
		tok, err := d.Token()
		if err != nil {
			return all
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
			expect = depth == 1
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			expect = depth == 1
			continue
		}
		if depth == 1 {
			if expect {
				all = append(all, tok.(string))
			}
			expect = !expect
		}
	}
}

// Data of API predictions is removed an hour after their end; all variants of
// what is left occur. Web ones stay.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: 400})
		inputs, logs := make(map[string]bool), make(map[string]bool)
		kept, gone := 0, 0
		for _, r := range flat(s.walk("/predictions", "next")) {
			end := parse(t, r["completed_at"].(string))
			old := !time.Now().Before(end.Add(time.Hour))
			if want := r["source"] == "api" && old; r["data_removed"] != want {
				t.Errorf("%v of %s: removed %v, want %v", r["source"], end, r["data_removed"], want)
			}
			if r["data_removed"] != true {
				kept++
				continue
			}
			gone++
			one := s.get(r)
			in, _ := json.Marshal(one["input"])
			lg, has := one["logs"]
			l, _ := json.Marshal(lg)
			if !has {
				l = []byte("none")
			}
			inputs[string(in)], logs[string(l)] = true, true
			if one["output"] != nil || one["data_removed"] != true {
				t.Errorf("removed: got output %v", one["output"])
			}
		}
		if kept == 0 || gone == 0 || len(inputs) != 2 || len(logs) != 2 {
			t.Errorf("got %d kept, %d gone, inputs %v, logs %v; want some of each", kept, gone, inputs, logs)
		}
		web := s.Add(Prediction{Model: flux, Source: "web", Status: Succeeded, Output: NewFile("a.txt", []byte("a"))})
		api := s.Add(Prediction{Model: flux, Status: Succeeded, Output: NewFile("a.txt", []byte("a"))})
		u := s.want(200, "GET", "/predictions/"+api, "")["output"].(string)
		s.Advance(time.Hour - time.Second)
		if a := s.do("GET", u, ""); a.status != 200 {
			t.Errorf("file before the hour is over: got %d", a.status)
		}
		s.Advance(time.Second)
		if a := s.do("GET", u, ""); a.status != 404 || !strings.Contains(string(a.body), "NoSuchKey") {
			t.Errorf("file after the hour: got %d %s", a.status, a.body)
		}
		if got := s.want(200, "GET", "/predictions/"+web, "")["output"]; got == nil {
			t.Error("the output of a web prediction is gone")
		}
	})
}

// Every model runs, with what it takes as an example of its inputs, and what
// comes out can be fetched.
func TestEveryModelRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Limits: Limits{Create: -1, Other: -1}})
		for _, m := range s.models.public() {
			name := m.fullName()
			if name == "acme/puppet" {
				continue
			}
			in, err := json.Marshal(m.sample(random(1)))
			if err != nil {
				t.Fatal(err)
			}
			p := s.create(name, string(in))
			time.Sleep(30 * time.Second)
			p = s.get(p)
			want := "succeeded"
			if name == "acme/broken" {
				want = "failed"
			}
			if p["status"] != want {
				t.Errorf("%s: got %v (%v), want %s", name, p["status"], p["error"], want)
				continue
			}
			id := p["id"].(string)
			full, _ := s.Prediction(id)
			if m.official || strings.HasPrefix(name, "acme/") {
				each(full.Output, func(f *File) {
					u := bases{output: "https://replicate.delivery"}.url(f)
					head := s.do("HEAD", u, "")
					a := s.do("GET", u, "")
					if a.status != 200 || head.header.Get("Content-Length") != a.header.Get("Content-Length") || head.header.Get("Etag") != a.header.Get("Etag") {
						t.Errorf("%s: %s: GET %d %v, HEAD %v", name, u, a.status, a.header, head.header)
					}
				})
			}
		}
	})
}

func TestSetScriptsTheWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: 3})
		p := s.create("acme/puppet", `{}`)
		id := p["id"].(string)
		time.Sleep(time.Hour)
		if p = s.get(p); p["status"] != "starting" {
			t.Errorf("a puppet moved: %v", p["status"])
		}
		s.Set(id, func(p *Prediction) { p.Status, p.Logs, p.Output = Processing, "one\n", []any{"a"} })
		if p = s.get(p); p["status"] != "processing" || p["logs"] != "one\n" || p["started_at"] == nil {
			t.Errorf("got %v %v started %v", p["status"], p["logs"], p["started_at"])
		}
		s.Set(id, func(p *Prediction) {
			p.Status, p.Output = Succeeded, map[string]any{"f": NewFile("x y.txt", []byte("hello"))}
		})
		p = s.get(p)
		u := p["output"].(map[string]any)["f"].(string)
		if a := s.do("GET", u, ""); string(a.body) != "hello" || !strings.HasSuffix(u, "/x%20y.txt") {
			t.Errorf("%s: got %q", u, a.body)
		}
		row := flat(s.walk("/predictions", "next"))[2]
		s.Set(row["id"].(string), func(p *Prediction) { p.DataRemoved = true })
		list := flat(s.walk("/predictions", "next"))
		if len(list) != 4 || list[2]["id"] != row["id"] || list[2]["data_removed"] != true {
			t.Errorf("a changed row of the past: got %d entries, removed %v", len(list), list[2]["data_removed"])
		}
		if s.Set("nobody", func(*Prediction) {}) {
			t.Error("Set found a prediction that is not there")
		}
	})
}
