package catalog

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var damages = flag.Int("damages", 12, "files that TestRandomDamage tries")

// edit runs SQL on a catalog that nobody has open.
func edit(t testing.TB, dir string, queries ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range queries {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func names(t testing.TB, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestDamagedFile opens files that cannot be used. A new one must take their
// place, with what could be read of them, and the old one must not be lost.
func TestDamagedFile(t *testing.T) {
	recs := sample(4, 400)
	made := t.TempDir()
	c := open(t, made)
	put(t, c, recs...)
	run := Run{ID: "r", Model: "acme/painter", Input: []byte("{}")}
	if err := c.PutRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutDoc(t.Context(), "account", []byte("somebody")); err != nil {
		t.Fatal(err)
	}
	if err := c.PutOutputs(t.Context(), recs[0].ID, map[string]Output{"output.png": {Size: 1}}); err != nil {
		t.Fatal(err)
	}
	shut(t, c)
	good, err := os.ReadFile(filepath.Join(made, fileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		damage func(b []byte) []byte
		word   string
		rows   int // at least so many rows rescued
		raws   int // and objects
	}{
		{"text", func([]byte) []byte {
			return []byte("this is no database, but longer than a header of one " + strings.Repeat(".", 200))
		}, "corrupt", 0, 0},
		{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }, "corrupt", 0, 0},
		{"a page of rows", func(b []byte) []byte {
			damagePage(t, b, recs[200].ID)
			return b
		}, "corrupt", 300, 300},
		{"the table of tables", func(b []byte) []byte { copy(b[100:], bytes.Repeat([]byte{0xff}, 1000)); return b }, "corrupt", 0, 0},
		{"cut short", func(b []byte) []byte { return b[:len(b)/2/4096*4096] }, "corrupt", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			bad := test.damage(bytes.Clone(good))
			if err := os.WriteFile(filepath.Join(dir, fileName), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			c, log := openLogged(t, dir)
			defer shut(t, c)
			if !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("no warning, but %q", log)
			}
			aside := names(t, dir, fileName+"."+test.word+"-*")
			if len(aside) != 1 {
				t.Fatalf("set aside: %v, want one file", aside)
			}
			if b, err := os.ReadFile(aside[0]); err != nil || len(b) != len(bad) {
				t.Errorf("set aside: %d bytes, %v; want %d", len(b), err, len(bad))
			}
			if left := names(t, dir, "*.rescue*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			raws := 0
			for _, p := range c.All() {
				if p.Full {
					raws++
				}
				b, err := c.Raw(t.Context(), p.ID)
				if p.Full != (err == nil) {
					t.Errorf("object of %+v: %v", p, err)
				}
				i := slices.IndexFunc(recs, func(r Record) bool { return r.ID == p.ID })
				if i < 0 || err == nil && !bytes.Equal(b, recs[i].Raw) {
					t.Errorf("prediction %s was never stored, or its object is not what was", p.ID)
				}
			}
			t.Logf("rescued %d of %d rows, %d objects", c.Len(), len(recs), raws)
			if c.Len() < test.rows || raws < test.raws {
				t.Errorf("rescued %d rows and %d objects, want %d and %d", c.Len(), raws, test.rows, test.raws)
			}
			if test.rows > 0 {
				if got, err := c.Runs(t.Context()); err != nil || len(got) != 1 || got[0].ID != run.ID {
					t.Errorf("runs %+v, %v; want the one", got, err)
				}
				if b, _, err := c.Doc(t.Context(), "account"); err != nil || string(b) != "somebody" {
					t.Errorf("document %q, %v", b, err)
				}
			}
			// and all of it can be had again
			put(t, c, recs...)
			if got := c.All(); !slices.Equal(got, rowsOf(recs)) {
				t.Errorf("%d predictions after all were put again, want %d as they were", len(got), len(recs))
			}
			wantRaw(t, c, recs[200].ID, string(recs[200].Raw))
		})
	}
}

// damagePage overwrites the leaf of the table of predictions that holds id.
func damagePage(t testing.TB, b []byte, id string) {
	t.Helper()
	const leafOfIndex = 0x0a // WITHOUT ROWID tables are index trees
	for n := 1; n < len(b)/4096; n++ {
		if p := page(b, n); p[0] == leafOfIndex && bytes.Contains(p, []byte(id)) {
			copy(p, bytes.Repeat([]byte{0xa5}, len(p)))
			return
		}
	}
	t.Fatalf("no page with %s", id)
}

// page is the nth of a database.
func page(b []byte, n int) []byte { return b[n*4096:][:4096] }

// spoiled is the folder of a catalog of recs, to whose file damage was done.
func spoiled(t testing.TB, recs []Record, damage func(b []byte)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	c := open(t, dir)
	put(t, c, recs...)
	shut(t, c)
	path := filepath.Join(dir, fileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRandomDamage damages files at random. Whatever is wrong with one, a
// catalog opens, shows nothing that was never stored, and takes all of it again.
func TestRandomDamage(t *testing.T) {
	recs := sample(6, 200)
	made := t.TempDir()
	c := open(t, made)
	put(t, c, recs[:100]...)
	shut(t, c)
	c = open(t, made)
	put(t, c, recs[100:]...)
	// as a killed process leaves it, with a log
	files := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(made, fileName+suffix))
		if err != nil {
			t.Fatal(err)
		}
		files[suffix] = b
	}
	shut(t, c)
	rnd := rand.New(rand.NewPCG(7, 0))
	for i := range *damages {
		dir := t.TempDir()
		for suffix, b := range files {
			b = bytes.Clone(b)
			if suffix == "" || rnd.IntN(2) == 0 {
				switch rnd.IntN(4) {
				case 0:
					b = b[:rnd.IntN(len(b))]
				case 1:
					b = append(b, b[:rnd.IntN(len(b))]...)
				default:
					for range 1 + rnd.IntN(20) {
						at := rnd.IntN(len(b))
						if rnd.IntN(4) == 0 {
							at = rnd.IntN(200)
						}
						for j := range min(1+rnd.IntN(300), len(b)-at) {
							b[at+j] = byte(rnd.Uint32())
						}
					}
				}
			}
			if err := os.WriteFile(filepath.Join(dir, fileName+suffix), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, log := openLogged(t, dir)
		for p := range c.ByID() {
			b, err := c.Raw(t.Context(), p.ID)
			if err != nil && !errors.Is(err, iofs.ErrNotExist) {
				t.Errorf("damage %d: object of %s: %v", i, p.ID, err)
			}
			n := slices.IndexFunc(recs, func(r Record) bool { return r.ID == p.ID })
			if err == nil && n >= 0 && !bytes.Equal(b, recs[n].Raw) {
				t.Errorf("damage %d: object of %s is not what was stored", i, p.ID)
			}
		}
		if _, err := c.Put(t.Context(), recs...); err != nil {
			t.Errorf("damage %d: put: %v\n%s", i, err, log)
		}
		shut(t, c)
	}
}

// FuzzDamage writes some bytes over a catalog: it opens, shows nothing that was
// never stored, and takes all of it again.
func FuzzDamage(f *testing.F) {
	recs := sample(6, 20)
	made := f.TempDir()
	c := open(f, made)
	put(f, c, recs...)
	if err := c.PutRun(f.Context(), Run{ID: "r", Input: []byte("{}")}); err != nil {
		f.Fatal(err)
	}
	shut(f, c)
	good, err := os.ReadFile(filepath.Join(made, fileName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte("SQLite format 4"))
	f.Add(uint32(18), []byte{1, 1})
	f.Add(uint32(100), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add(uint32(4096), []byte{5, 0, 0, 0xff, 0xff})
	f.Add(uint32(3*4096), bytes.Repeat([]byte{0xd}, 5000))
	f.Fuzz(func(t *testing.T, at uint32, with []byte) {
		dir := t.TempDir()
		b := bytes.Clone(good)
		copy(b[int(at)%len(b):], with)
		if err := os.WriteFile(filepath.Join(dir, fileName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		c := open(t, dir)
		defer shut(t, c)
		for _, r := range recs {
			b, err := c.Raw(t.Context(), r.ID)
			if err == nil && !bytes.Equal(b, r.Raw) {
				t.Errorf("object of %s is not what was stored", r.ID)
			}
		}
		if _, err := c.Runs(t.Context()); err != nil {
			t.Errorf("runs: %v", err)
		}
		if _, err := c.Put(t.Context(), recs...); err != nil {
			t.Errorf("put: %v", err)
		}
	})
}

// TestDamageMetWhileRunning damages pages of objects, which opening does not
// read: the first reader that meets the damage has it repaired.
func TestDamageMetWhileRunning(t *testing.T) {
	recs := sample(5, 400)
	dir := spoiled(t, recs, func(b []byte) {
		damaged := 0
		for n := len(b) / 4096 / 2; damaged < 3; n++ { // leaves of a table, so of objects
			if b[n*4096] == 0x0d {
				copy(page(b, n), bytes.Repeat([]byte{0xa5}, 4096))
				damaged++
			}
		}
	})
	c, log := openLogged(t, dir)
	lost := 0
	for _, rec := range recs {
		switch got, err := c.Raw(t.Context(), rec.ID); {
		case errors.Is(err, iofs.ErrNotExist):
			lost++
			if p, ok := c.Prediction(rec.ID); !ok || p.Full || p.Status != rec.Status {
				t.Errorf("row without its object: %+v, %v", p, ok)
			}
		case err != nil:
			t.Fatal(err)
		case !bytes.Equal(got, rec.Raw):
			t.Errorf("object of %s is not what was stored", rec.ID)
		}
	}
	if got := len(names(t, dir, fileName+".corrupt-*")); got != 1 || strings.Count(log.String(), "set aside") != 1 {
		t.Errorf("%d files set aside, log %q", got, log)
	}
	if c.Len() != len(recs) || lost == 0 || lost > len(recs)/2 {
		t.Errorf("%d rows and %d objects of %d", c.Len(), len(recs)-lost, len(recs))
	}
	put(t, c, recs...)
	shut(t, c)
	c, log = openLogged(t, dir)
	defer shut(t, c)
	for _, rec := range recs {
		wantRaw(t, c, rec.ID, string(rec.Raw))
	}
	if log.String() != "" {
		t.Errorf("log of the next start %q, want none", log)
	}
}

// TestInterruptedRead ends readers in the middle of what they read, as an interrupted ls does. That is no damage.
func TestInterruptedRead(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	defer shut(t, c)
	for i := range 100 {
		if err := c.PutRun(t.Context(), Run{ID: strconv.Itoa(i), Input: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	outputs := map[string]Output{}
	for i := range 1000 {
		outputs[strconv.Itoa(i)] = Output{Size: 1}
	}
	const reads = 200
	recs := sample(6, reads)
	put(t, c, recs...)
	for i := range reads {
		if err := c.PutOutputs(t.Context(), recs[i].ID, outputs); err != nil {
			t.Fatal(err)
		}
		for _, read := range []func(ctx context.Context) error{
			func(ctx context.Context) error { _, err := c.Runs(ctx); return err },
			func(ctx context.Context) error { _, err := c.Outputs(ctx, recs[i].ID); return err },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range i * 100 {
					runtime.Gosched()
				}
				cancel()
			}()
			if err := read(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			<-done
		}
	}
	if aside := names(t, dir, fileName+".corrupt-*"); len(aside) > 0 {
		t.Errorf("set aside: %v", aside)
	}
}

// TestDamageOnAFullDisk meets damage while nothing can be rescued for want of room. The file stays until there is some.
func TestDamageOnAFullDisk(t *testing.T) {
	recs := sample(5, 400)
	dir := spoiled(t, recs, func(b []byte) { damagePage(t, b, recs[200].ID) })
	cmd, out, _ := startChild(t, "cramped", dir, 64<<10)
	if !out.Scan() || !strings.Contains(out.Text(), "disk") {
		t.Errorf("without room it said %q, want an error about the disk", out.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if aside := names(t, dir, fileName+".corrupt-*"); len(aside) > 0 {
		t.Errorf("set aside without room: %v", aside)
	}
	c := open(t, dir)
	defer shut(t, c)
	if c.Len() < 300 {
		t.Errorf("%d of %d rows with room again", c.Len(), len(recs))
	}
}

// TestDamagedObject changes stored bytes in a way that SQLite cannot see.
func TestDamagedObject(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	put(t, c, full)
	q, r := live, expired
	q.ID, r.ID = "q", "q"
	put(t, c, q, r)
	if _, err := c.PutDoc(t.Context(), "account", []byte("somebody")); err != nil {
		t.Fatal(err)
	}
	if err := c.PutRun(t.Context(), Run{ID: "r", Input: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	shut(t, c)
	edit(t, dir, "UPDATE raw SET body = x'0011223344556677' WHERE n = (SELECT raw FROM prediction WHERE id = 'p')",
		"UPDATE raw SET aside = x'00' WHERE n = (SELECT raw FROM prediction WHERE id = 'q')",
		"UPDATE document SET body = substr(body, 1, length(body) - 1)", "UPDATE run SET input = x'77000000007777'")

	c, log := openLogged(t, dir)
	defer shut(t, c)
	_, err := c.Raw(t.Context(), "p")
	wantMissing(t, "damaged object", err)
	if p, _ := c.Prediction("p"); p.Full || !p.Done || p.Status != "succeeded" {
		t.Errorf("row with a damaged object: %+v, want it final, but not full", p)
	}
	_, err = c.Expired(t.Context(), "q")
	wantMissing(t, "damaged expired copy", err)
	wantRaw(t, c, "q", "live")
	_, _, err = c.Doc(t.Context(), "account")
	wantMissing(t, "damaged document", err)
	if runs, err := c.Runs(t.Context()); err != nil || len(runs) != 1 || runs[0].Input != nil {
		t.Errorf("runs %+v, %v; want the one, without its input", runs, err)
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 4 {
		t.Errorf("%d warnings, want 4: %s", got, log)
	}
	if got := names(t, dir, "*.corrupt*"); got != nil {
		t.Errorf("%v set aside: the file itself is sound", got)
	}
	// what was forgotten may come again
	put(t, c, full, r)
	wantRaw(t, c, "p", "full")
	if b, err := c.Expired(t.Context(), "q"); string(b) != "expired" || err != nil {
		t.Errorf("expired copy %q, %v", b, err)
	}
	if changed, err := c.PutDoc(t.Context(), "account", []byte("somebody")); err != nil || changed.IsZero() {
		t.Errorf("document put again: %s, %v", changed, err)
	}
}

func TestInterruptedExchange(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	put(t, c, full)
	shut(t, c)
	path := filepath.Join(dir, fileName)
	if err := os.Rename(path, path+rescueSuffix); err != nil {
		t.Fatal(err)
	}
	c = open(t, dir)
	defer shut(t, c)
	wantRaw(t, c, "p", "full")
}

func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 { // under the same name of the same second
		c, log := openLogged(t, dir)
		if got := len(names(t, dir, fileName+".newer-*")); got != i {
			t.Errorf("%d files set aside, want %d", got, i)
		}
		if warned := strings.Contains(log.String(), "newer version"); warned != (i > 0) {
			t.Errorf("start %d: log %q", i, log)
		}
		if got := c.Len(); got != 0 {
			t.Errorf("%d predictions, want none", got)
		}
		put(t, c, full)
		shut(t, c)
		edit(t, dir, "PRAGMA user_version = 99")
	}
}

func TestForeignDatabase(t *testing.T) {
	dir := t.TempDir()
	edit(t, dir, "CREATE TABLE meta (x)")
	c, log := openLogged(t, dir)
	defer shut(t, c)
	put(t, c, full)
	if got := len(names(t, dir, fileName+".corrupt-*")); got != 1 || !strings.Contains(log.String(), "set aside") {
		t.Errorf("%d files set aside, log %q", got, log)
	}
}
