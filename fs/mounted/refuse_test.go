package mounted_test

import (
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// What close() returns, what error.txt says, and that latest never leads to
// yesterday's picture.
func TestRefusedSave(t *testing.T) {
	post := func(f sim.Fault) *sim.Fault {
		f.Host, f.Method, f.Path, f.Times = sim.API, "POST", "*", -1
		return &f
	}
	throttle := sim.Throttle(time.Hour, sim.InHeader)
	tests := []struct {
		name, file, text string
		fault            *sim.Fault
		want             string // of close()
		says             string // error.txt, among others
		creates          int
	}{
		{"bad JSON", painter + "/input.json", "{\"prompt\": lion }", nil, "EINVAL", "line 1", 0},
		{"a list", painter + "/input.json", `["a lion"]`, nil, "EINVAL", "object", 0},
		{"bytes", painter + "/prompt.txt", "\xff\xd8\xff\xe0", nil, "EINVAL", "UTF-8", 0},
		{"schema", painter + "/input.json", `{"prompt": "a lion", "num_outputs": 99}`, nil, "EINVAL", "num_outputs", 0},
		{"missing field", "models/acme/captioner/prompt.txt", "a lion", nil, "EINVAL", "image", 0},
		{"no credit", painter + "/prompt.txt", "a lion", post(sim.Fault{Status: 402, Body: `{"title":"Insufficient credit","detail":"Go and pay.","status":402}`}), "EDQUOT", "Go and pay.", 0},
		{"refused token", painter + "/prompt.txt", "a lion", post(sim.Fault{Status: 401, Body: `{"title":"Unauthenticated","detail":"No.","status":401}`}), "EACCES", "token", 0},
		{"forbidden", painter + "/prompt.txt", "a lion", post(sim.Fault{Status: 403, Body: `{"detail":"Not for you.","status":403}`}), "EACCES", "", 0},
		{"model gone", painter + "/prompt.txt", "a lion", post(sim.Fault{Status: 404, Body: `{"detail":"Not found.","status":404}`}), "ENOENT", "no such model", 0},
		{"too fast", painter + "/prompt.txt", "a lion", post(throttle), "EBUSY", "limits how often", 0},
		{"HTML", painter + "/prompt.txt", "a lion", post(sim.HTML(502)), "EIO", "", 0},
		{"failed", "models/acme/broken/prompt.txt", "a lion", nil, "EIO", "this model is broken", 1},
		{"no connection", painter + "/prompt.txt", "a lion", post(sim.Fault{Reset: true}), "EIO", "", 0},
	}
	each(t, func(t *testing.T, o mounted.Options) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				a := serve(t)
				o := o
				o.Flags = []string{"--wait=5m"}
				m := a.Mount(o)
				folder := test.file[:strings.LastIndex(test.file, "/")]
				yesterday(t, m, folder)
				before := a.Creates()
				if test.fault != nil {
					defer a.Inject(*test.fault).Stop()
				}
				if got := output(t, child(m, "save", m.Path(test.file), test.text)); got != test.want+"\n" {
					t.Errorf("close() is %q, want %s", got, test.want)
				}
				if got := a.Creates() - before; got != test.creates {
					t.Errorf("%d runs, want %d", got, test.creates)
				}
				says := sh(t, m, `cat "$M/`+folder+`/error.txt"`)
				if !strings.Contains(says, test.says) || len(says) < 20 {
					t.Errorf("error.txt says %q, want it to have %q", says, test.says)
				}
				if strings.Contains(says, sim.DemoToken) {
					t.Errorf("error.txt shows the token: %q", says)
				}
				if got := sh(t, m, `cd "$M/`+folder+`/latest/"; ls`); strings.Contains(got, "output") || !has(got, "status") || !has(got, "error.txt") {
					t.Errorf("latest has %q, want a status, an error.txt and no output", got)
				}
				fails(t, m, `cp "$M/`+folder+`"/latest/output* .`)
			})
		}
	})
}

