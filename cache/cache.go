// Package cache reads remote files as if they were local: at the speed of the wire the first time, at the speed of memory
// or disk from then on.
//
// A Source is one immutable remote file. Open gives a Reader of it, whose reads may come at once and in any order, as a
// kernel sends them. Readers of files with the same key share everything: bytes come over the network once, whoever asks.
//
// A file is cut into chunks (chunk.go). A chunk is found in one of three places:
//
//	in use    in a map of ours, as long as it is on its way, near a reader, or waiting to be written
//	the tier  second chance in memory: ristretto, which may forget at any time
//	the disk  one sparse file for each object, with a sidecar that says what is in it (disk.go, store.go)
//
// The path of a read: the reader's window (window.go), a state machine without side effects, says what to ask for now and
// what to ask for ahead. What is nowhere becomes a fetch (fetch.go): one request for many chunks, owned by nobody, whose
// bytes can be read as soon as they have arrived. Fetches take turns for connections (slots.go) and wait for memory
// (memory.go), those that a reader waits for before all others and never for memory. A fetch that no window and no waiter
// wants any more is cancelled.
//
// A reader that goes through a file in order is soon far behind the wire: its window opens wide at the first sign, since
// each doubling would cost a round trip. How many requests that makes, and how large, follows from what was seen of the wire
// (meter.go): sixteen where each connection has a speed of its own, three where they share a line. A reader that jumps gets
// little more than it asks for. See window.go for the sizes and their reasons. A request that is not answered gets a second
// one beside it (hedge.go).
//
// Nobody waits for the disk: what comes faster than the writer (writer.go) takes it, or so fast that the copy would slow the
// reader down (rush.go), is left out, and brought to the disk when the reading is over, from the kernel that was given it if it
// still has it (holes.go).
//
// What the cache serves was checked: bodies for their length, whole files for their MD5 where the origin tells one (sum.go:
// the end of a file is held back until it is right), the disk for a CRC32C of each chunk when the last process did not end
// well. What fails a check is fetched again.
//
// A file can be kept (keep.go): then it is in a folder of its own (vault.go), whole, checked and durable, and no limit takes
// it away. Prune, Clear and Verify (maintain.go) look after what is stored; several processes may use the same folders, and
// tell by locks what another one is about.
//
// Chunks belong to the garbage collector, so a process should set a memory limit (debug.SetMemoryLimit) a little above
// Options.Memory: without one the heap may be twice what is in use.
package cache

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Options say where a cache keeps its bytes and how hard it may try. The zero value works.
type Options struct {
	Dir         string // of the disk tier, made if missing; "" means memory only
	Memory      int64  // bytes held in memory in all: chunks in use, read ahead, second chance; default 256 MiB
	Disk        int64  // limit of the disk tier in bytes; default 10 GiB
	KeptDir     string // of kept files, made if missing; "" means that nothing is kept
	Kept        int64  // limit of kept files in bytes; default 50 GiB
	KeptRate    int64  // bytes per second at which files are fetched to be kept; 0: as fast as they come
	Connections int    // fetches at once in the process; default 32
	PerFile     int    // fetches at once ahead of the readers of one file; default 16

	FetchTimeout time.Duration // of one request, to its last byte; default 60 s; the next one goes on where it stopped
	StallTimeout time.Duration // without a byte before a request is given up; default 10 s
	ReadTimeout  time.Duration // of one read, retries and waiting for a connection included; default 90 s
	Retries      int           // of one fetch without progress; default 5

	Now func() time.Time // for the time of last use on disk; default time.Now
	Log *slog.Logger     // default slog.DiscardHandler
}

