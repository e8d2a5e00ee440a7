package fs

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/fs/tree"
)

// Without a network the first read tries for some seconds, and the others fail
// at once; a host that answers again is asked again.
func TestReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		w := newWorld(t, sim.Options{}, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
		for range 3 {
			w.sim.Add(sim.Prediction{Model: "acme/blob", Status: api.Succeeded, Source: "web", Output: sim.NewBlob("out.bin", 1000)})
		}
		w.Start()
		synctest.Wait()
		var files []tree.File
		for _, id := range strings.Fields(w.names("predictions")) {
			f := must(w.at("predictions/" + id + "/output.bin")).(tree.File)
			if _, err := f.Info(t.Context()); err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		read := func(f tree.File) error {
			h, err := f.Open(t.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			_, err = h.ReadAt(t.Context(), make([]byte, 100), 0)
			return err
		}
		fault := w.sim.Inject(sim.Fault{Host: sim.Delivery, Reset: true, Times: -1})
		start := time.Now()
		if err := read(files[0]); err == nil {
			t.Fatal("it is read from a host that does not answer")
		}
		if took := time.Since(start); took < time.Second || took > 10*time.Second {
			t.Errorf("the first read failed after %v", took)
		}
		start = time.Now()
		var away *awayError
		if err := read(files[1]); !errors.As(err, &away) {
			t.Errorf("the second read: %v", err)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("the second read failed after %v", took)
		}
		if n := strings.Count(said.String(), "does not answer"); n != 1 {
			t.Errorf("the log says %d times that the host is away:\n%s", n, said.String())
		}
		fault.Stop()
		time.Sleep(awayFor)
		for _, f := range files {
			if err := read(f); err != nil {
				t.Errorf("back online: %v", err)
			}
		}
		if !strings.Contains(said.String(), "answers again") {
			t.Errorf("the log does not say that the host is back:\n%s", said.String())
		}
	})
}
