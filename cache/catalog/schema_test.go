package catalog

import (
	"fmt"
	"testing"
)

// version1 makes a database as the first version of the schema had it.
func version1(t *testing.T, dir string) {
	t.Helper()
	edit(t, dir, migrations[0], "PRAGMA user_version = 1", "INSERT INTO meta VALUES ('first')",
		"INSERT INTO kind VALUES (7, 'acme/painter', 'hidden', 'succeeded', 'api', ''), (8, 'acme/painter', '', 'processing', 'api', '')",
		fmt.Sprintf("INSERT INTO raw VALUES (3, x'%x'), (4, x'%x')", pack("p", full.Raw), pack("q", live.Raw)),
		fmt.Sprintf("INSERT INTO prediction VALUES ('p', 7, %d, %d, %d, %d, 3), ('q', 8, %d, 0, 0, %d, 4)",
			mergeCreated.UnixNano(), mergeCompleted.UnixNano(), done|mine, rankFull, mergeCreated.UnixNano(), rankLive),
		"INSERT INTO output VALUES ('p', 'output.png', 5, 'image/png', '', 0, 0, 1)",
		fmt.Sprintf("INSERT INTO document VALUES ('account', x'%x', 1)", pack("account", []byte("somebody"))),
		fmt.Sprintf("INSERT INTO run VALUES ('r', 'acme/painter', '', '', x'%x', 1, '', 'intent', '')", pack("r", []byte("{}"))),
		"INSERT INTO news VALUES (1, 'p')")
}

func TestMigration(t *testing.T) {
	dir := t.TempDir()
	version1(t, dir)
	for range 2 {
		c, log := openLogged(t, dir)
		if log.String() != "" {
			t.Errorf("log %q, want none", log)
		}
		want := full.Prediction
		want.Mine = true
		if got, _ := c.Prediction("p"); got != want {
			t.Errorf("prediction %+v, want %+v", got, want)
		}
		wantRaw(t, c, "p", "full")
		wantRaw(t, c, "q", "live")
		if got, err := c.Outputs(t.Context(), "p"); err != nil || got["output.png"] != (Output{Size: 5, Type: "image/png", Spooled: true}) {
			t.Errorf("outputs %+v, %v", got, err)
		}
		if b, changed, err := c.Doc(t.Context(), "account"); err != nil || string(b) != "somebody" || changed.UnixNano() != 1 {
			t.Errorf("document %q, %s, %v", b, changed, err)
		}
		if got, err := c.Run(t.Context(), "r"); err != nil || got.State != "intent" || string(got.Input) != "{}" {
			t.Errorf("run %+v, %v", got, err)
		}
		// what only the new version can hold
		q := expired
		q.ID = "q"
		put(t, c, q)
		if b, err := c.Expired(t.Context(), "q"); err != nil || string(b) != "expired" {
			t.Errorf("expired copy %q, %v", b, err)
		}
		var version int
		if err := c.file.bulk.row(t.Context(), "PRAGMA user_version", nil, &version); err != nil || version != len(migrations) {
			t.Errorf("version %d, %v; want %d", version, err, len(migrations))
		}
		shut(t, c)
	}
}
