package command

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/api/sim"
)

// run runs a command line and returns its exit status and what it said.
func run(t *testing.T, args ...string) (status int, out, said string) {
	t.Helper()
	var o, e bytes.Buffer
	status = Run(t.Context(), append([]string{"replicatefs"}, args...), strings.NewReader(""), &o, &e)
	return status, o.String(), e.String()
}

// account serves a simulated account, which the commands of the test then use.
func account(t *testing.T, o sim.Options) *sim.Sim {
	t.Helper()
	s := sim.New(o)
	server, err := s.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		s.Close()
		if leaks := s.Leaks(); len(leaks) > 0 {
			t.Errorf("the token reached other hosts: %v", leaks)
		}
	})
	t.Setenv("REPLICATE_BASE_URL", server.BaseURL())
	t.Setenv("REPLICATE_API_TOKEN", sim.DemoToken)
	t.Setenv("REPLICATEFS_OUTPUT_HOST", server.OutputHost())
	t.Setenv("REPLICATEFS_CACHE_DIR", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	return s
}

func TestUsage(t *testing.T) {
	t.Setenv("REPLICATE_API_TOKEN", "")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, test := range []struct {
		args   string
		status int
		says   string
	}{
		{"help", 0, ""},
		{"bogus", exitUsage, `no command "bogus"`},
		{"help bogus", exitUsage, `no command "bogus"`},
		{"mout", exitUsage, `Did you mean "mount"?`},
		{"completion csh", exitUsage, "csh cannot"},
		{"unmount -- dir --generate-bash-completion", 0, ""},
		{"mount", exitUsage, "takes one folder"},
		{"mount a b", exitUsage, "takes one folder"},
		{"mount dir --wait 3s", exitUsage, "--wait comes too late: flags stand before the folder, as in: replicatefs mount --wait 3s dir;"},
		{"mount dir --xattr", exitUsage, "replicatefs mount --xattr dir;"},
		{"cache stats dir --json", exitUsage, "replicatefs cache stats --json dir;"},
		{"cache verify a b", exitUsage, "replicatefs cache verify takes a mounted folder"},
		{"mount --cachesize 1GiB dir", exitUsage, "replicatefs mount has no flag --cachesize; did you mean --cache-size?"},
		{"mount --wait soon dir", exitUsage, "--wait soon: want a time such as 90s"},
		{"mount --read-only --max-runs=many dir", exitUsage, "--max-runs many: want a number"},
		{"mount --xattr=perhaps dir", exitUsage, "--xattr perhaps: want true or false"},
		{"mount --wait", exitUsage, "--wait wants a time such as 90s"},
		{"mount --base-url ftp://x dir", exitUsage, "want https://HOST/v1"},
		{"login --base-url example.com", exitUsage, "want https://HOST/v1"},
		{"mount --output-host http://x/ dir", exitUsage, "want HOST or HOST:PORT"},
		{"sim --addr 0.0.0.0:0", exitUsage, "--addr 0.0.0.0:0: want"},
		{"unmount /nonexistent", exitFailed, "/nonexistent: file does not exist\n"},
		{"mount --prefer-wait 2m dir", exitUsage, "1s to 1m0s"},
		{"mount --cancel-after 1s dir", exitUsage, "5s to 24h"},
		{"mount --max-runs 0 dir", exitUsage, "--read-only"},
		{"mount --memory lots dir", exitUsage, "64MiB"},
		{"mount --umask 999 dir", exitUsage, "0022"},
		{"mount --uid nobody-at-all dir", exitUsage, "no such user"},
		{"mount --log-level loud dir", exitUsage, "debug, info, warn or error"},
		{"mount dir", exitToken, "REPLICATE_API_TOKEN is not set"},
		{"logout now", exitUsage, "flags only"},
		{"mount --token-file /nonexistent dir", exitToken, "/nonexistent"},
		{"cat", exitUsage, "at least one path"},
		{"sim extra", exitUsage, "flags only"},
	} {
		status, _, said := run(t, strings.Fields(test.args)...)
		if status != test.status || !strings.Contains(said, test.says) {
			t.Errorf("replicatefs %s: status %d, says %q; want %d and something with %q", test.args, status, said, test.status, test.says)
		}
	}
}

