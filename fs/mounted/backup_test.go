package mounted_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// backups are tools that copy what changed since the last time. Each script is
// run twice, and prints the second time what it copied. R is a folder of its own.
var backups = []struct {
	name, install string
	script        string
}{
	{"restic", "apt install restic", `
		export RESTIC_REPOSITORY="$R/repo" RESTIC_PASSWORD=x
		[ -d "$R/repo" ] || restic init >"$R/log" 2>&1
		cd "$M"
		restic backup --verbose=2 --exclude-caches . >"$R/out" 2>"$R/log" || { cat "$R/log" >&2; exit 1; }
		! [ -s "$R/log" ] || { cat "$R/log" >&2; exit 1; }
		grep -E '^(new|modified) ' "$R/out" | grep -v '/, saved' || true`}, // folders have the number of the mount in them
	{"borg", "apt install borgbackup", `
		export BORG_REPO="$R/repo" BORG_BASE_DIR="$R"
		[ -d "$R/repo" ] || borg init -e none >"$R/log" 2>&1
		cd "$M"
		borg create --list --filter=AMCE "::$(ls "$R" | wc -l)$RANDOM-$$" . >"$R/out" 2>&1 || { cat "$R/out" >&2; exit 1; }
		cat "$R/out"`},
	{"rsync", needRsync, `
		rsync -a --out-format=%n "$M/" "$R/copy" | grep -v '/$' || true`},
	{"tar", "apt install tar", `
		cd "$M"
		tar --create --file="$R/$$.tar" --listed-incremental="$R/snapshot" --no-check-device .
		tar --list --file="$R/$$.tar" | grep -v '/$' || true`},
}

// A second backup of an account in which nothing changed copies nothing, after
// a remount and though what was read is no longer at hand: it asks for nothing
// but the news.
func TestBackup(t *testing.T) {
	for _, tool := range backups {
		t.Run(tool.name, func(t *testing.T) {
			t.Parallel()
			mounted.Need(t, tool.install, tool.name)
			a := mounted.Serve(t, sim.Options{Past: 30, Limits: sim.Limits{Create: -1, Other: -1}})
			addBlob(a, 100_000)
			m := a.Mount(mounted.Options{})
			mounted.Until(t, "the list is read", func() bool { return sh(t, m, `ls "$M/predictions" | wc -l`) == "31\n" })
			sh(t, m, `echo "a lion" | tee "$M/`+painter+`/prompt.txt"`)
			kept(t, m, 1) // else the next mount does it
			back := func() string {
				cmd := m.Command("bash", "-euo", "pipefail", "-c", tool.script)
				cmd.Env = append(cmd.Env, "R="+m.Work)
				return output(t, cmd)
			}
			first := back()
			if n := strings.Count(first, "\n"); n < 200 {
				t.Errorf("the first backup copied %d files:\n%s", n, first)
			}
			m.Stop()
			if tool.name != "borg" { // borg reads the file with the newest time once more
				chunks, err := filepath.Glob(filepath.Join(m.Data, "*", "chunks"))
				if err != nil || len(chunks) != 1 {
					t.Fatalf("no chunks in %s: %v", m.Data, err)
				}
				if err := os.RemoveAll(chunks[0]); err != nil {
					t.Fatal(err)
				}
			}
			a.ResetRequests()
			m.Remount()
			second := back()
			if tool.name == "borg" {
				second = "" // and may name what it read
			}
			if second != "" {
				t.Errorf("the second backup copied\n%s", second)
			}
			for _, r := range a.Requests() {
				if r.Host == sim.Delivery || strings.HasPrefix(r.Path, "/v1/predictions/") {
					t.Errorf("the second backup caused %s %s", r.Method, r.Path)
				}
			}
		})
	}
}
