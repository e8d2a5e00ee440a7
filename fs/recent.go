package fs

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Parsed predictions that are kept at hand: enough for a walk to stat and read
// a folder without parsing it for every file. Models may answer with anything,
// ten thousand files in 60 MB of JSON for one; of such, the one used last is
// kept for a moment.
const (
	remembered    = 256
	maxRemembered = 64 << 10 // bytes of JSON; what is more is large
	largeLife     = 10 * time.Second
)

// recent is what was looked at lately.
type recent struct {
	small *lru.Cache[string, *folder]

	mu    sync.Mutex // guards what follows
	id    string     // of large
	large *folder
	used  time.Time
	timer *time.Timer
}

func newRecent() *recent {
	small, _ := lru.New[string, *folder](remembered) // fails for a size of 0 only
	return &recent{small: small}
}

func (r *recent) Get(id string) (*folder, bool) {
	if known, ok := r.small.Get(id); ok {
		return known, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.large == nil || r.id != id {
		return nil, false
	}
	r.used = time.Now()
	return r.large, true
}

func (r *recent) Add(id string, known *folder) {
	if len(known.Raw) <= maxRemembered {
		r.small.Add(id, known)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id, r.large, r.used = id, known, time.Now()
	if r.timer == nil {
		r.timer = time.AfterFunc(largeLife, r.rest)
	}
}

// rest forgets the large one when nobody has used it for a while.
func (r *recent) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = nil
	left := largeLife - time.Since(r.used)
	switch {
	case r.large == nil:
	case left <= 0:
		r.id, r.large = "", nil
	default:
		r.timer = time.AfterFunc(left, r.rest)
	}
}

func (r *recent) Remove(id string) {
	r.small.Remove(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.id == id {
		r.id, r.large = "", nil
	}
}

// Purge forgets everything.
func (r *recent) Purge() {
	r.small.Purge()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id, r.large = "", nil
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}
