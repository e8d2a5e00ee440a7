package mounted_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// refuses runs the program, which must end with that status, and returns all
// that it says.
func refuses(t *testing.T, m *mounted.Mount, status int, args ...string) string {
	t.Helper()
	out, err := program(t, m, args...).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != status {
		t.Fatalf("replicatefs %s: %v, want exit status %d\n%s", strings.Join(args, " "), err, status, out)
	}
	return string(out)
}

// status is what status --json says.
type status struct {
	Mounts []struct {
		Dir   string
		Error string
		Stats json.RawMessage
	}
}

func statusOf(t *testing.T, out []byte) status {
	t.Helper()
	var s status
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("status says %q: %v", out, err)
	}
	return s
}

// status and stats.json say the same of a mount, by whatever path it is named.
func TestStatus(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := mounted.Serve(t, sim.Options{Past: 7})
		o.Flags = []string{"--poll=1h"}
		m := a.Mount(o)
		ready(t, m)
		if got := output(t, program(t, m, "status")); !strings.Contains(got, m.Dir+": the account demo at http://127.0.0.1:") || !strings.Contains(got, "7 known, the whole list is read") {
			t.Errorf("status says\n%s", got)
		}
		sh(t, m, `ln -s "$M" link; mkdir sub; ln -s ../link/predictions sub/far`)
		for _, path := range []string{m.Dir, m.Dir + "/", m.Path("README.md"), m.Path("no", "such"), "link", "./sub/../link/models", "sub/far", filepath.Join(m.Work, "sub/far")} {
			got := statusOf(t, []byte(output(t, program(t, m, "status", "--json", path))))
			if len(got.Mounts) != 1 || got.Mounts[0].Dir != m.Dir {
				t.Errorf("status %s is of %+v, want %s", path, got.Mounts, m.Dir)
			}
		}
		inside := program(t, m, "status", "--json", "models")
		inside.Dir = m.Dir
		if o.User && os.Geteuid() == 0 { // only the user may enter
			inside = m.Command("sh", "-c", `cd "$M" && exec "$0" status --json models`, mounted.Program(t))
		}
		said := statusOf(t, []byte(output(t, inside)))
		var fromCommand, fromFile map[string]any
		if err := json.Unmarshal(said.Mounts[0].Stats, &fromCommand); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(sh(t, m, `cat "$M/.replicatefs/stats.json"`)), &fromFile); err != nil {
			t.Fatal(err)
		}
		for _, stats := range []map[string]any{fromCommand, fromFile} {
			delete(stats["mount"].(map[string]any), "handles") // of who has just looked
			delete(stats["mount"].(map[string]any), "nodes")
			delete(stats["cache"].(map[string]any), "disk_free") // of a disk that others use too
			delete(stats["cache"].(map[string]any), "kept_free")
		}
		if !reflect.DeepEqual(fromCommand, fromFile) {
			t.Errorf("the command says\n%v\nand the file\n%v", fromCommand, fromFile)
		}
		for path, want := range map[string]string{"/tmp": "on no mounted account of yours", "sub": "on no mounted account", "nothing/here": "there is no "} {
			if got := refuses(t, m, 1, "status", path); !strings.Contains(got, want) {
				t.Errorf("status %s says %q, want something with %q", path, got, want)
			}
		}
		m.Stop()
		if left := sh(t, m, `find .local -type f -o -type s`); left != "" {
			t.Errorf("the mount left %s", left)
		}
		if got := refuses(t, m, 1, "status", m.Dir); !strings.Contains(got, "on no mounted account") {
			t.Errorf("after the end status says %q", got)
		}
	})
}

// A program that does not answer holds up no command; one that was killed is
// forgotten, and its place can be taken.
func TestStatusOfHungMount(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		m := serve(t).Mount(o)
		ready(t, m)
		m.Signal(syscall.SIGSTOP)
		for _, args := range [][]string{{"status", m.Dir}, {"wait", m.Path("models", "a", "b")}, {"cache", "stats", m.Dir}} {
			if got := refuses(t, m, 1, args...); !strings.Contains(got, "does not answer") {
				t.Errorf("%v says %q", args, got)
			}
		}
		m.Signal(syscall.SIGCONT)
		output(t, program(t, m, "status", m.Dir))

		m.Kill()
		if got := refuses(t, m, 1, "status", m.Dir); !strings.Contains(got, "killed") {
			t.Errorf("after a kill status says %q", got)
		}
		if got := output(t, program(t, m, "status")); !strings.Contains(got, m.Dir+": its program was killed: mount there again") {
			t.Errorf("after a kill status of all says %q", got)
		}
		if left := sh(t, m, `find .local -type f -o -type s`); left != "" {
			t.Errorf("status left %s of a killed mount", left)
		}
		m.Remount()
		output(t, program(t, m, "status", m.Dir))
	})
}