// ls and cat show the tree without a mount.
func TestLook(t *testing.T) {
	s := account(t, sim.Options{})
	id := s.Add(sim.Prediction{Model: "meta/meta-llama-3-8b-instruct", Status: "succeeded", Source: "web", Output: []string{"Once", " upon"}})
	for _, test := range []struct{ args, out string }{
		{"ls /predictions/", id + "\n"},
		{"cat predictions/" + id + "/output.txt", "Once upon"},
		{"cat models/meta/meta-llama-3-8b-instruct/latest/status /predictions/" + id + "/status", "succeeded\nsucceeded\n"},
	} {
		status, out, said := run(t, strings.Fields(test.args)...)
		if status != 0 || out != test.out {
			t.Errorf("replicatefs %s: status %d, %q (%s), want %q", test.args, status, out, said, test.out)
		}
	}
	if status, out, said := run(t, "ls", "predictions", "nothing", "/predictions/"+id+"/status"); status != exitFailed || out != "predictions:\n"+id+"\n\nnothing:\n\npredictions/"+id+"/status:\nstatus\n" || !strings.Contains(said, "nothing") {
		t.Errorf("ls of three paths, one of which is not there: status %d, %q, %q", status, out, said)
	}
	if _, out, _ := run(t, "ls"); !strings.HasPrefix(out, "README.md\naccount.json\nby-date\n") {
		t.Errorf("ls says %q", out)
	}
	if _, out, _ := run(t, "ls", "-l", "models/meta/meta-llama-3-8b-instruct"); !strings.Contains(out, "latest -> ../../../predictions/"+id) {
		t.Errorf("ls -l says %q", out)
	}
	for _, path := range []string{"predictions/nothing", "models/acme/.hidden", "README.md/below"} {
		if status, _, said := run(t, "cat", path); status != exitFailed || !strings.Contains(said, path) {
			t.Errorf("cat %s: status %d, %q", path, status, said)
		}
	}
}

// Who looks once sees the whole list and the news, not what came in at once;
// a list that cannot be read to its end is told to be in part.
func TestLookAtAll(t *testing.T) {
	const past = 250 // of which the first page has 100
	s := account(t, sim.Options{Past: past, Limits: sim.Limits{Other: -1}})
	count := func() (status, n int, said string) {
		status, out, said := run(t, "ls", "predictions")
		return status, strings.Count(out, "\n"), said
	}
	broken := s.Inject(sim.Fault{Path: "/v1/predictions", After: 1, Status: http.StatusNotFound, Times: -1})
	if status, n, said := count(); status != exitFailed || n != 100 || !strings.Contains(said, "not whole") {
		t.Errorf("of a list that breaks off: status %d, %d predictions, %q", status, n, said)
	}
	broken.Stop()
	if status, n, said := count(); status != 0 || n != past || said != "" {
		t.Errorf("status %d, %d predictions, %q, want all %d", status, n, said, past)
	}
	s.Add(sim.Prediction{Model: "acme/puppet", Status: "succeeded", Source: "web"})
	for n := past; n <= past; { // news that are late are not waited for
		var status int
		var said string
		if status, n, said = count(); status != 0 || n < past || n > past+1 || said != "" {
			t.Fatalf("after one more: status %d, %d predictions, %q, want all %d", status, n, said, past+1)
		}
	}
}

// A token that is refused is told so, and is in no message.
func TestRefusedToken(t *testing.T) {
	account(t, sim.Options{})
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("r8_wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, said := run(t, "ls", "--token-file", file)
	if status != exitToken || !strings.Contains(said, "api-tokens") || strings.Contains(said, "r8_wrong") {
		t.Errorf("status %d, %q", status, said)
	}
}

// Two accounts, and one account at two base URLs, have nothing in common.
func TestPlace(t *testing.T) {
	seen := map[string]bool{}
	for _, base := range []string{"https://api.replicate.com/v1", "https://other.example/v1", "https://other.example/v2"} {
		for _, name := range []string{"alice", "Alice", "a/b", "a_b"} {
			dir, err := place(base, name)
			if err != nil {
				t.Fatal(err)
			}
			if seen[dir] || strings.ContainsAny(dir, "/\\") {
				t.Errorf("%s of %s is at %s", name, base, dir)
			}
			seen[dir] = true
		}
	}
}

// An account that was seen once is there without the API.
func TestOffline(t *testing.T) {
	s := account(t, sim.Options{Past: 5})
	_, before, _ := run(t, "ls", "predictions")
	s.Inject(sim.Fault{Path: "*", Status: 503, Times: 1 << 30})
	status, after, said := run(t, "ls", "predictions")
	if status != 0 || after != before || before == "" {
		t.Errorf("without the API: status %d, %q (%s), want %q", status, after, said, before)
	}
}

// An API that does not answer holds up the first mount only.
func TestSlowAPI(t *testing.T) {
	s := account(t, sim.Options{Past: 5})
	_, before, _ := run(t, "ls", "predictions")
	answer := make(chan struct{})
	defer close(answer)
	slow := s.Inject(sim.Fault{Path: "/v1/account", Hold: answer, Times: 1 << 30})
	for n := 1; slow.Fired() == 0; n++ { // it is done before the question has left, where that takes long
		status, after, said := run(t, "ls", "predictions")
		if status != 0 || after != before {
			t.Fatalf("with a slow API: status %d, %q (%s), want %q", status, after, said, before)
		}
		if n == 20 {
			t.Fatal("the account was not asked for")
		}
	}
}
