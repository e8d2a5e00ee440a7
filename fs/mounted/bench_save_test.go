package mounted_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// BenchmarkSave tells what the mount itself adds to a run, in milliseconds:
// from close() to the request for it, where the schema is known, and from the
// end of the run at the API to the return of close(), with an event stream
// and by asking.
//
//	go test -run '^$' -bench Save -benchtime 20x ./fs/mounted
func BenchmarkSave(b *testing.B) {
	for _, test := range []struct{ name, model, file, text string }{
		{"stream", "models/acme/puppet", "prompt.txt", "a lion"},
		{"poll", "models/acme/slow", "input.json", `{"prompt": "a lion", "seconds": 600}`},
	} {
		b.Run(test.name, func(b *testing.B) {
			m := mounted.Serve(b, sim.Options{Speed: 0.001}).Mount(mounted.Options{Flags: []string{"--poll=1h", "--max-runs-per-minute=10000"}})
			path := m.Path(test.model, test.file)
			if _, err := os.ReadFile(m.Path(test.model, "schema.json")); err != nil {
				b.Fatal(err)
			}
			var sent, ended []time.Duration
			for range b.N {
				f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := f.WriteString(test.text); err != nil {
					b.Fatal(err)
				}
				m.ResetRequests()
				type end struct {
					at  time.Time
					err error
				}
				closed := make(chan end, 1)
				start := time.Now()
				go func() {
					err := f.Close()
					closed <- end{time.Now(), err}
				}()
				// Whoever follows the run has asked for it, or for its stream, before it ends.
				mounted.Until(b, "the run is followed", func() bool {
					return m.Count(http.MethodGet, "*/predictions/*")+m.Count(http.MethodGet, "/stream/*") > 0 || len(closed) > 0
				})
				for _, r := range m.Requests() {
					if r.Method == http.MethodPost {
						sent = append(sent, r.Time.Sub(start))
					}
				}
				link, err := os.Readlink(m.Path(test.model, "latest"))
				if err != nil {
					b.Fatal(err)
				}
				over := time.Now()
				m.Set(link[strings.LastIndexByte(link, '/')+1:], func(p *sim.Prediction) { p.Status, p.Output = sim.Succeeded, "done" })
				e := <-closed
				if e.err != nil {
					b.Fatal(e.err)
				}
				ended = append(ended, e.at.Sub(over))
			}
			if len(sent) != b.N {
				b.Fatalf("%d creates, want %d", len(sent), b.N)
			}
			b.ReportMetric(median(sent).Seconds()*1e3, "ms-to-create")
			b.ReportMetric(median(ended).Seconds()*1e3, "ms-after-end")
			b.ReportMetric(0, "ns/op")
		})
	}
}