// Nobody else gets through to a mount, not even where the folder of its socket
// was opened.
func TestControlIsPrivate(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	m := serve(t).Mount(mounted.Options{})
	ready(t, m)
	stranger := func() string {
		cmd := program(t, m, "status", m.Dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("a stranger is told %s", out)
		}
		return string(out)
	}
	stranger()
	sh(t, m, `chmod -R a+rwX . ; chmod 0777 .local/share/replicatefs/mounts/*`)
	if got := stranger(); !strings.Contains(got, "does not answer") {
		t.Errorf("a stranger at the socket is told %q", got)
	}
	mounted.Until(t, "the log tells", func() bool { return strings.Contains(m.Log(), "another user tried to reach the mount") })
}

// wait ends with the run, whatever path leads to it.
func TestWaitCommand(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		o.Flags = []string{"--poll=1h", "--wait=0"}
		m := serveSlow(t).Mount(o)
		ids := []string{puppetRun(t, m), puppetRun(t, m)}
		paths := []string{m.Path("predictions", ids[0]), m.Path("predictions", ids[0], "status"), m.Path(puppet), m.Path(puppet, "latest"), m.Path(puppet, "prompt.txt")}
		wait := program(t, m, append([]string{"wait"}, paths...)...)
		var said strings.Builder
		wait.Stdout, wait.Stderr = &said, &said
		if err := wait.Start(); err != nil {
			t.Fatal(err)
		}
		if got := refuses(t, m, 1, "wait", "--timeout=100ms", paths[0]); !strings.Contains(got, "goes on") {
			t.Errorf("after its time wait says %q", got)
		}
		for _, id := range ids {
			m.Set(id, func(p *sim.Prediction) { p.Status, p.Output = sim.Succeeded, "x" })
		}
		if err := wait.Wait(); err != nil {
			t.Errorf("wait: %v\n%s", err, said.String())
		}
		for _, path := range paths {
			if !has(said.String(), "succeeded\t"+path) {
				t.Errorf("wait says nothing of %s:\n%s", path, said.String())
			}
		}
		// What has ended needs no waiting, and failures are told.
		m.Set(puppetRun(t, m), func(p *sim.Prediction) { p.Status, p.Error = sim.Failed, "no\nluck" })
		if got := refuses(t, m, 1, "wait", m.Path(puppet), paths[0]); !has(got, "failed\t"+m.Path(puppet)+"\tno luck") || !has(got, "succeeded\t"+paths[0]) {
			t.Errorf("wait says %q", got)
		}
		for _, path := range []string{"", "README.md", "models", "predictions", "models/acme/blob"} {
			if got := refuses(t, m, 1, "wait", m.Path(path)); !strings.Contains(got, "no run") {
				t.Errorf("wait %q says %q", path, got)
			}
		}
		// An interrupt ends the waiting, not the run.
		id := puppetRun(t, m)
		wait = program(t, m, "wait", m.Path(puppet))
		if err := wait.Start(); err != nil {
			t.Fatal(err)
		}
		asked := m.Count(http.MethodGet, "/v1/predictions/*")
		wait.Process.Signal(os.Interrupt)
		if err := wait.Wait(); err == nil {
			t.Error("an interrupted wait succeeds")
		}
		mounted.Until(t, "the run is still watched", func() bool { return m.Count(http.MethodGet, "/v1/predictions/*") > asked })
		if got := sh(t, m, `cat "$M/predictions/`+id+`/status"`); got != "starting\n" {
			t.Errorf("the run is %q after an interrupted wait", got)
		}
	})
}

// A save that was refused has no run, and wait says why.
func TestWaitForRefusedSave(t *testing.T) {
	t.Parallel()
	m := serve(t).Mount(mounted.Options{})
	fails(t, m, `echo '{"prompt": ' | tee "$M/`+painter+`/input.json"`)
	if got := refuses(t, m, 1, "wait", m.Path(painter)); !strings.Contains(got, "not valid JSON") {
		t.Errorf("wait says %q", got)
	}
}

