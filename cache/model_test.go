package cache

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "seed of TestModel; 0 takes a few fixed ones")
	modelSteps = flag.Int("model.steps", 120, "steps of each worker in TestModel")
)

// TestModel reads files at random, from several goroutines at once, while the origin fails in all ways it knows, readers
// come and go, the cache is restarted, sometimes as after a crash, and its files are damaged. No read may give a wrong byte,
// and no read may fail but for a fault that lasts.
func TestModel(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if raceEnabled {
		seeds = seeds[:2]
	}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, seed := range seeds {
		for _, disk := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed=%d,disk=%v", seed, disk), func(t *testing.T) {
				dir := ""
				if disk {
					dir = t.TempDir()
				}
				synctest.Test(t, func(t *testing.T) { newModel(t, seed, dir).run() })
			})
		}
	}
}

type model struct {
	t     *testing.T
	rng   *rand.Rand
	seed  uint64
	dir   string
	o     *origin
	files []*file
}

func newModel(t *testing.T, seed uint64, dir string) *model {
	m := &model{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), dir: dir}
	var mu sync.Mutex
	faults := rand.New(rand.NewPCG(seed, 1))
	m.o = &origin{latency: 20 * time.Millisecond, connect: 30 * time.Millisecond, rate: 50e6}
	m.o.fault = func(q *request) error {
		mu.Lock()
		defer mu.Unlock()
		at := faults.Int64N(q.n + 1)
		switch faults.IntN(20) {
		case 0:
			return errFake
		case 1:
			q.failAt, q.failErr = at, errFake
		case 2:
			q.hangAt, q.hang = at, true
		case 3:
			q.length = at
		case 4:
			q.length = q.n + 1 + at
		}
		return nil
	}
	for i, size := range []int64{1, 5000, chunkSize, 700 << 10, 1536<<10 + 3, 2<<20 + 1, 6 << 20, 30<<20 + 12345} {
		f := m.o.file(fmt.Sprintf("%d-file", i), size)
		if i%2 == 0 {
			f.withMD5()
		}
		m.files = append(m.files, f)
	}
	return m
}

func (m *model) run() {
	for round := range 3 {
		c, err := New(Options{Dir: m.dir, KeptDir: m.t.TempDir(), Memory: []int64{256 << 20, 24 << 20, 2 << 20}[round], Disk: 64 << 20, Connections: 8, Retries: 20})
		if err != nil {
			m.t.Fatal(err)
		}
		var wg sync.WaitGroup
		for w := range 6 {
			rng := rand.New(rand.NewPCG(m.seed, uint64(100*round+w+2)))
			wg.Go(func() { m.worker(c, rng) })
		}
		wg.Wait()
		time.Sleep(time.Minute) // the last bytes of a fetch that nobody wants may still come, or be given up
		synctest.Wait()
		s := c.Stats()
		if s.InUse != 0 || s.Readers != 0 || s.InFlight != 0 {
			m.t.Errorf("with no reader left: %+v", s)
		}
		if err := c.Close(); err != nil {
			m.t.Error(err)
		}
		if got := c.Stats(); got.Objects != 0 && m.dir == "" {
			m.t.Errorf("%d objects after close", got.Objects)
		}
		m.wound()
	}
}

// worker opens, reads and closes.
func (m *model) worker(c *Cache, rng *rand.Rand) {
	type open struct {
		r   *Reader
		f   *file
		pos int64
	}
	var readers []*open
	for range *modelSteps {
		if len(readers) == 0 || len(readers) < 4 && rng.IntN(8) == 0 {
			f := m.files[rng.IntN(len(m.files))]
			r := c.Open(f)
			if rng.IntN(2) == 0 {
				r.Announce(func(off int64, b []byte) {
					if err := f.check(b, off); err != nil {
						m.t.Errorf("announced: %v", err)
					}
					if off%pageSize != 0 || int64(len(b))%pageSize != 0 && off+int64(len(b)) != f.size {
						m.t.Errorf("announced %d bytes at %d of %d: not whole pages", len(b), off, f.size)
					}
				})
			}
			readers = append(readers, &open{r: r, f: f})
		}
		i := rng.IntN(len(readers))
		o := readers[i]
		switch rng.IntN(20) {
		case 0:
			if err := o.r.Close(); err != nil {
				m.t.Error(err)
			}
			readers = append(readers[:i], readers[i+1:]...)
			continue
		case 1, 2:
			o.pos = rng.Int64N(o.f.size + 10)
		case 3:
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		case 4:
			if file, ok := o.r.File(); ok {
				p := make([]byte, min(o.f.size, 1<<20))
				if _, err := file.ReadAt(p, 0); err != nil {
					m.t.Errorf("read complete file: %v", err)
				} else if err := o.f.check(p, 0); err != nil {
					m.t.Errorf("complete file: %v", err)
				}
			}
		}
		if m.dir != "" && rng.IntN(25) == 0 {
			m.maintain(c, o.r, o.f, rng)
		}
		n := []int{1, 4096, 128 << 10, 128 << 10, 128 << 10, 1 << 20, 3 << 20}[rng.IntN(7)]
		m.read(o.r, o.f, o.pos, n, rng)
		o.pos += int64(n)
		if o.pos >= o.f.size {
			o.pos = 0
		}
	}
	for _, o := range readers {
		if err := o.r.Close(); err != nil {
			m.t.Error(err)
		}
	}
}