// yesterday makes a run of a model that went well.
func yesterday(t *testing.T, m *mounted.Mount, folder string) {
	t.Helper()
	in := map[string]string{
		painter:                 `{"prompt": "yesterday"}`,
		"models/acme/captioner": `{"image": "` + tinyPNG + `"}`,
	}[folder]
	if in == "" {
		return // it never goes well
	}
	if got := output(t, child(m, "save", m.Path(folder, "input.json"), in)); got != "ok\n" {
		t.Fatalf("yesterday's run: %s", got)
	}
	sh(t, m, `ls "$M/`+folder+`"/latest/output*`)
}

// While a run goes on, and after a good one, latest leads where it should,
// and the error of the save before is gone.
func TestLatest(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serveSlow(t)
		o.Flags = []string{"--wait=0"}
		m := a.Mount(o)
		save := func(text string) string {
			return output(t, child(m, "save", m.Path(puppet, "prompt.txt"), text))
		}
		fails(t, m, `readlink "$M/`+puppet+`/latest"`)
		if got := save("one"); got != "ok\n" {
			t.Fatalf("close() is %s", got)
		}
		one := sh(t, m, `readlink "$M/`+puppet+`/latest"`)
		if got := sh(t, m, `cat "$M/`+puppet+`/latest/status"`); got != "starting\n" {
			t.Errorf("status is %q", got)
		}
		a.SetCredit(false)
		if got := save("two"); got != "EDQUOT\n" {
			t.Errorf("close() is %s", got)
		}
		if got := sh(t, m, `readlink "$M/`+puppet+`/latest"`); got == one {
			t.Errorf("after a refused save latest leads to the run before it")
		}
		a.SetCredit(true)
		if got := save("three"); got != "ok\n" {
			t.Errorf("close() is %s", got)
		}
		if got := sh(t, m, `cat "$M/`+puppet+`/latest/prompt.txt"`); got != "three\n" {
			t.Errorf("latest is of the prompt %q", got)
		}
		fails(t, m, `cat "$M/`+puppet+`/error.txt"`)
		if got := sh(t, m, `ls "$M/`+puppet+`"`); strings.Contains(got, "error.txt") {
			t.Error("error.txt of the save before is still listed")
		}
	})
}

// Unreachable means what it says: the server is gone.
func TestSaveUnreachable(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{Flags: []string{"--wait=5m"}})
	yesterday(t, m, painter)
	a.Server.Close()
	if got := output(t, child(m, "save", m.Path(painter, "prompt.txt"), "a lion")); got != "EIO\n" {
		t.Errorf("close() is %q, want EIO", got)
	}
	if got := sh(t, m, `cat "$M/`+painter+`/error.txt"`); !strings.Contains(got, "Nothing was run") {
		t.Errorf("error.txt says %q", got)
	}
	fails(t, m, `cp "$M/`+painter+`"/latest/output* .`)
}

// A 429 is waited out as long as the wait allows.
func TestThrottled(t *testing.T) {
	t.Parallel()
	for name, via := range map[string]sim.Via{"header": sim.InHeader, "body": sim.InBody, "text": sim.InText} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			m := a.Mount(mounted.Options{})
			f := sim.Throttle(2*time.Second, via)
			f.Method, f.Path = "POST", "*"
			fault := a.Inject(f)
			begin := time.Now()
			if got := output(t, child(m, "save", m.Path(painter, "prompt.txt"), "a lion")); got != "ok\n" {
				t.Errorf("close() is %q, want ok", got)
			}
			if fault.Fired() != 1 || a.Creates() != 1 {
				t.Errorf("throttled %d times, %d runs; want 1 and 1", fault.Fired(), a.Creates())
			}
			if waited := time.Since(begin); waited < 2*time.Second {
				t.Errorf("it was sent again after %v, told to wait 2s", waited)
			}
		})
	}
}