// url prints what curl can read, and says what Replicate has deleted.
func TestURLCommand(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		o.Flags = []string{"--poll=1s"}
		m := serve(t).Mount(o)
		sh(t, m, `printf '{"prompt": "a fox", "num_outputs": 2, "output_format": "png"}' | tee "$M/`+painter+`/input.json"`)
		all := strings.Fields(output(t, program(t, m, "url", m.Path(painter, "latest"))))
		one := strings.TrimSpace(output(t, program(t, m, "url", m.Path(painter, "latest", "output-1.png"))))
		if len(all) != 2 || one != all[1] {
			t.Fatalf("the URLs are %q, that of the second %q", all, one)
		}
		resp, err := http.Get(one)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %v, %v", one, resp, err)
		} else {
			resp.Body.Close()
		}
		for _, path := range []string{"README.md", painter + "/latest/prompt.txt", painter + "/latest/output-7.png"} {
			refuses(t, m, 1, "url", m.Path(path))
		}
		m.Advance(2 * time.Hour)
		mounted.Until(t, "the list tells of the end of the hour", func() bool { return program(t, m, "url", m.Path(painter, "latest")).Run() != nil })
		for _, path := range []string{"", "output-1.png"} {
			if got := refuses(t, m, 1, "url", m.Path(painter, "latest", path)); !strings.Contains(got, "Replicate has deleted it") || strings.Contains(got, "http") {
				t.Errorf("after the hour url %q says %q", path, got)
			}
		}
	})
}

// What was fetched is read without a request, what is kept outlives a clear,
// and what is forgotten is gone.
func TestFetchCommand(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		id, path := addBlob(a, 3_000_000)
		kept, keptPath := addBlob(a, 2_000_000)
		m := a.Mount(o)
		ready(t, m)
		if got := output(t, program(t, m, "fetch", m.Path("predictions", id))); got != "1 file here, 2.9 MiB\n" {
			t.Errorf("fetch says %q", got)
		}
		output(t, program(t, m, "fetch", "--keep", m.Path("by-status", "succeeded", kept)))
		refuses(t, m, 1, "fetch", m.Path("predictions", "nothing"))
		deaf := a.Inject(sim.Fault{Host: sim.Delivery, Status: 500, Times: -1})
		sh(t, m, `cat "$M/`+path+`" "$M/`+keptPath+`" >/dev/null`)
		if n := deaf.Fired(); n > 0 {
			t.Errorf("%d requests for what was here", n)
		}
		unused(t, m)
		if got := output(t, program(t, m, "cache", "clear", m.Dir)); !strings.Contains(got, "1 file kept") {
			t.Errorf("clear says %q", got)
		}
		sh(t, m, `cat "$M/`+keptPath+`" >/dev/null`)
		m.Remount() // what the kernel and the memory have goes with the mount
		sh(t, m, `cat "$M/`+keptPath+`" >/dev/null`)
		fails(t, m, `cat "$M/`+path+`" >/dev/null`)
		output(t, program(t, m, "cache", "forget", m.Path(keptPath)))
		m.Remount()
		fails(t, m, `cat "$M/`+keptPath+`" >/dev/null`)
	})
}

// unused waits until a mount has let go of what was read: the kernel tells it of
// the end some time after close().
func unused(t *testing.T, m *mounted.Mount) {
	t.Helper()
	mounted.Until(t, "nothing is in use", func() bool {
		s := statsOf(t, m).Cache
		return s.Readers == 0 && s.Objects == 0
	})
}

