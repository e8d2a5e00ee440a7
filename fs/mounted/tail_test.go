package mounted_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// follow runs tail -f on a file of the mount, from its beginning, until the end
// of the test. It returns what tail has shown so far.
func follow(t *testing.T, m *mounted.Mount, path string) (shown func() string) {
	t.Helper()
	name := filepath.Join(m.Work, "tail-"+filepath.Base(path))
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	tail := m.Command("tail", "-n", "+1", "-s", "0.05", "-f", path)
	tail.Stdout = out
	if err := tail.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		tail.Process.Kill()
		tail.Wait()
		out.Close()
	})
	return func() string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// puppetRun starts a run that does what the test says, and returns its id.
func puppetRun(t *testing.T, m *mounted.Mount) string {
	t.Helper()
	return strings.TrimSpace(sh(t, m, `echo x | tee "$M/`+puppet+`/prompt.txt" >/dev/null; basename "$(readlink "$M/`+puppet+`/latest")"`))
}

// add has a puppet say one more token.
func add(m *mounted.Mount, id, token string) {
	m.Set(id, func(p *sim.Prediction) {
		p.Status = sim.Processing
		list, _ := p.Output.([]any)
		p.Output = append(append([]any(nil), list...), token)
	})
}

// Tokens show in output.txt as they are said, although no read of the
// prediction is answered, and the end is what a read tells.
func TestTailFollowsTokens(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		o.Flags = []string{"--poll=1h", "--wait=0"}
		m := serveSlow(t).Mount(o)
		id := puppetRun(t, m)
		dir := m.Path("predictions", id)
		if got := sh(t, m, `cd "`+dir+`"; ls; cat status; cat output.txt 2>/dev/null || true`); has(got, "output.txt") || !has(got, "starting") {
			t.Errorf("before the first word: %s", got)
		}
		add(m, id, "Once")
		cat := func() string { return sh(t, m, `cat "`+dir+`/output.txt" 2>/dev/null || true`) }
		mounted.Until(t, "the first word shows", func() bool { return cat() == "Once" })
		mounted.Until(t, "the status shows", func() bool { return sh(t, m, `cat "`+dir+`/status"`) == "processing\n" })

		hold := make(chan struct{})
		deaf := m.Inject(sim.Fault{Host: sim.API, Method: http.MethodGet, Path: "/v1/predictions/*", Hold: hold, Times: -1})
		shown := follow(t, m, dir+"/output.txt")
		text := "Once"
		for _, token := range []string{" upon", "  a", "\n", "\n\n time", " ", "there: was\n", "é", "\t", "Once", "Once"} {
			add(m, id, token)
			text += token
			mounted.Until(t, "tail shows the next word", func() bool { return shown() == text })
			if got := cat(); got != text {
				t.Errorf("cat shows %q, want %q", got, text)
			}
			want := fmt.Sprintf("%d\n", len(text))
			if got := sh(t, m, `stat -c %s "`+dir+`/output.txt"; ls "`+dir+`"`); !strings.HasPrefix(got, want) || !has(got, "output.txt") {
				t.Errorf("it is listed as %q, want the size %s", got, want)
			}
		}
		deaf.Stop()
		close(hold)
		m.Set(id, func(p *sim.Prediction) {
			p.Status = sim.Succeeded
			p.Output = append(p.Output.([]any), " the end")
		})
		text += " the end"
		mounted.Until(t, "it has ended", func() bool { return sh(t, m, `cat "`+dir+`/status"`) == "succeeded\n" })
		mounted.Until(t, "tail shows the end", func() bool { return shown() == text })
		if got := cat(); got != text {
			t.Errorf("the whole text is %q, want %q", got, text)
		}
	})
}

