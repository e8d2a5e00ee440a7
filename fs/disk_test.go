package fs

import (
	"database/sql"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// While predictions cannot be written down, a run that was started is not
// forgotten: it is ours as soon as they can be, in this mount or the next.
func TestStartedOnAFullDisk(t *testing.T) {
	for _, by := range []string{"the same mount", "the next mount"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Options{}, Options{})
				w.Start()
				time.Sleep(time.Minute)
				db, err := sql.Open("sqlite", filepath.Join(w.dir, "catalog.db"))
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				exec := func(q string) {
					if _, err := db.Exec(q); err != nil {
						t.Fatal(err)
					}
				}
				exec(`CREATE TRIGGER full BEFORE INSERT ON prediction BEGIN SELECT RAISE(ABORT, 'no space'); END`)
				if err := w.save(painter+"/prompt.txt", "a lighthouse"); err != nil {
					t.Fatalf("close() gives %v", err)
				}
				synctest.Wait()
				if n := w.catalog.Len(); n != 0 {
					t.Fatalf("%d predictions were written down, want none", n)
				}
				if by == "the next mount" {
					w.Close()
				}
				exec(`DROP TRIGGER full`)
				if by == "the next mount" {
					w = remount(t, w)
				}
				time.Sleep(time.Minute)
				mine := 0
				for p := range w.catalog.Between(time.Unix(0, 1), time.Now()) {
					if p.Mine {
						mine++
					}
				}
				if mine != 1 {
					t.Errorf("%d predictions are known to be ours, want 1", mine)
				}
				w.creates(1)
			})
		})
	}
}

// While predictions cannot be written down, one that is asked for by its id is
// an error, not a folder without permissions.
func TestLookOnAFullDisk(t *testing.T) {
	w := newWorld(t, sim.Options{}, Options{})
	id := w.sim.Add(sim.Prediction{Model: "acme/blob", Status: sim.Succeeded, Output: sim.NewBlob("out.bin", 10)})
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TRIGGER full BEFORE INSERT ON prediction BEGIN SELECT RAISE(ABORT, 'no space'); END`); err != nil {
		t.Fatal(err)
	}
	dir := &predictionDir{w.FS, id}
	if info, err := dir.Info(t.Context()); err == nil {
		t.Errorf("what could not be written down is told as %+v", info)
	}
	if _, err := db.Exec(`DROP TRIGGER full`); err != nil {
		t.Fatal(err)
	}
	if info, err := dir.Info(t.Context()); err != nil || info.Mode != tree.DirMode {
		t.Errorf("with room again: %+v, %v", info, err)
	}
}
