package fs

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// addTraining puts a training into an account that has ended long ago.
func addTraining(w *world, input string) string {
	return w.sim.Add(sim.Prediction{
		Training: true, Model: "acme/trainer", Status: sim.Succeeded, Source: "web",
		Input: []byte(input), Logs: "step 1\nstep 2\n", CreatedAt: time.Now().Add(-48 * time.Hour), CompletedAt: time.Now().Add(-47 * time.Hour),
		Output: map[string]any{"version": "demo/lion:" + strings.Repeat("ab", 32), "weights": sim.NewBlob("trained_model.tar", 3<<20)},
	})
}

// A training is laid out as a prediction, with its weights as an output that
// is read as it is needed. It costs one request to list them, and one for logs
// that the list left out.
func TestTrainings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		id := addTraining(w, `{"steps": 1000}`)
		w.Start()
		synctest.Wait()
		w.sim.ResetRequests()
		if got := w.names("trainings"); got != id {
			t.Errorf("trainings has %q, want %q", got, id)
		}
		want := "input.json logs.txt metrics.json output-version.txt output-weights.tar output.json prediction.json status"
		if got := w.names("trainings/" + id); got != want {
			t.Errorf("a training has %q, want %q", got, want)
		}
		if n := len(w.sim.Requests()); n != 1 {
			t.Errorf("listing cost %d requests, want 1: %v", n, w.sim.Requests())
		}
		if got := w.read("trainings/" + id + "/logs.txt"); got != "step 1\nstep 2\n" {
			t.Errorf("logs.txt says %q", got)
		}
		if got := len(w.read("trainings/" + id + "/output-weights.tar")); got != 3<<20 {
			t.Errorf("%d bytes of weights, want %d", got, 3<<20)
		}
		if n := w.sim.Count("GET", "/v1/trainings/*"); n != 1 {
			t.Errorf("logs and weights cost %d questions about the training, want 1", n)
		}
		if got := w.names("models"); got != "acme demo" {
			t.Errorf("models has %q, want what was trained, and what came of it", got)
		}
		if info, _ := must(w.at("trainings/" + id + "/output-weights.tar")).Info(t.Context()); info.Valid != tree.Final {
			t.Errorf("the weights are told as %+v, want them final", info)
		}
		for _, name := range []string{".git", "desktop.ini", "HEAD", "short"} {
			w.sim.ResetRequests()
			if _, err := w.at("trainings/" + name); err == nil || len(w.sim.Requests()) > 0 {
				t.Errorf("trainings/%s: %v, and %d requests", name, err, len(w.sim.Requests()))
			}
		}
	})
}

// What is known of trainings is there without the API, and the same.
func TestTrainingsOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, sim.Options{}, Options{})
		id := addTraining(w, `{}`)
		first := mountWorld(t, w.sim, dir, Options{})
		first.Start()
		synctest.Wait()
		names := first.names("trainings/" + id)
		before, logs := first.read("trainings/"+id+"/prediction.json"), first.read("trainings/"+id+"/logs.txt")
		weights := must(must(first.at("trainings/" + id + "/output-weights.tar")).Info(t.Context()))
		number := must(first.at("trainings/" + id)).Ino()
		first.Close()
		first.catalog.Close()
		first.cache.Close()

		w.sim.Inject(sim.Fault{Path: "/v1/trainings*", Reset: true, Times: -1})
		again := mountWorld(t, w.sim, dir, Options{})
		again.Start()
		if got := again.names("trainings"); got != id {
			t.Errorf("offline, trainings has %q, want %q", got, id)
		}
		if got := again.names("trainings/" + id); got != names {
			t.Errorf("offline, the training has %q, want %q", got, names)
		}
		if again.read("trainings/"+id+"/prediction.json") != before || again.read("trainings/"+id+"/logs.txt") != logs {
			t.Error("offline, the training says something else")
		}
		if got := must(must(again.at("trainings/" + id + "/output-weights.tar")).Info(t.Context())); got != weights {
			t.Errorf("the weights are %+v, were %+v", got, weights)
		}
		if got := must(again.at("trainings/" + id)).Ino(); got != number {
			t.Errorf("the training has number %d, had %d", got, number)
		}
	})
}

