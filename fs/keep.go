package fs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"replicatefs/cache"
	"replicatefs/cache/catalog"
)

// Keeping says which outputs are fetched in full as soon as they are there,
// and stay readable for good.
type Keeping string

const (
	KeepNone Keeping = "none" // those that somebody asks for, only; the zero value says the same
	KeepMine Keeping = "mine" // of runs that were started here, by this mount or an earlier one
	KeepAll  Keeping = "all"  // of every API prediction that is learned of in time
)

const (
	lifetime    = time.Hour        // of the data of an API prediction, from its creation
	keepPast    = 1000             // runs of ours that are looked after at the start, the newest; all of the last hour in any case
	keepTries   = 5                // at least, also when the hour is over: our clock may be wrong
	keepPause   = time.Second      // after the first failure; doubled each time
	keepPatient = 30 * time.Second // at most
	keepTurn    = 5 * time.Second  // before one that failed, and has less time, is tried again; doubled each time
	maxMissed   = 100              // that are remembered, the newest
)

// A keeper brings outputs to the kept files, one at a time: first the one
// that Replicate deletes first. What it has to do follows from the catalog, so
// a new mount goes on where a killed one was. What fails is tried again until
// its hour is over.
type keeper struct {
	fs   *FS
	kick chan struct{}

	mu      sync.Mutex // guards what follows
	wanted  map[string]*wanted
	current *wanted
	stop    context.CancelCauseFunc // of what is done for current
	full    error                   // why nothing more is kept
	missed  []Missed                // oldest first
}

// A wanted prediction has files that are to be kept.
type wanted struct {
	id      string
	expires time.Time // by the clock
	until   time.Time // at least, however the clock is set meanwhile
	tries   int
	next    time.Time       // not before
	again   bool            // it changed while it was worked on
	idle    bool            // all that there is of it is kept, but its run goes on
	turn    time.Duration   // how long it goes on although one with less time waits
	missed  map[string]bool // files, noted as such
}

// A Missed file is one that could not be kept.
type Missed struct {
	Prediction string    `json:"prediction"`
	File       string    `json:"file,omitempty"`
	Reason     string    `json:"reason"`
	Time       time.Time `json:"time"`
}

// KeepStats tell what is kept.
type KeepStats struct {
	Mode    Keeping  `json:"mode"`
	Files   int64    `json:"files"`             // kept
	Bytes   int64    `json:"bytes"`             // of them
	Limit   int64    `json:"limit"`             //
	Pending int      `json:"pending"`           // predictions with files still to be kept
	Stopped string   `json:"stopped,omitempty"` // why nothing more is kept at the moment
	Missed  []Missed `json:"missed"`            // newest last
}

func newKeeper(f *FS) *keeper {
	return &keeper{fs: f, kick: make(chan struct{}, 1), wanted: map[string]*wanted{}}
}

const missedKey = "missed"

// run keeps until Close.
func (k *keeper) run() {
	for {
		w, pause := k.next()
		if w == nil {
			timer := time.NewTimer(pause)
			select {
			case <-k.kick:
			case <-timer.C:
			case <-k.fs.life.Done():
				timer.Stop()
				return
			}
			timer.Stop()
			continue
		}
		ctx, stop := context.WithCancelCause(k.fs.life)
		sooner := k.begin(w, stop)
		err := k.keep(ctx, w)
		sooner.Stop()
		stop(nil)
		if k.fs.life.Err() != nil {
			return
		}
		k.done(w, err, context.Cause(ctx) == errSooner)
	}
}

// remember takes up what earlier mounts have left.
func (k *keeper) remember() {
	f := k.fs
	if raw, _, err := f.catalog.Doc(f.life, missedKey); err == nil {
		k.mu.Lock()
		json.Unmarshal(raw, &k.missed)
		k.mu.Unlock()
	}
	n := 0
	for p := range f.catalog.ByCreated() {
		if n >= keepPast && f.now().Sub(p.Created) > retention {
			break
		}
		if k.wants(p) {
			n++
			if !p.Removed {
				k.want(p)
			}
		}
	}
}

