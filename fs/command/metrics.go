package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/urfave/cli/v2"

	"replicatefs/api"
	"replicatefs/fs"
)

func metricsFlag() cli.Flag {
	return &cli.StringFlag{Name: "metrics-addr", Usage: "serve Prometheus metrics at `[HOST:]PORT`; without HOST on loopback only", EnvVars: env("metrics-addr")}
}

// metricsAddr is the address that a flag means: loopback where it names no
// host. Metrics tell how much an account is used, so others get them only
// where that is said in so many words.
func metricsAddr(flag string) (string, error) {
	if flag == "" {
		return "", nil
	}
	if _, err := strconv.ParseUint(flag, 10, 16); err == nil {
		flag = ":" + flag
	}
	host, port, err := net.SplitHostPort(flag)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", usage{fmt.Sprintf("--metrics-addr %s: want a port, or HOST:PORT", flag)}
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// exporter serves what a mount counts.
type exporter struct {
	listener net.Listener
	server   *http.Server
	served   chan struct{} // closed when the server has ended
	log      *slog.Logger
}

// listenMetrics takes the address, so that one that cannot be had is told
// before anything is mounted. Nil without one.
func listenMetrics(addr string, log *slog.Logger) (*exporter, error) {
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--metrics-addr: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		log.Warn("metrics can be read from other machines", "addr", a.String())
	}
	return &exporter{listener: l, log: log}, nil
}

// addr is where they are served; "" of nil.
func (m *exporter) addr() string {
	if m == nil {
		return ""
	}
	return m.listener.Addr().String()
}

// serve begins to serve the figures of a tree.
func (m *exporter) serve(tree *fs.FS) {
	if m == nil {
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collector{tree.Stats, time.Now},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: controlLimit, ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelDebug)}
	m.served = make(chan struct{})
	go func() {
		defer close(m.served)
		if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("metrics are not served any more", "err", err)
		}
	}()
}

// close ends it, and lets an answer under way be read.
func (m *exporter) close() {
	if m == nil {
		return
	}
	if m.server == nil {
		m.listener.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), controlLimit)
	defer cancel()
	m.server.Shutdown(ctx)
	m.server.Close()
	<-m.served
}

// A collector tells Prometheus the figures of a mount. It asks for them when
// it is asked, so metrics cost nothing between two scrapes.
type collector struct {
	stats func() fs.Stats
	now   func() time.Time
}

// A metric is one of them under a name.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(s *fs.Stats) float64
}

