package cache

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// stepRead is how much of a long read is looked up under one hold of the lock, and told to the window.
const stepRead = 1 << 20

// bulkPart is the size from which a request ahead of need gets a connection of its own.
const bulkPart = 2 << 20

var errReadTimeout error = readTimeout{}

// readTimeout is the error of a read that took too long in all.
type readTimeout struct{}

func (readTimeout) Error() string        { return "read took too long" }
func (readTimeout) Timeout() bool        { return true }
func (readTimeout) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// Reader reads one file. Its methods may be called at once.
type Reader struct {
	c         *Cache
	o         *object
	file      atomic.Pointer[os.File] // the complete file, if it is on the disk
	announcer announcer

	// Guarded by o.mu.
	win     window
	wide    int64 // streams of win counted in Cache.wide
	busy    int   // reads that wait
	last    time.Time
	longest int64 // of its reads, up to stepRead
	closed  bool
	given   bool // bytes of a file whose check is not done
	misses  int  // of the file's checks that this reader knows of
	quiet   bool // others go first; see quietly
	recall  func(off int64, p []byte) int
}

// Key is that of the Source.
func (r *Reader) Key() string { return r.o.id.key }

// Size is the file's, in bytes.
func (r *Reader) Size() int64 { return r.o.id.size }

// File gives the complete, checked file on the disk, if it is there: for passthrough, splice and pread, never to write or to
// close. It is valid until Close.
func (r *Reader) File() (*os.File, bool) {
	f := r.file.Load()
	return f, f != nil
}

// Proven tells whether all bytes that readers were ever given of the file, as far as this process knows, are right, or cannot
// be checked. A reader that is closed early has bytes of a file that may yet turn out to be wrong.
func (r *Reader) Proven() bool {
	o := r.o
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sum.want == "" || o.c.proven.Contains(o.id.fileID)
}

