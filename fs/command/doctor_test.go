package command

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
)

// examined are the findings of a doctor, by what was looked at.
func examined(t *testing.T, args ...string) (status int, all map[string][]finding) {
	t.Helper()
	status, out, said := run(t, append([]string{"doctor", "--json"}, args...)...)
	var list []finding
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("status %d, %v: %s%s", status, err, out, said)
	}
	all = map[string][]finding{}
	bad := 0
	for _, f := range list {
		all[f.Check] = append(all[f.Check], f)
		if f.Verdict == broken {
			bad++
		}
	}
	if (status == exitFailed) != (bad > 0) {
		t.Errorf("status %d with %d broken things", status, bad)
	}
	return status, all
}

// has tells whether a finding of a check says something, with a verdict.
func has(all map[string][]finding, check, verdict, says string) bool {
	for _, f := range all[check] {
		if f.Verdict == verdict && strings.Contains(f.Says+" "+f.Do, says) {
			return true
		}
	}
	return false
}

func TestDoctor(t *testing.T) {
	s := account(t, sim.Options{Account: "ann"})
	host := os.Getenv("REPLICATEFS_OUTPUT_HOST")
	_, all := examined(t)
	for _, check := range checks {
		if len(all[check.name]) == 0 && check.name != "helper" {
			t.Errorf("%s was not looked at", check.name)
		}
	}
	for check, says := range map[string]string{"token": "REPLICATE_API_TOKEN", "api": "is ann", "clock": "within", "outputs": host, "folders": os.Getenv("REPLICATEFS_CACHE_DIR")} {
		if !has(all, check, healthy, says) {
			t.Errorf("%s: %+v, want %q", check, all[check], says)
		}
	}

	if len(all["outputs"]) != 1 {
		t.Errorf("hosts that this API does not use were asked: %+v", all["outputs"])
	}

	wrong := s.Inject(sim.Fault{Path: "/v1/account", Header: http.Header{"Date": {time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)}}, Times: -1})
	if _, all := examined(t); !has(all, "clock", broken, "1h") {
		t.Errorf("an hour ahead: %+v (%d answers)", all["clock"], wrong.Fired())
	}
	t.Setenv("REPLICATE_BASE_URL", "http://127.0.0.1:1/v1")
	if status, all := examined(t); status != exitFailed || !has(all, "api", broken, "network") || !has(all, "clock", doubt, "not compared") {
		t.Errorf("without the API: status %d, %+v", status, all["api"])
	}
}

func TestDoctorToken(t *testing.T) {
	account(t, sim.Options{})
	t.Setenv("REPLICATE_API_TOKEN", "")
	if status, all := examined(t); status != exitFailed || !has(all, "token", broken, "replicatefs login") {
		t.Errorf("none: status %d, %+v", status, all["token"])
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("r8_wrong"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, all := examined(t, "--token-file", file)
	if !has(all, "token", doubt, "chmod 600 "+file) || !has(all, "api", broken, "401") {
		t.Errorf("a wrong one that everybody may read: %+v, %+v", all["token"], all["api"])
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, all := examined(t, "--cache-dir", dir); !has(all, "folders", doubt, "chmod go-w "+dir) {
		t.Errorf("a folder for everybody: %+v", all["folders"])
	}
	if _, all := examined(t, "--cache-dir", file); !has(all, "folders", broken, "is no folder") {
		t.Errorf("a file for a folder: %+v", all["folders"])
	}
}