// consider takes in that predictions are new or have changed.
func (k *keeper) consider(ids []string) {
	for _, id := range ids {
		if p, ok := k.fs.catalog.Prediction(id); ok && k.wants(p) {
			k.want(p)
		}
	}
}

// wants tells whether the outputs of a prediction should be kept.
func (k *keeper) wants(p catalog.Prediction) bool {
	switch k.fs.o.Keep {
	case KeepMine:
		return p.Mine
	case KeepAll:
		return p.Mine || p.Source == "api" && k.fs.now().Sub(p.Created) < retention
	}
	return false
}

var errSooner = errors.New("another prediction expires sooner")

// want puts a prediction on the list. One that was deleted is only looked at
// if it was waited for.
func (k *keeper) want(p catalog.Prediction) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.wanted[p.ID]
	switch {
	case w == nil && p.Removed:
		return
	case w == nil:
		w = &wanted{id: p.ID, expires: p.Created.Add(lifetime), turn: keepTurn, missed: map[string]bool{}}
		if k.fs.now().Before(w.expires) {
			w.until = time.Now().Add(lifetime)
		}
		k.wanted[p.ID] = w
	case w == k.current:
		w.again = true
		return
	default:
		w.next, w.idle = time.Time{}, false
	}
	if k.current != nil && w.expires.Before(k.current.expires) {
		k.stop(errSooner) // what has come of the other one is not lost
	}
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// next is the prediction to work on, or how long to wait for one.
func (k *keeper) next() (*wanted, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var first *wanted
	now, pause := time.Now(), time.Hour
	for _, w := range k.wanted {
		if w.idle {
			continue
		}
		if wait := w.next.Sub(now); wait > 0 {
			pause = min(pause, wait)
		} else if first == nil || w.expires.Before(first.expires) {
			first = w
		}
	}
	return first, pause
}

// begin notes what is worked on. The timer ends that when one that has less
// time, and has failed before, is to be tried again. In the end there is time
// enough also for what cannot go on where it was stopped.
func (k *keeper) begin(w *wanted, stop context.CancelCauseFunc) (sooner *time.Timer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current, k.stop, w.again = w, stop, false
	wait := time.Duration(math.MaxInt64)
	for _, other := range k.wanted {
		if !other.idle && other.expires.Before(w.expires) {
			wait = min(wait, max(time.Until(other.next), w.turn))
		}
	}
	return time.AfterFunc(wait, func() {
		k.mu.Lock()
		w.turn *= 2
		k.mu.Unlock()
		stop(errSooner)
	})
}

// done takes in what came of the work on a prediction.
func (k *keeper) done(w *wanted, err error, interrupted bool) {
	if k.givenUp(w, err, interrupted) {
		k.miss(Missed{Prediction: w.id, Reason: err.Error()})
	}
}

// givenUp notes how the work on a prediction went, and tells whether there will
// be no more of it although it failed.
func (k *keeper) givenUp(w *wanted, err error, interrupted bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current, k.stop = nil, nil
	if err == nil {
		switch p, ok := k.fs.catalog.Prediction(w.id); {
		case w.again:
		case ok && !p.Done:
			w.idle = true
		default:
			delete(k.wanted, w.id)
		}
		return false
	}
	if interrupted {
		return false
	}
	now := time.Now()
	if errors.Is(err, cache.ErrFull) && k.full == nil {
		k.full = err
		k.fs.log.Warn("no room to keep more outputs; they are lost when Replicate deletes them", "err", err)
	}
	if w.tries++; w.tries >= keepTries && now.After(w.until) && k.fs.now().After(w.expires) {
		delete(k.wanted, w.id)
		return true
	}
	k.fs.log.Debug("an output is not kept yet", "prediction", w.id, "try", w.tries, "err", err)
	w.next = now.Add(min(keepPause<<min(w.tries-1, 10), keepPatient))
	return false
}