func newMetric(name, help string, kind prometheus.ValueType, of func(s *fs.Stats) float64) metric {
	return metric{prometheus.NewDesc("replicatefs_"+name, help, nil, nil), kind, of}
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// plainMetrics are those without labels. A new one is a row here.
var plainMetrics = []metric{
	newMetric("fetched_bytes_total", "Bytes of outputs that arrived.", counter, func(s *fs.Stats) float64 { return float64(s.Cache.FetchedBytes) }),
	newMetric("fetches_total", "Requests for bytes of outputs.", counter, func(s *fs.Stats) float64 { return float64(s.Cache.Fetches) }),
	newMetric("fetch_retries_total", "Requests for bytes made again after a fault.", counter, func(s *fs.Stats) float64 { return float64(s.Cache.Retries) }),
	newMetric("fetch_failures_total", "Fetches given up.", counter, func(s *fs.Stats) float64 { return float64(s.Cache.Failed) }),
	newMetric("fetches_in_flight", "Fetches that hold a connection.", gauge, func(s *fs.Stats) float64 { return float64(s.Cache.InFlight) }),
	newMetric("fetches_queued", "Fetches that wait for a connection.", gauge, func(s *fs.Stats) float64 { return float64(s.Cache.Queued) }),
	newMetric("reads_total", "Reads of outputs that reached the cache.", counter, func(s *fs.Stats) float64 { return float64(s.Cache.Reads) }),
	newMetric("cache_misses_total", "Pieces of reads that waited for the network.", counter, func(s *fs.Stats) float64 { return float64(s.Cache.Misses) }),
	newMetric("cache_evictions_total", "Files evicted from the disk.", counter, func(s *fs.Stats) float64 { return float64(s.Cache.Evicted) }),
	newMetric("cache_bad_chunks_total", "Chunks on the disk that were not as written.", counter, func(s *fs.Stats) float64 { return float64(s.Cache.BadChunks) }),
	newMetric("cache_memory_bytes", "Memory of chunks.", gauge, func(s *fs.Stats) float64 { return float64(s.Cache.InUse + s.Cache.Tier) }),
	newMetric("cache_bytes", "Disk taken by the cache.", gauge, func(s *fs.Stats) float64 { return float64(s.Cache.DiskUsed) }),
	newMetric("cache_limit_bytes", "Disk that the cache may take.", gauge, func(s *fs.Stats) float64 { return float64(s.Cache.DiskLimit) }),
	newMetric("cache_disk_free_bytes", "What the disk has free for the cache.", gauge, func(s *fs.Stats) float64 { return float64(s.Cache.DiskFree) }),
	newMetric("kept_bytes", "Bytes of kept files.", gauge, func(s *fs.Stats) float64 { return float64(s.Keep.Bytes) }),
	newMetric("kept_limit_bytes", "Bytes that may be kept.", gauge, func(s *fs.Stats) float64 { return float64(s.Keep.Limit) }),
	newMetric("kept_files", "Kept files.", gauge, func(s *fs.Stats) float64 { return float64(s.Keep.Files) }),
	newMetric("keep_pending", "Predictions with files still to be kept.", gauge, func(s *fs.Stats) float64 { return float64(s.Keep.Pending) }),
	newMetric("keep_stopped", "1 while nothing more is kept for lack of room.", gauge, func(s *fs.Stats) float64 { return flag(s.Keep.Stopped != "") }),
	newMetric("runs_started_total", "Runs started through the mount.", counter, func(s *fs.Stats) float64 { return float64(s.Started) }),
	newMetric("runs_in_flight", "Runs that are being watched.", gauge, func(s *fs.Stats) float64 { return float64(len(s.Runs)) }),
	newMetric("sync_polls_total", "Polls of the API for news that were answered.", counter, func(s *fs.Stats) float64 { return float64(s.Sync.Polls) }),
	newMetric("sync_complete", "1 once the whole list of predictions was read.", gauge, func(s *fs.Stats) float64 { return flag(s.Sync.Complete) }),
	newMetric("sync_failing", "1 while the API brings no news.", gauge, func(s *fs.Stats) float64 { return flag(s.Sync.Failing != nil) }),
	newMetric("output_bytes", "Bytes of all outputs whose size is known.", gauge, func(s *fs.Stats) float64 { return float64(s.Catalog.Bytes) }),
	newMetric("open_handles", "Files and folders that are open.", gauge, func(s *fs.Stats) float64 { return float64(mountOf(s).Handles) }),
	newMetric("kernel_nodes", "Files and folders that the kernel remembers.", gauge, func(s *fs.Stats) float64 { return float64(mountOf(s).Nodes) }),
	newMetric("kernel_pushed_bytes_total", "Bytes put into the kernel's cache ahead of reads.", counter, func(s *fs.Stats) float64 { return float64(mountOf(s).Pushed) }),
}

// Those with labels, and the age of the news, whose value is of this moment.
var (
	buildDesc       = prometheus.NewDesc("replicatefs_build_info", "1, with the version of the program.", []string{"version"}, nil)
	requestsDesc    = prometheus.NewDesc("replicatefs_requests_total", "Requests to the API and to output hosts, by what was attempted and the class of the answer.", []string{"kind", "class"}, nil)
	hitsDesc        = prometheus.NewDesc("replicatefs_cache_hits_total", "Pieces of reads that were here, by where.", []string{"tier"}, nil)
	endedDesc       = prometheus.NewDesc("replicatefs_runs_ended_total", "Watched runs that ended, by status.", []string{"status"}, nil)
	predictionsDesc = prometheus.NewDesc("replicatefs_predictions", "Known predictions, by status.", []string{"status"}, nil)
	ageDesc         = prometheus.NewDesc("replicatefs_sync_age_seconds", "Time since news came last; absent before.", nil, nil)
)

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func mountOf(s *fs.Stats) fs.MountStats {
	if s.Mount == nil {
		return fs.MountStats{}
	}
	return *s.Mount
}

func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range plainMetrics {
		to <- f.desc
	}
	for _, d := range []*prometheus.Desc{buildDesc, requestsDesc, hitsDesc, endedDesc, predictionsDesc, ageDesc} {
		to <- d
	}
}

func (c collector) Collect(to chan<- prometheus.Metric) {
	s := c.stats()
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, f := range plainMetrics {
		tell(f.desc, f.kind, f.of(&s))
	}
	tell(buildDesc, gauge, 1, version())
	for _, r := range s.Requests {
		tell(requestsDesc, counter, float64(r.Count), r.Kind, r.Class)
	}
	tell(hitsDesc, counter, float64(s.Cache.HitsMemory), "memory")
	tell(hitsDesc, counter, float64(s.Cache.HitsTier), "second_chance")
	tell(hitsDesc, counter, float64(s.Cache.HitsDisk), "disk")
	ended, known := map[string]float64{}, map[string]float64{}
	for status, n := range s.Ended {
		ended[statusLabel(status)] += float64(n)
	}
	for status, n := range s.Catalog.Statuses {
		known[statusLabel(status)] += float64(n)
	}
	for status, n := range ended {
		tell(endedDesc, counter, n, status)
	}
	for status, n := range known {
		tell(predictionsDesc, gauge, n, status)
	}
	if s.Sync.Last != nil {
		tell(ageDesc, gauge, c.now().Sub(*s.Sync.Last).Seconds())
	}
}

// statusLabel bounds what comes from the API.
func statusLabel(status string) string {
	if slices.Contains([]string{api.Starting, api.Processing, api.Succeeded, api.Failed, api.Canceled, api.Aborted}, status) {
		return status
	}
	return "other"
}
