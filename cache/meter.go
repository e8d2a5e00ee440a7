package cache

import (
	"math"
	"sync"
	"time"
)

// advice says how to go far ahead of a reader: with how many requests at once, each of how many bytes.
type advice struct {
	conns int
	part  int64
	width int64 // at most so many bytes ahead of the reader
}

// meter learns what the wire is like from the bytes that arrive. Where each connection has a speed of its own, many carry
// more, in large parts. Where they share a line that one of them fills, many only make the reader wait: the bytes that it
// wants next come no faster than those that it wants last. Then few are right, in small parts.
type meter struct {
	most int // requests at once

	mu    sync.Mutex // guards what follows
	delay float64    // seconds to the first byte of a request, at best
	solo  float64    // bytes per second of a connection that is alone or nearly so
	crowd float64    // of one among several
	width float64    // how many they were
}

// The time that one part should take: long against the wait for its first byte, so many times that, and short enough to
// change one's mind. The first
// ones, when nobody knows yet how the connections get along, are shorter; and all of them together no more than what one
// connection brings in the longest time that a reader may have to wait if they share a line.
const (
	partTime  = 300 * time.Millisecond
	partLeast = 10 * time.Millisecond
	partWaits = 8
	trialTime = 80 * time.Millisecond
	trialPart = 4 << 20
	trialWait = 1500 * time.Millisecond

	// What is further ahead of the reader than so many parts of each connection would only be cold by the time it is read: in
	// memory, and not in the processor's cache.
	partsAhead = 2

	meterFrom = 64 << 10  // fewer bytes tell nothing
	burst     = 512 << 10 // nor do so few, if they came faster than this: they were waiting somewhere
	burstTime = 10 * time.Millisecond
)

// waited takes in how long a request took to its first byte.
func (m *meter) waited(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := d.Seconds(); m.delay == 0 || s < m.delay {
		m.delay = s
	} else {
		m.delay = mix(m.delay, s, 0.01) // mostly it is not the wire that lets wait, but what was asked for at once
	}
}

// note takes in that a request has brought n bytes in the time d since its first one, while active requests were receiving.
func (m *meter) note(n int64, d time.Duration, active int) {
	if n < meterFrom || d <= 0 || n < burst && d < burstTime {
		return
	}
	rate := float64(n) / d.Seconds()
	m.mu.Lock()
	defer m.mu.Unlock()
	if active <= 2 {
		m.solo = mix(m.solo, rate, 0.3)
		return
	}
	m.crowd = mix(m.crowd, rate, 0.1)
	m.width = mix(m.width, float64(active), 0.1)
	m.solo = max(m.solo, m.crowd) // alone it would be no slower
}

// mix moves a mean towards a new value.
func mix(mean, v, weight float64) float64 {
	if mean == 0 {
		return v
	}
	return mean + (v-mean)*weight
}

// advise says what to do next.
func (m *meter) advise() advice {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.crowd > 0:
		// Half as many again as fill the line, so that a line that has become faster is noticed.
		n := int(math.Ceil(1.5*m.crowd*m.width/m.solo)) + 1
		n = min(max(n, 3), m.most)
		long := min(max(time.Duration(partWaits*m.delay*float64(time.Second)), partLeast), partTime)
		part := partFor(m.crowd, long, lastPart)
		return advice{conns: n, part: part, width: max(int64(partsAhead*m.width)*part, midWidth)}
	case m.solo > 0:
		part := partFor(m.solo, trialTime, trialPart)
		n := int(m.solo * trialWait.Seconds() / float64(part))
		return advice{conns: min(max(n, 3), m.most), part: part, width: math.MaxInt64}
	}
	return advice{conns: m.most, part: trialPart, width: math.MaxInt64}
}

func partFor(rate float64, d time.Duration, most int64) int64 {
	return min(max(up(int64(rate*d.Seconds()), chunkSize), minPart), most)
}