// keep keeps the files of a prediction that are there by now. What is deleted
// is missed; an error is worth another try.
func (k *keeper) keep(ctx context.Context, w *wanted) error {
	f, id := k.fs, w.id
	known, err := f.folder(ctx, id)
	if err != nil {
		return err
	}
	p, _ := f.catalog.Prediction(id)
	left := f.forgotten(ctx, id)
	for _, it := range known.all {
		if it.kind != remote || left[it.name] {
			continue
		}
		switch err := k.file(ctx, p, it); {
		case errors.Is(err, cache.ErrGone):
			if !w.missed[it.name] { // by a try before this one
				w.missed[it.name] = true
				k.miss(Missed{Prediction: id, File: it.name, Reason: "Replicate deleted it before it was here."})
			}
		case err != nil:
			return fmt.Errorf("%s: %w", it.name, err)
		}
	}
	if known.DataRemoved {
		k.miss(Missed{Prediction: id, Reason: "Replicate deleted what it made before this mount saw its end."})
	}
	f.settle(ctx)
	return nil
}

// settle has what is known of kept files outlive the machine, as they do:
// without it nothing would lead to them after the hour.
func (f *FS) settle(ctx context.Context) {
	if err := f.catalog.Sync(ctx); err != nil && ctx.Err() == nil {
		f.log.Warn("what is known of kept files may not outlive the machine", "err", err)
	}
}

// file keeps one file. cache.ErrGone: it cannot be had any more.
func (k *keeper) file(ctx context.Context, p catalog.Prediction, it item) error {
	f := k.fs
	facts, err := f.catalog.Outputs(ctx, p.ID)
	if err != nil {
		return err
	}
	fact, asked := facts[it.name]
	switch {
	case fact.Gone:
		return nil // missed before, or nobody's
	case asked && f.cache.Kept(key(p.ID, it.name, fact)):
		return nil
	case p.Removed && !(asked && f.cache.Complete(key(p.ID, it.name, fact))):
		return cache.ErrGone
	case !asked:
		learned, err := f.learn(ctx, p.ID, it.name)
		if err != nil {
			return err
		}
		if learned[it.name].err != nil {
			return learned[it.name].err
		}
		if fact = learned[it.name].Output; fact.Gone {
			return cache.ErrGone
		}
	}
	r := f.cache.Open(&source{f, p.ID, it.name, it.text, fact})
	defer r.Close()
	if err := r.Keep(ctx, nil); err != nil {
		return err
	}
	k.kept()
	return nil
}

// kept notes that there was room for one more.
func (k *keeper) kept() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.full != nil {
		k.full = nil
		k.fs.log.Info("there is room to keep outputs again")
	}
}

// miss notes what could not be kept, for who asks later. Only run calls it, so
// that what is written down last is what is known last.
func (k *keeper) miss(m Missed) {
	m.Time = k.fs.now().UTC().Truncate(time.Second)
	k.fs.log.Warn("an output could not be kept", "prediction", m.Prediction, "file", m.File, "reason", m.Reason)
	k.mu.Lock()
	k.missed = append(k.missed, m)
	k.missed = k.missed[max(0, len(k.missed)-maxMissed):]
	raw, _ := json.Marshal(k.missed)
	k.mu.Unlock()
	if _, err := k.fs.catalog.PutDoc(context.WithoutCancel(k.fs.life), missedKey, raw); err != nil {
		k.fs.log.Warn("what could not be kept is not written down", "err", err)
	}
}

func (k *keeper) stats() KeepStats {
	c := k.fs.cache.Stats()
	s := KeepStats{Mode: k.fs.o.Keep, Files: c.KeptFiles, Bytes: c.Kept, Limit: c.KeptLimit}
	k.mu.Lock()
	defer k.mu.Unlock()
	s.Missed = append([]Missed{}, k.missed...)
	for _, w := range k.wanted {
		if !w.idle {
			s.Pending++
		}
	}
	if k.full != nil {
		s.Stopped = k.full.Error()
	}
	return s
}
