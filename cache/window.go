package cache

// The sizes that decide what is fetched. Measured or taken from the mounts that do it best; see each.
const (
	// The unit of bookkeeping in memory and on disk: what a random read moves at most beyond its own bytes. Chunks of 1 MiB
	// were measured to be no faster, cold or warm.
	chunkSize = 256 << 10

	pageSize  = 4 << 10
	firstRead = 1<<20 + 128<<10 // a 1 MiB read of a program and the kernel's read-ahead behind it are one request (mountpoint-s3)
	smallFile = 2 << 20         // up to here one request for all of it
	behind    = 1 << 20         // reads this far back are still the same stream: read-ahead arrives out of order
	late      = 8 << 20         // even so far back if the bytes are held or coming: one of the kernel's reads was delayed
	band      = 16 << 20        // and this far forward
	probeRead = 256 << 10       // a program that looks at a header reads no more: nothing is fetched ahead before
	rampStart = 512 << 10       // read in order from the start of a file: all of it will be read, so open everything at once
	rampLater = 1 << 20         // the same, from elsewhere, where players and archives jump about
	midWidth  = 32 << 20        // the first wide window of a stream that began elsewhere
	minPart   = 1 << 20         // of a request ahead of need
	widePart  = 2 << 20         // the same on a fast wire, with memory to spare
	largeFile = 16 << 20        // from here on connections are opened before it is certain that they are needed
	lastPart  = 12 << 20        // at most, but for the last round: at 50 MB/s and 40 ms to the first byte the wait is a seventh of it
	farSeeks  = 3               // in a row without much read in between: random
	leaveRand = 1 << 20         // read in order: not random any more
	randSlack = 128 << 10       // what counts as in order while random: one read of the kernel
	headSlack = 128 << 10       // a stream that begins this close behind a chunk's start fetches the chunk whole
)

// span is the bytes [off, end) of a file.
type span struct{ off, end int64 }

func (s span) len() int64 { return s.end - s.off }

func down(n, unit int64) int64 { return n / unit * unit }
func up(n, unit int64) int64   { return (n + unit - 1) / unit * unit }

// stream is one place of a file where somebody reads in order.
type stream struct {
	live  bool
	start int64 // where it began
	pos   int64 // end of the furthest byte read
	ahead int64 // up to here the bytes are held or asked for
	run   int64 // bytes read in order
	width int64 // how far ahead of pos to ask
	last  int64 // size of the requests of the last round; 0 before it
	grown int64 // pos must pass it before the window may grow again
	used  int64 // when it was last read, in reads of the handle
}

// window decides what is fetched for one handle: a state machine without locks, clocks or input and output. It knows two
// streams (a player reads picture and sound, an archiver the index at the end and the data), whether the handle reads at
// random, and how far ahead each stream should be.
type window struct {
	size    int64 // of the file
	streams [2]stream
	reads   int64 // so far
	seeks   int   // far seeks in a row
	random  bool
}

// plan is what follows from a read.
type plan struct {
	stream *stream
	need   span // to ask for now; nothing if the bytes are held
	passed span // what the stream has left behind
	left   bool // another stream was given up for this one
}

// read notes a read of [off, end), which must lie in the file. With local the bytes are held already, with coming the first
// ones are at least on their way.
func (w *window) read(off, end int64, local, coming bool) plan {
	w.reads++
	var p plan
	s := w.find(off, local || coming)
	if s == nil {
		s, p.left = w.seek(off)
	}
	p.stream = s
	s.used = w.reads
	if w.random && s.run >= leaveRand {
		w.random, w.seeks = false, 0
	}
	if end > s.pos {
		if off <= max(s.ahead, s.pos) { // what was announced is read without our seeing it, and counts
			s.run += end - s.pos
		}
	}
	p.need = w.need(s, off, end, local)
	p.passed.off = s.pos - behind - chunkSize
	s.pos = max(s.pos, end)
	s.ahead = max(s.ahead, p.need.end, end)
	p.passed.end = s.pos - behind
	w.ramp(s)
	return p
}

// find gives the stream that goes on at off, the nearest if both might.
func (w *window) find(off int64, known bool) *stream {
	back, forth := int64(behind), int64(band)
	switch {
	case w.random:
		back, forth = randSlack, randSlack
	case known:
		back = late
	}
	var best *stream
	for i := range w.streams {
		s := &w.streams[i]
		if !s.live || off < s.pos-back || off > s.pos+forth {
			continue
		}
		if best == nil || distance(off, s.pos) < distance(off, best.pos) {
			best = s
		}
	}
	return best
}

func distance(a, b int64) int64 {
	if a < b {
		return b - a
	}
	return a - b
}

