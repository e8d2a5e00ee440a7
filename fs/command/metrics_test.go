package command

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"replicatefs/api"
	"replicatefs/fs"
)

// Names and units are as Prometheus wants them, whatever there is to tell, and
// what comes from the API makes no labels of its own.
func TestMetricsLint(t *testing.T) {
	now := time.Now()
	last := now.Add(-3 * time.Second)
	s := fs.Stats{
		Mount: &fs.MountStats{Handles: 7}, Sync: fs.SyncStats{Last: &last}, Runs: []string{"a", "b"},
		Catalog:  fs.CatalogStats{Statuses: map[string]int{"succeeded": 3, "odd": 1, "new": 2}},
		Ended:    map[string]int64{"failed": 1, "odd": 4},
		Requests: []api.RequestCount{{Kind: "read prediction", Class: "2xx", Count: 5}},
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector{func() fs.Stats { return s }, func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := strings.TrimPrefix(f.GetName(), "replicatefs_")
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"open_handles": 7, "runs_in_flight": 2, "sync_age_seconds": 3, "predictions succeeded": 3, "predictions other": 3,
		"runs_ended_total failed": 1, "runs_ended_total other": 4, "requests_total 2xx read prediction": 5,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v; there are %v", name, got[name], want, got)
		}
	}
}

func TestMetricsAddr(t *testing.T) {
	for flag, want := range map[string]string{
		"": "", "9100": "127.0.0.1:9100", ":9100": "127.0.0.1:9100", "0": "127.0.0.1:0",
		"0.0.0.0:9100": "0.0.0.0:9100", "[::1]:80": "[::1]:80", "box:80": "box:80",
		"x": "error", "1:2:3": "error", ":http": "error", "70000": "error", ":70000": "error",
	} {
		got, err := metricsAddr(flag)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("--metrics-addr %q is %q (%v), want %q", flag, got, err, want)
		}
	}
}
