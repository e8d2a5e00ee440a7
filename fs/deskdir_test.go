package fs

import (
	"errors"
	iofs "io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api/sim"
)

const (
	upscaler   = "models/acme/upscaler"
	deployment = "deployments/you/upscale-fast"
)

// tinyPNG is a picture of one point.
const tinyPNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

// A version is a folder in which that version runs, the one that is not the
// latest as well.
func TestVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{Wait: time.Minute})
		ids := strings.Fields(w.names(upscaler + "/versions"))
		if len(ids) != 2 {
			t.Fatalf("versions are %q, want 2", ids)
		}
		for _, id := range ids {
			where := upscaler + "/versions/" + id
			if got, want := w.names(where), "input.json prompt.txt schema.json"; got != want {
				t.Errorf("a version has %q, want %q", got, want)
			}
			if got := w.read(where + "/schema.json"); !strings.Contains(got, `"scale"`) {
				t.Errorf("schema.json is %s", got)
			}
			if err := w.save(where+"/input.json", `{"image": "`+tinyPNG+`"}`); err != nil {
				t.Fatal(err)
			}
			p, ok := w.catalog.Prediction(w.latest(where))
			if !ok || p.Version != id {
				t.Errorf("the run is %+v, want one of version %s", p, id)
			}
			if err := w.save(where+"/prompt.txt", "a lion"); !errors.Is(err, iofs.ErrInvalid) {
				t.Errorf("without a picture close() gives %v, want invalid", err)
			}
			if got, want := w.read(where+"/error.txt"), "image is missing: it is required.\n"; got != want {
				t.Errorf("error.txt says %q, want %q", got, want)
			}
		}
		w.creates(2)

		asked := w.sim.Count("GET", "")
		for _, name := range []string{".git", "latest", "abc", "README.md", strings.Repeat("g", 64)} {
			if _, err := w.at(upscaler + "/versions/" + name); !errors.Is(err, iofs.ErrNotExist) {
				t.Errorf("versions/%s gives %v, want not exist", name, err)
			}
		}
		if got := w.sim.Count("GET", "") - asked; got != 0 {
			t.Errorf("names that cannot be versions cost %d requests, want 0", got)
		}
		if _, err := w.at(upscaler + "/versions/" + strings.Repeat("0", 64)); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("a version that does not exist gives %v, want not exist", err)
		}
	})
}

// The list of a model's versions is asked for once, and again a day later
// behind who looks; whatever it says, what is known is shown. One that tells
// of none is not asked each time.
func TestVersionsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := newWorld(t, sim.Options{}, Options{})
		look := func(w *world, what string, want int) {
			t.Helper()
			w.sim.ResetRequests()
			for range 3 {
				for _, model := range []string{upscaler, painter} {
					w.names(model + "/versions")
				}
				synctest.Wait()
			}
			if got := w.sim.Count("GET", "/v1/models/*/versions"); got != want {
				t.Errorf("%s: the lists cost %d requests, want %d", what, got, want)
			}
		}
		first := mountWorld(t, a.sim, dir, Options{})
		first.names(upscaler)
		first.names(painter)
		look(first, "at first", 2)
		first.Close()
		first.catalog.Close()
		first.cache.Close()
		w := mountWorld(t, a.sim, dir, Options{})
		w.names(upscaler)
		look(w, "after a remount", 0)
		time.Sleep(versionsLife)
		look(w, "a day later", 2)

		// Without the list, the latest is known by the model.
		w.sim.Inject(sim.Fault{Host: sim.API, Reset: true, Times: -1, Path: "*/versions"})
		if got := w.names("models/acme/captioner/versions"); len(got) != 64 {
			t.Errorf("without the list there is %q, want the latest", got)
		}
	})
}

func TestDeployments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{Past: 1, Account: "you"}, Options{Wait: time.Minute})
		w.Start()
		if got, want := w.names("deployments"), "you"; got != want {
			t.Fatalf("deployments has %q, want %q", got, want)
		}
		if got, want := w.names("deployments/you"), "upscale-fast"; got != want {
			t.Errorf("deployments/you has %q, want %q", got, want)
		}
		if got, want := w.names(deployment), "README.md deployment.json input.json model.json predictions prompt.txt schema.json"; got != want {
			t.Errorf("a deployment has %q, want %q", got, want)
		}
		for name, want := range map[string]string{
			"README.md": "# Upscaler", "deployment.json": `"gpu-l40s"`, "model.json": `"upscaler"`, "schema.json": `"scale"`,
		} {
			if got := w.read(deployment + "/" + name); !strings.Contains(got, want) {
				t.Errorf("%s says %q, want it to have %s", name, got, want)
			}
		}
		if !strings.Contains(w.names("models/acme"), "upscaler") {
			t.Error("the deployed model is not listed in models/")
		}
		before := w.sim.Creates()
		if err := w.save(deployment+"/input.json", `{"image": "`+tinyPNG+`", "scale": 3}`); !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("close() gives %v, want invalid", err)
		}
		if got, want := w.read(deployment+"/error.txt"), "scale must be one of 2, 4, not 3.\n"; got != want {
			t.Errorf("error.txt says %q, want %q", got, want)
		}
		if err := w.save(deployment+"/input.json", `{"image": "`+tinyPNG+`", "scale": 4}`); err != nil {
			t.Fatal(err)
		}
		if got := w.sim.Count("POST", "/v1/deployments/you/upscale-fast/predictions"); got != 1 {
			t.Errorf("%d runs by the deployment, want 1", got)
		}
		if got := w.sim.Creates() - before; got != 1 {
			t.Errorf("%d runs, want 1", got)
		}
		if got, want := w.names(deployment+"/predictions"), w.latest(deployment); got != want {
			t.Errorf("its predictions are %q, want %q", got, want)
		}
		if !strings.Contains(w.names(deployment+"/latest"), "output.") {
			t.Error("latest has no output")
		}
		for _, name := range []string{"deployments/you/none", "deployments/nobody/upscale-fast", "deployments/.x", "deployments/you/.git"} {
			if _, err := w.at(name); !errors.Is(err, iofs.ErrNotExist) {
				t.Errorf("%s gives %v, want not exist", name, err)
			}
		}

		// Offline it shows what is known, after a remount too.
		w.Close()
		again := mountWorld(t, w.sim, w.dir, Options{})
		again.sim.Inject(sim.Fault{Host: sim.API, Status: 503, Times: -1})
		if got, want := again.names("deployments/you"), "upscale-fast"; got != want {
			t.Errorf("offline deployments/you has %q, want %q", got, want)
		}
		if got := again.read(deployment + "/schema.json"); !strings.Contains(got, `"scale"`) {
			t.Errorf("offline schema.json is %q", got)
		}
		time.Sleep(2 * askDeadline) // until the questions behind it have given up
	})
}

// latest is the id of the prediction to which the latest of a folder leads.
func (w *world) latest(where string) string {
	w.t.Helper()
	node, err := w.at(where + "/latest")
	if err != nil {
		w.t.Fatal(err)
	}
	p, ok := node.(*predictionDir)
	if !ok {
		w.t.Fatalf("latest of %s leads to no prediction but %T", where, node)
	}
	return p.id
}