// seek begins a stream at off in place of the one unused for longest, and tells whether that one was live.
func (w *window) seek(off int64) (*stream, bool) {
	s := &w.streams[0]
	if t := &w.streams[1]; s.live && (!t.live || t.used < s.used) {
		s = t
	}
	if w.reads > 1 {
		if w.latest().run >= leaveRand {
			w.seeks = 0
		}
		w.seeks++
		if w.seeks >= farSeeks && w.size > smallFile {
			w.random = true
		}
	}
	left := s.live
	*s = stream{live: true, start: off, pos: off, ahead: off, width: firstRead}
	return s, left
}

func (w *window) latest() *stream {
	if w.streams[1].used > w.streams[0].used {
		return &w.streams[1]
	}
	return &w.streams[0]
}

// need is what to ask for at once so that [off, end) can be answered.
func (w *window) need(s *stream, off, end int64, local bool) span {
	switch {
	case local:
		return span{off, off}
	case w.size <= smallFile:
		return span{0, w.size}
	case w.random:
		return span{down(off, chunkSize), min(up(end, chunkSize), w.size)}
	}
	chunk := down(off, chunkSize)
	switch {
	case end <= s.ahead: // asked for before, and lost meanwhile
		return span{chunk, min(up(end, chunkSize), w.size)}
	case off < s.ahead: // the stream has come to the end of what was asked for
		return span{chunk, min(up(max(end, s.ahead+minPart), chunkSize), w.size)}
	}
	from := chunk // a whole chunk can be stored
	if off-chunk > headSlack && chunk > 0 {
		from = down(off, pageSize) // but nobody waits long for its head, unless that is coming out of order
	}
	return span{from, min(up(max(end, from+firstRead), chunkSize), w.size)}
}

// ramp opens the window as soon as it is likely that the reading goes on.
func (w *window) ramp(s *stream) {
	if w.random || s.width > firstRead {
		return
	}
	switch {
	case s.start == 0 && s.run >= rampStart:
		w.widen(s, w.size)
	case s.run >= rampLater:
		w.widen(s, midWidth)
	}
}

// soon tells whether s may open wide before long: it reads a large file from its start, or has begun to read in order.
func (w *window) soon(s *stream) bool {
	return w.size >= largeFile && !w.random && s.width <= firstRead && (s.start == 0 || s.run >= probeRead)
}

// stall notes that a read of s has to wait for the network: the window is too small, unless it has only just grown.
func (w *window) stall(s *stream) {
	if w.random || s.width <= firstRead || s.pos < s.grown {
		return
	}
	w.widen(s, 2*s.width)
}

// widen sets the window of s.
func (w *window) widen(s *stream, width int64) {
	if width = min(width, w.size); width > s.width {
		s.width, s.grown, s.last = width, s.ahead, 0
	}
}

// next gives the next bytes to ask for ahead of s, if any, and notes them as asked for. The window is limited to most
// bytes, the reader's share of the memory.
func (w *window) next(s *stream, most int64, a advice) (span, bool) {
	if !s.live || w.random || w.size <= smallFile || s.run < probeRead || s.ahead >= w.size {
		return span{}, false
	}
	from := max(s.ahead, down(s.pos, chunkSize))
	width, n := min(s.width, most), int64(a.conns)
	// All at once no more than the window holds, or the last ones would come when the others are done.
	part := min(a.part, down(width/4*3/n, chunkSize))
	// The last rounds are even ones: a part left over would have fifteen connections wait for one.
	if left := w.size - from; s.last == 0 && part > 0 && left <= 2*n*part {
		rounds := 1 + (left-1)/(n*part*5/4)
		s.last = max(up(left/(n*rounds), chunkSize), min(widePart, a.part))
	}
	if s.last > 0 {
		part = s.last
	}
	part = max(min(part, down(width/4, chunkSize)), minPart)
	end := min(up(from+part, chunkSize), w.size)
	if end > s.pos+width {
		return span{}, false
	}
	s.ahead = end
	return span{from, end}, true
}

// lost notes that what was asked for of [off, end) does not come.
func (w *window) lost(off, end int64) {
	for i := range w.streams {
		if s := &w.streams[i]; s.live && off < s.ahead && end > s.pos {
			s.ahead = max(down(off, chunkSize), s.pos)
		}
	}
}

// covers tells whether [off, end) touches what the handle has read just now or will read soon.
func (w *window) covers(off, end int64) bool {
	for i := range w.streams {
		s := &w.streams[i]
		if s.live && off < max(s.ahead, s.pos) && end > s.pos-behind {
			return true
		}
	}
	return false
}

// wide is the number of streams that read far ahead.
func (w *window) wide() int64 {
	n := int64(0)
	for i := range w.streams {
		if w.streams[i].live && w.streams[i].width > firstRead {
			n++
		}
	}
	return n
}

// drop forgets both streams; the next read begins anew.
func (w *window) drop() {
	w.streams[0].live, w.streams[1].live = false, false
}
