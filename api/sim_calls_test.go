package api_test

import (
	"errors"
	iofs "io/fs"
	"strings"
	"testing"
	"testing/synctest"

	"replicatefs/api/sim"
)

// All the rest of the API, once.
func TestSimOtherCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Speed: sim.Instant})
		ctx := t.Context()
		a, err := w.client.Account(ctx)
		if err != nil || a.Username != "demo" {
			t.Errorf("Account: %+v, %v", a, err)
		}
		if got := collect(t, w.client.Models(ctx)); len(got) == 0 {
			t.Error("no models")
		}
		if found, err := w.client.Search(ctx, "flux"); err != nil || len(found) == 0 {
			t.Errorf("Search: %v, %v", found, err)
		}
		if _, err := w.client.Readme(ctx, "black-forest-labs", "flux-schnell"); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			t.Error(err)
		}
		for _, col := range collect(t, w.client.Collections(ctx)) {
			if full, err := w.client.Collection(ctx, col.Slug); err != nil || len(full.Models) == 0 {
				t.Errorf("Collection(%s): %+v, %v", col.Slug, full, err)
			}
		}
		for _, d := range collect(t, w.client.Deployments(ctx)) {
			if got, err := w.client.Deployment(ctx, d.Owner, d.Name); err != nil || got.Release.Model != d.Release.Model {
				t.Errorf("Deployment(%s): %+v, %v", d.Name, got, err)
			}
		}
		for _, tr := range collect(t, w.client.Trainings(ctx)) {
			if _, err := w.client.Training(ctx, tr.ID); err != nil {
				t.Error(err)
			}
		}
		content := strings.Repeat("cat", 100_000)
		f, err := w.client.Upload(ctx, "cat ü.txt", "text/plain", strings.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.client.File(ctx, f.ID); err != nil || got.Size != int64(len(content)) || got.Name != "cat ü.txt" || !strings.HasPrefix(got.Type, "text/plain") {
			t.Errorf("File: %+v, %v", got, err)
		}
		if got := collect(t, w.client.Files(ctx)); len(got) != 1 || got[0].ID != f.ID {
			t.Errorf("Files: %v", got)
		}
		if err := w.client.DeleteFile(ctx, f.ID); err != nil {
			t.Error(err)
		}
		if _, err := w.client.File(ctx, f.ID); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("a deleted file: %v", err)
		}
		if _, err := w.client.Prediction(ctx, "nosuchprediction"); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("unknown prediction: %v", err)
		}
	})
}