// maintain does what commands do beside the readers.
func (m *model) maintain(c *Cache, r *Reader, f *file, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Duration(rng.IntN(20000))*time.Millisecond)
	defer cancel()
	var err error
	switch rng.IntN(8) {
	case 0:
		err = r.Keep(ctx, nil)
		if errors.Is(err, errLost) {
			err = nil
		}
	case 1:
		c.Kept(f.key)
	case 2:
		err = c.Forget(f.key)
		if errors.Is(err, errBusy) {
			err = nil
		}
	case 3:
		_, err = c.Clear(ctx)
	case 4:
		_, err = c.Prune(ctx)
	case 5:
		_, err = c.Verify(ctx, nil)
	default:
		if err = r.Fill(ctx, nil); err == nil && !c.Complete(f.key) {
			m.t.Logf("%s was filled, and is gone again", f.key) // by another worker
		}
		if errors.Is(err, errLost) {
			err = nil
		}
	}
	if err != nil && ctx.Err() == nil {
		m.t.Errorf("maintenance of %s: %v", f.key, err)
	}
}

func (m *model) read(r *Reader, f *file, off int64, n int, rng *rand.Rand) {
	ctx := m.t.Context()
	impatient := rng.IntN(10) == 0
	if impatient {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(100))*time.Millisecond)
		defer cancel()
	}
	want := int(max(0, min(int64(n), f.size-off)))
	var p []byte
	var err error
	if rng.IntN(2) == 0 {
		p = make([]byte, n)
		n, err = r.ReadAt(ctx, p, off)
		if err == nil && n != len(p) || err == io.EOF && n != want {
			m.t.Errorf("read %d at %d of %d: %d bytes, %v", len(p), off, f.size, n, err)
		}
		p = p[:n]
		if err == io.EOF {
			err = nil
		}
	} else {
		var vec [][]byte
		vec, err = r.ReadVec(ctx, off, n)
		for _, b := range vec {
			p = append(p, b...)
		}
		if err == nil && len(p) != want {
			m.t.Errorf("read vector of %d at %d of %d: %d bytes", n, off, f.size, len(p))
		}
	}
	if wrong := f.check(p, off); wrong != nil {
		m.t.Errorf("read of %d: %v", n, wrong)
	}
	if err != nil && !(impatient && errors.Is(err, context.DeadlineExceeded)) {
		m.t.Errorf("read %d at %d of %s: %v", n, off, f.key, err)
	}
}

// wound does to the folder what happens to folders between two runs.
func (m *model) wound() {
	if m.dir == "" {
		return
	}
	crashed := m.rng.IntN(2) == 0
	if crashed { // somebody died
		if err := os.WriteFile(filepath.Join(m.dir, "run-1-dead"), nil, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	err := filepath.WalkDir(m.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch {
		case crashed && strings.HasSuffix(path, ".data") && m.rng.IntN(2) == 0:
			os.Chmod(path, 0o600)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("damage"), m.rng.Int64N(st.Size()))
			if m.rng.IntN(4) == 0 {
				err = f.Truncate(st.Size() / 2)
			}
			return err
		case strings.HasSuffix(path, ".meta") && m.rng.IntN(5) == 0:
			return os.Truncate(path, m.rng.Int64N(40))
		case m.rng.IntN(20) == 0 && strings.Contains(path, "objects"):
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
}