// A training can be watched and ended, and what was seen of it stays when
// Replicate has deleted its data.
func TestTrainingUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		id := w.sim.Add(sim.Prediction{Training: true, Model: "acme/trainer", Status: sim.Processing, Logs: "step 1\n", Input: []byte(`{"steps":3}`)})
		w.Start()
		synctest.Wait()
		dir := "trainings/" + id
		if got, want := w.names(dir), "cancel input.json logs.txt prediction.json status"; got != want {
			t.Errorf("a training under way has %q, want %q", got, want)
		}
		if got := w.read(dir + "/logs.txt"); got != "step 1\n" {
			t.Errorf("logs.txt says %q", got)
		}
		w.sim.Set(id, func(p *sim.Prediction) { p.Logs += "step 2\n" })
		w.read(dir + "/status") // somebody looks
		time.Sleep(quickPoll)
		w.read(dir + "/status")
		synctest.Wait()
		if got := w.read(dir + "/logs.txt"); got != "step 1\nstep 2\n" {
			t.Errorf("a moment later logs.txt says %q", got)
		}
		if err := w.save(dir+"/cancel", "x"); err != nil {
			t.Errorf("cancel: %v", err)
		}
		if got := w.read(dir + "/status"); got != "canceled\n" {
			t.Errorf("after cancel the status is %q", got)
		}
		time.Sleep(2 * time.Hour)
		w.names("trainings")
		w.refresh(t.Context(), dir) // Replicate tells that the data is gone
		if got := w.read(dir + "/logs.txt"); got != "step 1\nstep 2\n" {
			t.Errorf("after the hour logs.txt says %q", got)
		}
		if got, want := w.names(dir), "input.json logs.txt metrics.json prediction.json status"; got != want {
			t.Errorf("after the hour the training has %q, want %q", got, want)
		}
	})
}

// Trainings that have ended cost nothing more, and one under way one question
// in a poll.
func TestTrainingsAreQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		addTraining(w, `{}`)
		running := w.sim.Add(sim.Prediction{Training: true, Model: "acme/trainer", Status: sim.Processing})
		w.Start()
		synctest.Wait()
		w.names("trainings")
		w.sim.ResetRequests()
		time.Sleep(5*time.Minute + time.Second)
		polls := w.sim.Count("GET", "/v1/predictions")
		if n := w.sim.Count("GET", "/v1/trainings/*"); n == 0 || n > polls {
			t.Errorf("%d questions about a training under way in %d polls", n, polls)
		}
		if n := w.sim.Count("GET", "/v1/trainings"); n != 0 {
			t.Errorf("the list was asked for %d times while nobody looked", n)
		}
		w.sim.Set(running, func(p *sim.Prediction) { p.Status = sim.Succeeded })
		time.Sleep(time.Minute)
		w.sim.ResetRequests()
		time.Sleep(5 * time.Minute)
		if n := w.sim.Count("GET", "/v1/trainings/*"); n != 0 {
			t.Errorf("%d questions about trainings that have ended", n)
		}
	})
}

// The example of a model is a prediction of somebody else: its files can be
// read, and it costs what the model costs.
func TestExample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		w.Start()
		synctest.Wait()
		w.names(painter)
		w.sim.ResetRequests()
		if got, want := w.names(painter+"/example"), "input.json logs.txt metrics.json output-0.webp output.json prediction.json prompt.txt status"; got != want {
			t.Errorf("the example has %q, want %q", got, want)
		}
		prompt := w.read(painter + "/example/prompt.txt")
		w.read(painter + "/example/logs.txt")
		if n := len(w.sim.Requests()); n != 0 {
			t.Errorf("the example of a known model costs %d requests: %v", n, w.sim.Requests())
		}
		if !strings.Contains(w.read(painter+"/example/input.json"), strings.TrimSpace(prompt)) {
			t.Errorf("input.json does not have the prompt %q", prompt)
		}
		if got := w.read(painter + "/example/output-0.webp"); !strings.HasPrefix(got, "RIFF") {
			t.Errorf("the picture begins with %.8q", got)
		}
		if err := w.save(painter+"/prompt.txt", prompt); err != nil {
			t.Errorf("the example's prompt: %v", err)
		}
		if _, err := w.at("models/acme/nothing/example"); err == nil {
			t.Error("a model that is not there has an example")
		}
		if got := w.names("predictions"); strings.Contains(got, "example") || len(strings.Fields(got)) != 1 {
			t.Errorf("predictions has %q, want the one that was run", got)
		}
	})
}

// An answer that was given before the end of a training and comes after it
// takes nothing back.
func TestTrainingsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{}, Options{})
		id := w.sim.Add(sim.Prediction{Training: true, Model: "acme/trainer", Status: sim.Processing, Logs: "step 1\n"})
		w.Start()
		synctest.Wait()
		before, err := w.api.Training(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		w.sim.Set(id, func(p *sim.Prediction) { p.Status, p.Logs = sim.Canceled, "step 1\nstep 2\n" })
		after, err := w.api.Training(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		after.HasLogs = false // as the list tells it
		for _, told := range []*api.Prediction{after, before} {
			if err := w.trainings.put(t.Context(), false, told); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.read("trainings/" + id + "/status"); got != "canceled\n" {
			t.Errorf("the training is %q, want it canceled", got)
		}
	})
}