// ReadAt reads like io.ReaderAt: less than len(p) only with an error, io.EOF at the end. When ctx ends it returns at once;
// what it waited for goes on as long as the reader is open.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	r.c.count.reads.Add(1)
	if f := r.file.Load(); f != nil {
		if n, err := f.ReadAt(p, off); err == nil || err == io.EOF {
			r.c.count.hitsDisk.Add(1)
			return n, err
		}
		r.o.pread(p[:max(0, min(int64(len(p)), r.Size()-off))], off) // so that it is taken note of
	}
	n := 0
	end := min(off+int64(len(p)), r.Size())
	err := r.read(ctx, off, end, func(v view, at int64) bool {
		m := v.len()
		if v.mem != nil {
			copy(p[n:], v.mem)
		} else if !r.o.pread(p[n:n+int(m)], at) {
			return false
		}
		n += int(m)
		return true
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// ReadVec lends the bytes [off, off+n) as one or more slices: fewer at the end of the file, none beyond it, and never
// io.EOF. The memory stays as it is for as long as it is held, and must not be written to.
func (r *Reader) ReadVec(ctx context.Context, off int64, n int) ([][]byte, error) {
	if off < 0 {
		return nil, errors.New("read at a negative offset")
	}
	r.c.count.reads.Add(1)
	end := min(off+int64(n), r.Size())
	vec := make([][]byte, 0, 4)
	err := r.read(ctx, off, end, func(v view, at int64) bool {
		if v.mem == nil {
			v.mem = make([]byte, v.disk)
			if !r.o.pread(v.mem, at) {
				return false
			}
		}
		vec = append(vec, v.mem)
		return true
	})
	if err != nil {
		return nil, err
	}
	return vec, nil
}

// read gives the bytes [off, end) to use, in order and without gaps, in views of any size. If use answers false, the view
// was on the disk and is no longer to be had there.
func (r *Reader) read(ctx context.Context, off, end int64, use func(v view, at int64) bool) error {
	var room [8]view
	limited := false
	for noted := off; off < end; {
		// The window hears of a read once, when it comes: while it waits, others go on, and its second half would look like
		// somebody else's.
		isNew := off >= noted
		if isNew {
			noted = min(end, off+stepRead)
		}
		views, err := r.look(off, noted, room[:0], isNew)
		if err != nil {
			return err
		}
		if len(views) == 0 {
			if !limited {
				limited = true
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, r.c.opt.ReadTimeout, errReadTimeout)
				defer cancel()
			}
			v, err := r.wait(ctx, off, end)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		for _, v := range views {
			if !use(v, off) {
				break
			}
			off += v.len()
		}
	}
	return nil
}

// look gives what can be had of [off, end) without waiting. A new read is noted, and what the window says is asked for.
func (r *Reader) look(off, end int64, views []view, isNew bool) ([]view, error) {
	o := r.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.closed || o.gone {
		return nil, ErrClosed
	}
	if err := r.missedLocked(); err != nil {
		return nil, err
	}
	at := off
	for at < end {
		v := o.lookLocked(at, end)
		n := v.len()
		if n == 0 {
			break
		}
		at += n
		if last := len(views) - 1; v.mem == nil && last >= 0 && views[last].mem == nil {
			views[last].disk += n // neighbours on the disk are one read
		} else {
			views = append(views, v)
		}
	}
	if len(views) > 0 {
		r.giveLocked()
	}
	if isNew {
		r.noteLocked(off, end, at == end)
	}
	return views, nil
}

// noteLocked tells the window of a read of [off, end) and does what it says.
func (r *Reader) noteLocked(off, end int64, local bool) {
	o := r.o
	r.last, r.longest = time.Now(), max(r.longest, end-off)
	ch := o.chunks[off/chunkSize]
	p := r.win.read(off, end, local, ch != nil && ch.fetch != nil && ch.lo <= off && off < ch.hi)
	if p.left {
		o.settleAllLocked()
	}
	if !local {
		if !r.quiet {
			r.c.demand.Store(r.last.UnixNano())
		}
		o.askLocked(p.need, true, false)
		r.win.stall(p.stream)
		r.prepareLocked(p.stream)
	}
	r.countLocked()
	r.pumpLocked()
	o.settleLocked(p.passed)
	r.announcer.wake()
}

// prepareLocked has connections opened while the first bytes are on their way: else the reader waits for that when it has
// read them.
func (r *Reader) prepareLocked(s *stream) {
	src, ok := r.o.src.(Preparer)
	if !ok || !r.win.soon(s) {
		return
	}
	a := r.c.meter.advise()
	src.Prepare(int(min(int64(a.conns), (r.Size()-s.pos)/a.part)))
}

// countLocked keeps Cache.wide right.
func (r *Reader) countLocked() {
	if wide := r.win.wide(); wide != r.wide && !r.quiet {
		r.c.wide.Add(wide - r.wide)
		r.wide = wide
	}
}

// pumpLocked asks for what the window wants ahead.
func (r *Reader) pumpLocked() {
	if r.c.ctx.Err() != nil {
		return // each fetch would be over at once, and asked for again, without end
	}
	a := r.c.meter.advise()
	most := min(a.width, r.c.share())
	if r.quiet {
		a, most = r.c.quietly(a)
	}
	for i := range r.win.streams {
		for len(r.o.fetches) < a.conns {
			sp, ok := r.win.next(&r.win.streams[i], most, a)
			if !ok {
				break
			}
			// The first of many goes over the connection that is open already: the reader wants it before the others, and
			// theirs have yet to be made.
			r.o.askLocked(sp, false, sp.len() >= bulkPart && r.o.ahead > 0)
		}
	}
}

// wait gives bytes from off to at most end, out of one chunk, once they have arrived.
func (r *Reader) wait(ctx context.Context, off, end int64) (view, error) {
	o := r.o
	o.mu.Lock()
	defer o.mu.Unlock()
	r.busy++
	defer func() { r.busy--; r.last = time.Now() }()
	i := off / chunkSize
	end = min(end, (i+1)*chunkSize)
	for again := true; ; {
		if r.closed || o.gone {
			return view{}, ErrClosed
		}
		if r.misses != o.sum.misses {
			if err := r.missedLocked(); err != nil || !again {
				return view{}, ErrMismatch // it was given out, or comes wrong every time
			}
			again = false
		}
		if o.heldBackLocked(i) {
			switch err := o.awaitSumLocked(ctx); {
			case err == nil || errors.Is(err, ErrMismatch):
			case ctx.Err() != nil || !again || permanent(err):
				return view{}, err
			default:
				again = false
			}
			continue
		}
		if v := o.lookLocked(off, end); v.len() > 0 {
			r.giveLocked()
			return v, nil
		}
		ch := o.chunks[i]
		if ch == nil || ch.fetch == nil || off < ch.lo || off >= ch.hi {
			o.askLocked(span{i * chunkSize, end}, true, false)
			ch = o.chunks[i]
		}
		if ch == nil || ch.fetch == nil || o.heldBackLocked(i) {
			if r.c.ctx.Err() != nil {
				return view{}, ErrClosed
			}
			continue // it has come back from the tier, or is to be checked first
		}
		r.c.count.misses.Add(1)
		f := ch.fetch
		to := min(end, ch.hi)
		err := o.waitLocked(ctx, f, to)
		switch {
		case err == nil && !ch.bad && !o.heldBackLocked(i):
			r.giveLocked()
			return view{mem: ch.bytes(off, to)}, nil
		case err == nil:
		case ctx.Err() != nil:
			return view{}, context.Cause(ctx)
		case errors.Is(err, ErrMismatch):
			// Looked at above.
		case !again || !f.ahead || permanent(err) || errors.Is(err, ErrClosed):
			return view{}, err
		default:
			// A fetch ahead of need may have used up its tries before anybody waited for it: the reader gets its own.
			again = false
		}
	}
}

// giveLocked notes that the reader is given bytes, and whether they may turn out to be wrong.
func (r *Reader) giveLocked() {
	if r.o.sum.want != "" && !r.given {
		r.given = true
		r.c.proven.Remove(r.o.id.fileID)
	}
}

// missedLocked tells a reader, once, that bytes which it was given have turned out to be wrong.
func (r *Reader) missedLocked() error {
	given := r.given && r.misses != r.o.sum.misses
	r.misses = r.o.sum.misses
	if given {
		r.given = false
		return ErrMismatch
	}
	return nil
}

// awaitSumLocked waits, without the lock, until the check of the whole file has come further.
func (o *object) awaitSumLocked(ctx context.Context) error {
	for j := o.sum.next; j < chunksOf(o.id.size); j++ {
		// One that is there but not yet handed over will be news.
		if ch := o.chunks[j]; ch != nil && ch.fetch != nil && ch.fetch.mark.Load() < ch.hi {
			return o.waitLocked(ctx, ch.fetch, ch.hi)
		}
	}
	news := o.newsLocked()
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rest gives up the windows of a reader that has not read since the given time.
func (r *Reader) rest(since time.Time) {
	o := r.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.closed || r.busy > 0 || r.last.After(since) {
		return
	}
	r.win.drop()
	r.countLocked()
	o.settleAllLocked()
	o.trimLocked(0)
}

// Close ends the reader. What is on its way for it alone is cancelled. It waits for a running call of Announce's f.
func (r *Reader) Close() error {
	c, o := r.c, r.o
	o.mu.Lock()
	if r.closed {
		o.mu.Unlock()
		return nil
	}
	r.closed = true
	r.file.Store(nil)
	r.win.drop()
	r.countLocked()
	delete(o.readers, r)
	o.settleAllLocked()
	holed, recall := len(o.readers) == 0 && o.holes != nil, r.recall
	o.mu.Unlock()
	r.announcer.end()
	r.announcer.wait()
	if holed {
		o.fillHoles(recall)
	}

	c.mu.Lock()
	delete(c.readers, r)
	o.refs--
	c.mu.Unlock()
	c.retire(o)
	return nil
}