func (o Options) withDefaults() Options {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Memory, 256<<20)
	def(&o.Disk, 10<<30)
	def(&o.Kept, 50<<30)
	def((*int64)(&o.FetchTimeout), int64(60*time.Second))
	def((*int64)(&o.StallTimeout), int64(10*time.Second))
	def((*int64)(&o.ReadTimeout), int64(90*time.Second))
	if o.Connections <= 0 {
		o.Connections = 32
	}
	if o.PerFile <= 0 {
		o.PerFile = 16
	}
	if o.Retries <= 0 {
		o.Retries = 5
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// The memory is divided: three quarters for chunks in use, an eighth for the tier, and an eighth for chunks that nobody
// holds any more and the garbage collector has not met yet.
func (o Options) inUse() int64 { return o.Memory / 4 * 3 }
func (o Options) tier() int64  { return o.Memory / 8 }

// provenMost is how many files are remembered whose MD5 was right.
const provenMost = 1 << 14

// Cache holds what was read of many files. Its methods may be called at once.
type Cache struct {
	opt     Options
	log     *slog.Logger
	ctx     context.Context // of all fetches; ends with Close
	stop    context.CancelCauseFunc
	wg      sync.WaitGroup // fetches, checks and announcers
	slots   *slots
	budget  *budget
	tier    *tier
	disk    *disk  // nil without a folder
	vault   *vault // likewise
	writer  *writer
	flusher *flusher
	evictor *evictor
	meter   meter
	rush    rush

	keptRate *rate.Limiter                // nil: none
	proven   *lru.Cache[fileID, struct{}] // files whose MD5 was right, also when nothing of them is held any more
	seed     maphash.Seed
	count    counters
	demand   atomic.Int64 // when a reader last had to wait for the network, in Unix nanoseconds; a Keep is none
	wide     atomic.Int64 // streams that read far ahead, among whom the memory is shared

	reclaimMu sync.Mutex
	reclaimed time.Time // guarded by reclaimMu

	endMu sync.RWMutex // guards ended
	ended bool         // no goroutine begins any more

	mu      sync.Mutex // guards what follows; taken before object.mu
	objects map[fileID]*object
	readers map[*Reader]struct{}
	filling int           // files whose holes are being filled
	filled  chan struct{} // closed when there is none any more; nil if nobody waits
	closed  bool
}

// New makes a cache. The folder may be in use by other processes of ours.
func New(o Options) (*Cache, error) {
	o = o.withDefaults()
	c := &Cache{
		opt:     o,
		log:     o.Log,
		slots:   newSlots(o.Connections),
		budget:  &budget{limit: o.inUse()},
		meter:   meter{most: o.PerFile},
		seed:    maphash.MakeSeed(),
		objects: map[fileID]*object{},
		readers: map[*Reader]struct{}{},

		keptRate: newKeptRate(o.KeptRate),
	}
	c.proven, _ = lru.New[fileID, struct{}](provenMost) // fails for a size of 0 only
	c.budget.full = c.reclaim
	c.ctx, c.stop = context.WithCancelCause(context.Background())
	if o.Dir != "" {
		d, err := openDisk(o.Dir, o.Disk, o.Log)
		switch {
		case errors.Is(err, errUnfit):
			o.Log.Warn("disk tier is not used", "folder", o.Dir, "error", err)
		case err != nil:
			return nil, err
		default:
			c.disk = d
		}
	}
	if o.KeptDir != "" {
		v, err := openVault(o.KeptDir, o.Kept, o.Log)
		if err != nil {
			return nil, err
		}
		c.vault = v
	}
	var err error
	if c.tier, err = newTier(o.tier()); err != nil {
		return nil, err
	}
	if c.disk != nil {
		c.writer, c.flusher, c.evictor = newWriter(min(o.inUse()/3*2, writeMost)), newFlusher(), newEvictor(c.disk)
		go c.writer.run()
		go c.flusher.run()
		go c.evictor.run()
	}
	if c.vault != nil {
		c.wg.Go(c.vault.count)
	}
	return c, nil
}

// Close ends all fetches, brings what is in memory and not yet on the disk there, and waits for its goroutines. Reads that
// are waiting, and later ones, answer ErrClosed.
func (c *Cache) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.stop(ErrClosed) // first: who sees it begins nothing that spawn would refuse
	c.endMu.Lock()
	c.ended = true
	c.endMu.Unlock()
	c.wg.Wait()
	var err error
	if c.disk != nil {
		c.writer.end()
		c.flusher.end()
		c.evictor.end()
	}
	c.mu.Lock()
	for _, o := range c.objects {
		o.mu.Lock()
		o.gone = true
		for r := range o.readers {
			r.file.Store(nil)
		}
		o.store.close()
		o.mu.Unlock()
	}
	c.mu.Unlock()
	if c.disk != nil {
		err = c.disk.leave()
	}
	c.tier.close()
	return err
}

