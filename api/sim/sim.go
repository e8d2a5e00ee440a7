// Package sim is Replicate in memory: an account with models, deployments,
// trainings, uploaded files and a past, served by one [http.Handler] that
// answers as the HTTP API does, together with the two hosts beside it, the
// delivery host with the output files and the stream host with the events.
//
// It is a product, not a test double: `replicatefs demo` mounts it and
// `replicatefs sim` serves it to any client. And it is what the tests of all
// other packages talk to, so it is strict about what Replicate is strict
// about and does what Replicate is known to do at its worst: the same
// prediction in two JSON shapes, a reply that is "processing" with its whole
// output, data that is gone after an hour, two files of one name.
//
// The package does not import replicatefs/api, nor the other way round: both
// are written from the description of the API, and a mistake shared by both
// would cancel itself out.
//
// # Time
//
// Nothing happens in the background. A run is a script that was written when
// it was created (when it boots, what it prints, what it puts out, how it
// ends) and every request looks at the clock and shows the script up to now.
// Hence a world with a hundred thousand predictions costs nothing until it is
// read, works inside testing/synctest, and [Sim.Advance] makes hours pass.
//
// # The past
//
// Past predictions are computed from the seed and their number, never stored:
// their ids are the encrypted number. The same seed at the same moment gives
// the same world, byte for byte.
//
// # Faults
//
// [Sim.Inject] breaks coming requests in the ways networks and servers do.
// [Sim.Requests] tells what was asked, [Sim.Creates] how many runs were
// bought, and [Sim.Leaks] which requests carried the token to a host that
// must never see it.
package sim

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// DemoToken is the token that is accepted when Options names none.
const DemoToken = "r8_demo0000000000000000000000000000000000"

// DemoPast is the number of past predictions that makes a demo look lived in.
const DemoPast = 60

// Instant is the Speed at which every run is finished as soon as anybody looks.
var Instant = math.Inf(1)

// Options describes a world. The zero value is an empty account that runs
// models at the pace of the demo.
type Options struct {
	Seed    int64  // decides ids, pictures, texts and the past
	Token   string // the accepted token; default DemoToken
	Account string // the user name; default "demo"

	// Past is the number of predictions that were there before the start; an
	// account with a past also has a model of its own, trainings and a
	// deployment. PastModel, "owner/name", makes all of them runs of that model.
	Past      int
	PastModel string

	// PublicBase is the scheme and host of API URLs in answers, without a
	// path; by default that of the request. OutputBase and StreamBase are
	// those of output files and of event streams; by default the second
	// listener of Serve, Replicate's own hosts for requests to
	// api.replicate.com, else the host of the request.
	PublicBase, OutputBase, StreamBase string

	// Speed multiplies the pace of runs; 0 is 1, and Instant has every run
	// finished at once. The seconds of acme/slow are not sped up.
	Speed float64

	// Limits are the requests allowed per minute; zero fields are those of
	// Replicate, negative ones mean no limit.
	Limits Limits

	// Delivery shapes the answers of the delivery host.
	Delivery Network

	// ListLogs includes the logs in list pages, which the API description
	// leaves out in its example.
	ListLogs bool

	// WaitExpired is the status of the answer to a create whose Prefer: wait
	// ran out; default 202.
	WaitExpired int

	// TLS has Serve speak HTTPS, with HTTP/2, under a certificate of its own;
	// see Server.Roots.
	TLS bool

	// LogSize is how many requests are remembered; default 65536.
	LogSize int

	// WebhookClient sends webhooks; default one that follows no redirects.
	WebhookClient *http.Client

	Now func() time.Time // the clock; default time.Now
	Log *slog.Logger     // default discards
}

// Network is how a host answers.
type Network struct {
	FirstByte time.Duration // before each answer
	Connect   time.Duration // more, before the first answer of a connection
	Bandwidth int64         // bytes per second and connection; 0 is no limit
}

// Sim is one world. All methods may be called at once from anywhere.
type Sim struct {
	opt    Options
	log    *slog.Logger
	block  cipher.Block // turns numbers into ids and back
	start  time.Time    // when the past ends
	offset atomic.Int64 // how far Advance has moved the clock

	api http.Handler

	uploadLimit int64 // of a file, in bytes

	models  *catalog
	bytes   *contents
	limiter limiter
	faults  faults
	journal journal

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // everything that Close waits for

	mem struct {
		sync.Once
		ln  *pipeListener
		srv *http.Server
	}

	mu      sync.Mutex // guards all below
	tick    chan struct{}
	live    []*prediction // newest first
	byID    map[string]*prediction
	taken   map[int]bool // rows of the past that are in live now
	seq     uint64       // the last number given to a live prediction
	creates int
	broke   bool // no credit
	streams map[string]*prediction
	files   map[string]*outFile
	uploads uploads
	deploys []*deployment
	servers []*Server
}

// New makes a world. Close ends it.
func New(o Options) *Sim {
	if o.Token == "" {
		o.Token = DemoToken
	}
	if o.Account == "" {
		o.Account = "demo"
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.WaitExpired == 0 {
		o.WaitExpired = http.StatusAccepted
	}
	if o.LogSize == 0 {
		o.LogSize = 1 << 16
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.WebhookClient == nil {
		o.WebhookClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sim{
		opt:         o,
		log:         o.Log,
		bytes:       newContents(64 << 20),
		uploadLimit: uploadLimit,
		tick:        make(chan struct{}),
		byID:        make(map[string]*prediction),
		taken:       make(map[int]bool),
		streams:     make(map[string]*prediction),
		files:       make(map[string]*outFile),
	}
	key := sha256.Sum256(fmt.Appendf(nil, "replicate sim %d", o.Seed))
	s.block, _ = aes.NewCipher(key[:16]) // fails on key length only
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.start = s.now().Truncate(time.Microsecond)
	s.limiter.init(o.Limits, s.now())
	s.journal.size = o.LogSize
	s.models = newCatalog(s)
	if o.Past > 0 {
		s.furnish()
	}
	s.api = s.apiRoutes()
	return s
}

// Close ends every connection, waiting request and webhook, and waits for
// them. Requests that come later are refused.
func (s *Sim) Close() error {
	s.cancel()
	s.mu.Lock()
	servers := slices.Clone(s.servers)
	s.mu.Unlock()
	for _, v := range servers {
		v.Close()
	}
	s.mem.Do(func() {}) // no client starts from here on
	if s.mem.srv != nil {
		s.mem.srv.Close()
		s.mem.ln.Close() // Serve may not have come to know it
	}
	s.wg.Wait()
	return nil
}

// Advance moves the clock of the world forward by d.
func (s *Sim) Advance(d time.Duration) {
	s.offset.Add(int64(d))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked()
}

// now is the time in the world.
func (s *Sim) now() time.Time {
	return s.opt.Now().Add(time.Duration(s.offset.Load())).UTC()
}

// wakeLocked makes everyone who waits look again: something changed that the
// clock alone does not tell. Call with mu held.
func (s *Sim) wakeLocked() {
	close(s.tick)
	s.tick = make(chan struct{})
}

// SetCredit takes the account's credit away or gives it back: without, every
// create is answered with 402.
func (s *Sim) SetCredit(ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broke = !ok
}

// Creates is how many predictions were created by requests since the start.
func (s *Sim) Creates() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.creates
}
