package mounted_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// peak is the most memory that the program has had, in bytes.
func peak(t *testing.T, m *mounted.Mount) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

func repeat(n int, f func(i int) any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = f(i)
	}
	return list
}

// hostile are predictions that no one in his right mind makes, and how many
// names their folders have at most.
func hostile(host string) map[string]sim.Prediction {
	url := func(i int) any { return fmt.Sprintf("http://%s/xezq/%d/out.png", host, i) }
	object := func(n int, key func(i int) string) map[string]any {
		m := map[string]any{}
		for i := range n {
			m[key(i)] = url(i)
		}
		return m
	}
	inside := []any{
		"file:///etc/passwd", "http://169.254.169.254/latest", "https://10.0.0.1/x.png", "https://[::1]/x.png", "https://[::ffff:127.0.0.1]/x.png",
		"https://replicate.delivery@evil.example/x.png", "https://user:password@replicate.delivery/x.png", "https://replicate.delivery.evil.example/x.png",
		"https://replicate.delivery:22/x.png", "http://replicate.delivery/x.png", "https://0x7f000001/x.png", "https://2130706433/x.png", "gopher://replicate.delivery/",
	}
	million := 1_000_000
	if testing.Short() || mounted.Race {
		million /= 10
	}
	all := map[string]sim.Prediction{
		"a million texts":   {Output: repeat(million, func(int) any { return "t" })},
		"a million URLs":    {Output: repeat(million, url)},
		"many keys":         {Output: object(200_000, func(i int) string { return fmt.Sprint(i) })},
		"one name":          {Output: object(20_000, func(i int) string { return strings.Repeat("n", 250) + fmt.Sprint(i) })},
		"nested":            {Output: json.RawMessage(strings.Repeat(`[`, 9000) + `"x"` + strings.Repeat(`]`, 9000))},
		"a large data URI":  {Output: "data:image/png;base64," + strings.Repeat("QUJD", 10<<20)},
		"many data URIs":    {Output: repeat(1000, func(int) any { return "data:text/plain," + strings.Repeat("x", 30_000) })},
		"bad data URIs":     {Output: []any{"data:image/png;base64,*", "data:application/gzip;base64,H4sIAAAAAAAAAA==", "data:;base64,", "data:,%zz", "data:"}},
		"large logs":        {Output: "x", Logs: strings.Repeat("0123456789abcde\n", 3<<20)},
		"logs beyond":       {Output: "x", Logs: strings.Repeat("0123456789abcde\n", 5<<20)},
		"a large input":     {Output: "x", Input: json.RawMessage(`{"prompt":"` + strings.Repeat("p", 30<<20) + `"}`)},
		"URLs that lead in": {Output: inside},
	}
	if mounted.Race { // 80 MiB of logs are parsed for each look at them, ten times as slowly
		delete(all, "logs beyond")
	}
	return all
}

// Whatever a model answers, its folder can be listed and read in bounded time
// (that of every command here) and memory, nothing is fetched that is not on an
// output host, and the other predictions do not suffer.
func TestHostileOutputs(t *testing.T) {
	for name := range hostile("") {
		t.Run(name, func(t *testing.T) {
			a := serve(t)
			p := hostile(a.Server.OutputHost())[name]
			p.Model, p.Status = "acme/odd", sim.Succeeded
			id := a.Add(p)
			fine := a.Add(sim.Prediction{Model: "acme/odd", Status: sim.Succeeded, Output: "fine"})
			m := a.Mount(mounted.Options{Flags: []string{"--poll=1s", "--keep=all"}})
			if got := sh(t, m, `cat "$M/predictions/`+fine+`/output.txt"`); got != "fine" {
				t.Errorf("another prediction says %q", got)
			}
			for _, script := range []string{
				`ls -f "$F" | wc -l`,
				`ls -l "$F" 2>/dev/null | wc -l`,
				`find "$F" -name '*.txt' | head -50 | tr '\n' '\0' | xargs -0 cat 2>/dev/null | wc -c`,
				`cat "$F/prediction.json" 2>/dev/null | wc -c`,
			} {
				from := time.Now()
				cmd := m.Command("sh", "-c", script)
				cmd.Env = append(cmd.Env, "F="+m.Path("predictions", id))
				out := output(t, cmd)
				t.Logf("%8v %-40.40s %s %d MiB", time.Since(from).Round(time.Millisecond), script, strings.TrimSpace(out), peak(t, m)>>20)
			}
			if got := peak(t, m); got > 1<<30 && !mounted.Race {
				t.Errorf("it takes %d MiB of memory", got>>20)
			}
			if name == "URLs that lead in" && a.Count("", "/x.png") > 0 {
				t.Error("a URL was fetched that is not on an output host")
			}
			if got := sh(t, m, `cat "$M/predictions/`+fine+`/status"`); got != "succeeded\n" {
				t.Errorf("another prediction says %q", got)
			}
		})
	}
}
