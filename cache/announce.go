package cache

import "sync"

const (
	announceFrom = 512 << 10 // this far ahead of the reader: nearer bytes are being asked for already
	announceTo   = 32 << 20  // so much unread at most, or we would push others out of the receiver's memory
	// A receiver that asks for so much at a time reads ahead by itself, as the kernel does for root: then an answer costs a
	// tenth less than a call for each piece, and each would wait for the other's pages.
	announceLess = 512 << 10
	// Where all bytes are announced, the receiver reads without asking us, and we would not see how far it is. So the
	// beginning of each stretch is left out: the reads of these holes tell.
	announceStretch = 2 << 20
	announceHole    = 128 << 10
)

// announcer tells the owner of one reader of bytes that have arrived ahead of it.
type announcer struct {
	once  sync.Once
	kick  chan struct{} // nil until started
	stop  chan struct{}
	ended sync.Once
	done  chan struct{}
}

// Announce has f called, from a goroutine of its own, with bytes that have arrived ahead of the reader: one call at a time,
// nearest first, offset and length whole pages, the last one exactly to the end of the file. Bytes are announced once or
// not at all: those that the reader reaches before f is ready for them are not, small holes are left on purpose, so
// that the reader is still seen to advance, and nothing is announced to who reads 512 KiB or more at a time. The memory
// may be kept but not written to. Announce is called before the first read, once.
func (r *Reader) Announce(f func(off int64, b []byte)) {
	a := &r.announcer
	a.once.Do(func() {
		r.o.mu.Lock()
		a.kick, a.stop, a.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
		r.o.mu.Unlock()
		if !r.c.spawn(func() {
			defer close(a.done)
			r.announce(f)
		}) {
			close(a.done)
		}
	})
}

// wake makes the announcer look again. Called with object.mu held.
func (a *announcer) wake() {
	if a.kick == nil {
		return
	}
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

func (a *announcer) end() {
	a.ended.Do(func() {
		if a.stop != nil {
			close(a.stop)
		}
	})
}

func (a *announcer) wait() {
	if a.done != nil {
		<-a.done
	}
}

func (r *Reader) announce(f func(off int64, b []byte)) {
	told := map[int64]bool{}
	for {
		select {
		case <-r.announcer.kick:
		case <-r.announcer.stop:
			return
		case <-r.c.ctx.Done():
			return
		}
		for {
			off, b := r.nextNews(told)
			if b == nil {
				break
			}
			f(off, b)
			r.c.count.announced.Add(int64(len(b)))
		}
	}
}

// nextNews gives the nearest bytes that have arrived and were not told, and notes them as told.
func (r *Reader) nextNews(told map[int64]bool) (int64, []byte) {
	o := r.o
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.closed || r.win.random || r.longest >= announceLess {
		return 0, nil
	}
	s := r.win.latest()
	if !s.live || s.run < probeRead {
		return 0, nil
	}
	for i := range told {
		if i*chunkSize+chunkSize < s.pos {
			delete(told, i)
		}
	}
	from, to := s.pos+announceFrom, s.pos+announceTo
	for i := from / chunkSize; i*chunkSize < min(to, s.ahead); i++ {
		ch := o.chunks[i]
		if ch == nil || ch.fetch != nil || told[i] || !ch.whole() || o.heldBackLocked(i) {
			continue
		}
		told[i] = true
		off := ch.lo
		if off%announceStretch == 0 {
			off += announceHole
		}
		if off >= ch.hi {
			continue
		}
		r.giveLocked()
		return off, ch.bytes(off, ch.hi)
	}
	return 0, nil
}