// The cache is looked after with a mount and without, with the same result.
func TestCacheCommands(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		for _, mountedThen := range []bool{true, false} {
			a := serve(t)
			id, path := addBlob(a, 3_000_000)
			m := a.Mount(o)
			ready(t, m)
			output(t, program(t, m, "fetch", m.Path("predictions", id)))
			if !mountedThen {
				m.Stop()
			}
			cache := func(what string) string {
				return output(t, program(t, m, "cache", what, "--cache-dir="+m.Data))
			}
			if got := cache("stats"); !strings.Contains(got, "2.9 MiB cached of 10 GiB") || strings.Contains(got, "mounted") != mountedThen {
				t.Errorf("stats says %q", got)
			}
			if got := cache("verify"); !strings.Contains(got, "1 file looked at") || strings.Contains(got, "damaged") {
				t.Errorf("verify says %q", got)
			}
			// A bit that the disk has turned around.
			sh(t, m, `f=$(find "`+m.Data+`" -name '*.data'); chmod u+w "$f"; printf X | dd of="$f" bs=1 seek=1000000 conv=notrunc status=none`)
			if got := cache("verify"); !strings.Contains(got, "1 damaged pieces dropped") {
				t.Errorf("verify of a damaged file says %q", got)
			}
			if mountedThen {
				m.Remount()
			} else if err := m.Start(); err != nil {
				t.Fatal(err)
			}
			sh(t, m, `cat "$M/`+path+`" | cmp - `+truth(t, m, id, 3_000_000))
			output(t, program(t, m, "fetch", m.Path("predictions", id)))
			if mountedThen {
				unused(t, m)
			} else {
				m.Stop()
			}
			cache("prune")
			if got := cache("clear"); !strings.Contains(got, "1 file removed") {
				t.Errorf("clear says %q", got)
			}
			if got := cache("stats"); !strings.Contains(got, ": 0 B cached") {
				t.Errorf("stats of an empty cache says %q", got)
			}
		}
	})
}

// Metrics tell what stats.json tells, to this machine alone, and change
// nothing; a place that cannot be had is told before anything is mounted.
func TestMetrics(t *testing.T) {
	t.Parallel()
	a := serve(t)
	_, path := addBlob(a, 300_000)
	m := a.Mount(mounted.Options{Flags: []string{"--metrics-addr=0", "--poll=1h"}})
	ready(t, m)
	sh(t, m, `cat "$M/`+path+`" >/dev/null; echo "a lion" | tee "$M/`+painter+`/prompt.txt"`)
	var stats struct{ Mount struct{ Metrics string } }
	if err := json.Unmarshal([]byte(sh(t, m, `cat "$M/.replicatefs/stats.json"`)), &stats); err != nil {
		t.Fatal(err)
	}
	if host, _, err := net.SplitHostPort(stats.Mount.Metrics); err != nil || host != "127.0.0.1" {
		t.Fatalf("metrics are at %q", stats.Mount.Metrics)
	}
	resp, err := http.Get("http://" + stats.Mount.Metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"replicatefs_runs_started_total 1",
		`replicatefs_runs_ended_total{status="succeeded"} 1`,
		`replicatefs_requests_total{class="2xx",kind="create prediction"} 1`,
		`replicatefs_predictions{status="succeeded"} 2`,
		"replicatefs_sync_complete 1",
	} {
		if !has(string(body), line) {
			t.Errorf("metrics do not say %s", line)
		}
	}
	for _, secret := range []string{"lion", "http://127", sim.DemoToken} {
		if strings.Contains(string(body), secret) {
			t.Errorf("metrics tell %q", secret)
		}
	}
	if t.Failed() {
		t.Logf("%s", body)
	}
	var failure *mounted.Failure
	if _, err := a.Try(mounted.Options{Flags: []string{"--metrics-addr=" + stats.Mount.Metrics}}); !errors.As(err, &failure) || failure.Status != 1 || !strings.Contains(failure.Said, "--metrics-addr") {
		t.Errorf("a second mount at the same address: %v", err)
	}
}

// Who waits is told that the mount ended, and does not hold up its end.
func TestWaitOutlivesNoMount(t *testing.T) {
	t.Parallel()
	m := serveSlow(t).Mount(mounted.Options{Flags: []string{"--poll=1h", "--wait=0"}})
	id := puppetRun(t, m)
	wait := program(t, m, "wait", m.Path("predictions", id))
	var said strings.Builder
	wait.Stdout, wait.Stderr = &said, &said
	if err := wait.Start(); err != nil {
		t.Fatal(err)
	}
	mounted.Until(t, "the command is connected", func() bool {
		return strings.Contains(sh(t, m, `ls -l /proc/`+strconv.Itoa(wait.Process.Pid)+`/fd 2>/dev/null || true`), "socket:")
	})
	m.Stop()
	if err := wait.Wait(); err == nil || !strings.Contains(said.String(), "ended") && !strings.Contains(said.String(), "does not answer") {
		t.Errorf("wait: %v, %q", err, said.String())
	}
}
