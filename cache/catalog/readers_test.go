package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestReadersDoNotWait reads while another process is in the middle of a write.
func TestReadersDoNotWait(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	defer shut(t, c)
	put(t, c, full)
	if _, err := c.PutDoc(t.Context(), "account", []byte("x")); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", source(filepath.Join(dir, fileName), "NORMAL", true))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, q := range []string{"BEGIN IMMEDIATE", "DELETE FROM raw", "DELETE FROM document", "DELETE FROM prediction"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	// and while a write of our own waits for that
	ctx, cancel := context.WithCancel(t.Context())
	wrote := make(chan error)
	go func() {
		_, err := c.Put(ctx, with2(live, "waits"), Record{Prediction: Prediction{ID: "q"}})
		wrote <- err
	}()
	wantRaw(t, c, "p", "full")
	if _, _, err := c.Doc(t.Context(), "account"); err != nil {
		t.Error(err)
	}
	if _, err := c.Outputs(t.Context(), "p"); err != nil {
		t.Error(err)
	}
	if _, err := c.Runs(t.Context()); err != nil {
		t.Error(err)
	}
	if got := c.All(); len(got) != 1 {
		t.Errorf("%d predictions, want 1", len(got))
	}
	cancel()
	// It waits for 10 s only, which a busy machine may take.
	if err := <-wrote; !errors.Is(err, context.Canceled) && (err == nil || !strings.Contains(err.Error(), "SQLITE_BUSY")) {
		t.Errorf("cancelled write: %v, want it cancelled", err)
	}
	if _, err := db.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	put(t, c, Record{Prediction: Prediction{ID: "q"}})
	if got := c.Len(); got != 2 {
		t.Errorf("%d predictions, want 2", got)
	}
}

func TestConcurrency(t *testing.T) {
	c := open(t, t.TempDir())
	defer shut(t, c)
	recs := sample(3, 400)
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		writers.Go(func() {
			for i := range 10 {
				page := recs[(w*5+i)%20*20:][:20]
				if _, err := c.Put(t.Context(), page...); err != nil {
					t.Error(err)
				}
				if err := c.PutOutputs(t.Context(), page[0].ID, map[string]Output{fmt.Sprint(w, i): {Size: 1}}); err != nil {
					t.Error(err)
				}
				if err := c.PutRun(t.Context(), Run{ID: fmt.Sprint(w, i)}); err != nil {
					t.Error(err)
				}
				if _, err := c.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				n := c.Len()
				if got := len(c.All()); got < n {
					t.Errorf("%d predictions after %d", got, n)
				}
				for p := range c.ByStatus("succeeded") {
					if b, err := c.Raw(t.Context(), p.ID); err != nil || len(b) == 0 {
						t.Errorf("object of %s: %d bytes, %v", p.ID, len(b), err)
					}
					if _, err := c.Outputs(t.Context(), p.ID); err != nil {
						t.Error(err)
					}
					break
				}
				c.Models()
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if got := c.All(); !slices.Equal(got, rowsOf(recs)) {
		t.Errorf("%d predictions, not as they were put", len(got))
	}
}