// What a stream leaves out or says twice does not stay: what the prediction
// tells in the end is what is there, and who follows has it all, once.
func TestTailThroughFaults(t *testing.T) {
	for name, faults := range map[string][]sim.Fault{
		"whole":            nil,
		"cut":              {{CutAfter: 2000, Times: 3}},
		"cut and replayed": {{CutAfter: 1500, Times: 1}, {CutAfter: 3000, Times: 1, Replay: true}, {Replay: true, Times: -1}},
		"without ids":      {{CutAfter: 2000, Times: 2, NoIDs: true}, {NoIDs: true, Times: -1}},
		"stalled":          {{StallAfter: 700, StallFor: time.Second}},
		"deleted": {{CutAfter: 1000}, {Status: 200, Body: ":408: 408 Request Timeout\n\n", Times: -1,
			Header: http.Header{"Content-Type": {"text/event-stream"}}}},
		"never there": {{Status: 404, Times: -1}},
		"bare done":   {{BareDone: true, Times: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := mounted.Serve(t, sim.Options{Speed: 0.5})
			m := a.Mount(mounted.Options{Flags: []string{"--poll=1h", "--wait=0"}})
			for _, f := range faults {
				f.Host = sim.Stream
				a.Inject(f)
			}
			id := strings.TrimSpace(sh(t, m, `echo "Tell me a story about a fox" | tee "$M/`+talker+`/prompt.txt" >/dev/null; basename "$(readlink "$M/`+talker+`/latest")"`))
			dir := m.Path("predictions", id)
			mounted.Until(t, "there is text", func() bool {
				return m.Command("test", "-s", dir+"/output.txt").Run() == nil
			})
			shown := follow(t, m, dir+"/output.txt")
			before := ""
			mounted.Until(t, "it has ended", func() bool {
				now := shown()
				if !strings.HasPrefix(now, before) {
					t.Fatalf("tail took back %q for %q", before, now)
				}
				before = now
				return sh(t, m, `cat "`+dir+`/status"`) == "succeeded\n"
			})
			var want string
			var parts []string
			if err := json.Unmarshal([]byte(sh(t, m, `cat "`+dir+`/output.json"`)), &parts); err != nil {
				t.Fatal(err)
			}
			want = strings.Join(parts, "")
			if got := sh(t, m, `cat "`+dir+`/output.txt"`); got != want || want == "" {
				t.Errorf("the text is\n%q, the output\n%q", got, want)
			}
			mounted.Until(t, "tail shows all of it", func() bool { return len(shown()) >= len(want) })
			if got := shown(); got != want {
				t.Errorf("tail showed\n%q, the output is\n%q", got, want)
			}
		})
	}
}

// A stream that is wrong gives way to what the prediction tells.
func TestTailMended(t *testing.T) {
	t.Parallel()
	m := serveSlow(t).Mount(mounted.Options{Flags: []string{"--poll=1h", "--wait=0"}})
	id := puppetRun(t, m)
	add(m, id, "Once")
	add(m, id, " apun")
	text := func() string { return sh(t, m, `cat "$M/predictions/`+id+`/output.txt" 2>/dev/null || true`) }
	mounted.Until(t, "the text shows", func() bool { return text() == "Once apun" })
	m.Set(id, func(p *sim.Prediction) { p.Output = []any{"Once", " upon"} }) // no event says so
	m.Set(id, func(p *sim.Prediction) { p.Logs = "mended\n" })               // a reason to read
	mounted.Until(t, "it is mended", func() bool { return text() == "Once upon" })
	add(m, id, " a time")
	mounted.Until(t, "it goes on", func() bool { return text() == "Once upon a time" })
	m.Set(id, func(p *sim.Prediction) { p.Status = sim.Succeeded; p.Output = "Twice" })
	mounted.Until(t, "the end holds", func() bool { return text() == "Twice" })
}

// Files of a list come one by one into the folder, the newest run's link and
// a listing that was made before.
func TestListGrows(t *testing.T) {
	t.Parallel()
	now := time.Now() // time passes when the test says so
	a := mounted.Serve(t, sim.Options{Speed: 1, Now: func() time.Time { return now }, Limits: sim.Limits{Create: -1, Other: -1}})
	m := a.Mount(mounted.Options{Flags: []string{"--poll=1h", "--wait=0"}})
	sh(t, m, `printf '{"prompt": "a fox", "count": 4}' | tee "$M/models/acme/gallery/input.json" >/dev/null`)
	latest := `"$M/models/acme/gallery/latest/"`
	id := latestID(t, m, "models/acme/gallery")
	for n := 1; n <= 4; n++ {
		mounted.Until(t, "one more is made", func() bool {
			a.Advance(50 * time.Millisecond)
			p, _ := a.Prediction(id)
			made, _ := p.Output.([]any)
			return len(made) == n
		})
		mounted.Until(t, "it is listed", func() bool {
			names := sh(t, m, `ls `+latest)
			if has(names, "output.txt") {
				t.Fatal("URLs of files became a text")
			}
			return strings.Count(names, "output-") == n
		})
	}
	a.Advance(time.Minute)
	mounted.Until(t, "it has ended", func() bool { return sh(t, m, `cat `+latest+`status`) == "succeeded\n" })
	sh(t, m, `cd `+latest+`; for i in 0 1 2 3; do test -s output-$i.webp || test -s output-$i.png; done`)
}