// What is not a trigger cannot be written, and nobody is asked.
func TestReadOnlyNames(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serveShapes(t)
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, 21)
		sh(t, m, `ls -lR "$M" > list; cat "$M/`+painter+`/README.md" "$M/`+puppet+`/README.md" > /dev/null`)
		a.ResetRequests()
		for _, script := range []string{
			`echo x > "$M/README.md"`,
			`echo x >> "$M/account.json"`,
			`echo x > "$M/new"`,
			`mkdir "$M/new"`,
			`echo x > "$M/predictions/$ONE/output.png"`,
			`echo x > "$M/predictions/$ONE/new.txt"`,
			`rm "$M/predictions/$ONE/output.png"`,
			`rm -r "$M/predictions/$ONE"`,
			`mv "$M/predictions/$ONE" "$M/predictions/x"`,
			`rm "$M/by-status/failed/$FAILED"`,
			`ln -s x "$M/` + puppet + `/link"`,
			`echo x > "$M/` + puppet + `/model.json"`,
			`echo x > "$M/` + puppet + `/notes.txt"`,
			`rm "$M/` + puppet + `/schema.json"`,
			`rm "$M/` + puppet + `/latest"`,
			`mv "$M/` + puppet + `/prompt.txt" "$M/` + painter + `/prompt.txt"`,
			`truncate -s 5 "$M/predictions/$ONE/status"`,
			`chmod 777 "$M/predictions/$ONE/status"`,
		} {
			cmd := m.Command("sh", "-euc", script)
			cmd.Env = append(cmd.Env, "ONE="+shapeID("onefile"), "FAILED="+shapeID("failed"))
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("%s succeeds: %s", script, out)
			} else if s := string(out); !strings.Contains(s, "Read-only file system") && !strings.Contains(s, "Permission denied") && !strings.Contains(s, "not permitted") {
				t.Errorf("%s: %s", script, s)
			}
		}
		if got, want := spent(a), (cost{}); got != want {
			t.Errorf("refusals cost %v, want %v\n%s", got, want, requests(a, sim.API))
		}
	})
}

// Guards: nothing runs on a read-only mount, and runs beyond the limit wait
// for their turn, then give up.
func TestGuards(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serveSlow(t)
		o.Flags = []string{"--read-only"}
		m := a.Mount(o)
		if got := fails(t, m, `echo x > "$M/`+puppet+`/prompt.txt"`); !strings.Contains(got, "Read-only file system") {
			t.Errorf("on a read-only mount: %q", got)
		}
		if got := output(t, m.Command("stat", "-c", "%a", m.Path(puppet, "prompt.txt"))); got != "444\n" {
			t.Errorf("its mode is %q", got)
		}
		m.Remount("--max-runs=1", "--wait=1s")
		save := func() string { return output(t, child(m, "save", m.Path(puppet, "prompt.txt"), "x")) }
		if got := save(); got != "ok\n" { // after a second: it goes on
			t.Errorf("the first is %q", got)
		}
		first := latestID(t, m, puppet)
		if got := save(); got != "EBUSY\n" {
			t.Errorf("the second is %q, want EBUSY", got)
		}
		if got := sh(t, m, `cat "$M/`+puppet+`/error.txt"`); !strings.Contains(got, "--max-runs") {
			t.Errorf("error.txt says %q", got)
		}
		a.Set(first, func(p *sim.Prediction) { p.Status = sim.Succeeded })
		mounted.Until(t, "there is room again", func() bool { return save() == "ok\n" })
		m.Remount("--max-runs-per-minute=1", "--wait=0")
		m.Command("true").Run()
		if got := save(); got != "ok\n" {
			t.Errorf("the first of this minute is %q", got)
		}
		if got := a.Creates(); got != 3 {
			t.Errorf("%d runs, want 3", got)
		}
	})
}
