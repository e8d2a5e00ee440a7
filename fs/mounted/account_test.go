package mounted_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// Two accounts that keep their data in one place never see each other's, and
// neither does one token at two servers.
func TestAccountsApart(t *testing.T) {
	t.Parallel()
	one := mounted.Serve(t, sim.Options{Account: "ann"})
	two := mounted.Serve(t, sim.Options{Account: "bob"})
	twin := mounted.Serve(t, sim.Options{Account: "ann"})
	_, path := addBlob(one, 1000)
	m := one.Mount(mounted.Options{})
	cat(t, m, path)
	sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt" > /dev/null`)
	for name, other := range map[string]*mounted.Account{"another account": two, "another server": twin} {
		m := other.Mount(mounted.Options{Flags: []string{"--cache-dir", m.Data}})
		if got := sh(t, m, `ls "$M/predictions" "$M/models"`); strings.Contains(got, "flux") || strings.Count(got, "\n") > 3 {
			t.Errorf("%s sees %q", name, got)
		}
		fails(t, m, `cat "$M/`+path+`"`)
		fails(t, m, `readlink "$M/`+painter+`/latest"`)
	}
}

// The token is in no file of the mount, none of the local data, no log and no
// argument, and no message repeats it.
func TestTokenIsSecret(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		_, path := addBlob(a, 1000)
		o.Flags = []string{"--log-level=debug", "--debug-fuse"}
		m := a.Mount(o)
		cat(t, m, path)
		sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt" > /dev/null; echo "{" > part; cp part "$M/`+painter+`/input.json" || true`)
		a.Inject(sim.Fault{Method: "POST", Status: 401, Times: -1, Body: `{"title":"Unauthenticated"}`})
		sh(t, m, `echo "a lion" > part; cp part "$M/`+painter+`/prompt.txt" || true`)
		if out, _ := m.Command("grep", "-rl", sim.DemoToken, m.Dir).Output(); len(out) > 0 {
			t.Errorf("the token is in the mount: %s", out)
		}
		arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.PID()))
		if err != nil || strings.Contains(string(arguments), sim.DemoToken) {
			t.Errorf("the token is among the arguments: %q, %v", arguments, err)
		}
		m.Stop()
		if out, _ := m.Command("grep", "-rl", sim.DemoToken, m.Data).Output(); len(out) > 0 {
			t.Errorf("the token is in local data: %s", out)
		}
		if log := m.Log(); strings.Contains(log, sim.DemoToken) || !strings.Contains(log, "level=DEBUG") {
			t.Errorf("the token is in the log, or there is none of %d bytes", len(log))
		}
	})
}