// Open makes a reader of s. It makes no request.
func (c *Cache) Open(s Source) *Reader {
	id := fileID{s.Key(), s.Size()}
	c.mu.Lock()
	o := c.objects[id]
	if o == nil {
		o = &object{
			c: c, id: c.identity(s.Key(), s.Size()),
			src: s, chunks: map[int64]*chunk{}, fetches: map[*fetch]struct{}{}, readers: map[*Reader]struct{}{},
		}
		c.objects[id] = o
	}
	o.refs++
	r := &Reader{c: c, o: o, win: window{size: id.size}}
	c.readers[r] = struct{}{}
	closed := c.closed
	c.mu.Unlock()
	o.open.Do(func() {
		if !closed {
			o.openStore()
		}
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.src = s
	o.expectLocked(s.ETag())
	r.misses = o.sum.misses
	o.readers[r] = struct{}{}
	if o.store.complete {
		r.file.Store(o.store.file)
	}
	return r
}

func (c *Cache) identity(key string, size int64) *identity {
	return &identity{fileID: fileID{key, size}, hash: maphash.String(c.seed, key) ^ uint64(size)}
}

// refusal tells whether err is one of our own reasons not to store something, not an error of the disk.
func refusal(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, errOtherProcess) || errors.Is(err, ErrMismatch) ||
		errors.Is(err, errors.ErrUnsupported)
}

// spawn runs f in a goroutine that Close waits for, unless it is too late for that.
func (c *Cache) spawn(f func()) bool {
	c.endMu.RLock()
	defer c.endMu.RUnlock()
	if !c.ended {
		c.wg.Go(f)
	}
	return !c.ended
}

// retire forgets o once it has no reader, nothing on its way and nothing to write.
func (c *Cache) retire(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone || o.refs > 0 || len(o.fetches) > 0 || o.writing > 0 || o.sum.running || o.store.dirty || o.store.flushing {
		return
	}
	o.gone = true
	delete(c.objects, o.id.fileID)
	o.settleAllLocked()
	o.store.close()
}

// stored notes that the writer is done with chunks of o.
func (c *Cache) stored(o *object, err error) {
	switch {
	case err == nil:
		c.flusher.add(o)
		c.flusher.wait()
	case refusal(err):
		c.evictor.wake()
	default:
		c.disk.fault(err)
	}
	c.evictor.look()
	c.retire(o)
}

// share is how far ahead one stream may read: its part of the memory for chunks in use.
func (c *Cache) share() int64 {
	return max(c.budget.limit/max(c.wide.Load(), 1), minPart)
}

// reclaim is called when reading ahead finds no memory. What was fetched for readers that have not read for a while gets
// its second chance, and their windows begin anew with their next read: a player on pause must not starve the others.
func (c *Cache) reclaim() {
	c.reclaimMu.Lock()
	now := time.Now()
	if now.Sub(c.reclaimed) < time.Second/4 {
		c.reclaimMu.Unlock()
		return
	}
	c.reclaimed = now
	c.reclaimMu.Unlock()
	c.mu.Lock()
	readers := make([]*Reader, 0, len(c.readers))
	for r := range c.readers {
		readers = append(readers, r)
	}
	c.mu.Unlock()
	for _, r := range readers {
		r.rest(now.Add(-time.Second))
	}
}

// Complete tells whether the whole file is on the disk, checked, and can be read without the network.
func (c *Cache) Complete(key string) bool {
	return c.Kept(key) || c.disk != nil && c.disk.complete(key)
}
