package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// opened counts connections that a server has accepted and that are open.
type opened struct {
	mu       sync.Mutex
	all, now int
	changed  chan struct{}
}

func (o *opened) watch(s *http.Server) {
	o.changed = make(chan struct{}, 1000)
	before := s.ConnState
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if before != nil {
			before(c, state)
		}
		o.mu.Lock()
		switch state {
		case http.StateNew:
			o.all++
			o.now++
		case http.StateClosed:
			o.now--
		}
		o.mu.Unlock()
		o.changed <- struct{}{}
	}
}

// until waits for so many connections, ever and now.
func (o *opened) until(t *testing.T, all, now int) {
	t.Helper()
	for {
		o.mu.Lock()
		got := [2]int{o.all, o.now}
		o.mu.Unlock()
		if got == [2]int{all, now} {
			return
		}
		select {
		case <-o.changed:
		case <-t.Context().Done():
			t.Fatalf("%d connections, %d open; want %d, %d", got[0], got[1], all, now)
		}
	}
}

// Connections that were opened ahead are what large requests then use, and no
// others are made.
func TestPrepare(t *testing.T) {
	for _, http2 := range []bool{true, false} {
		t.Run(fmt.Sprintf("h2=%v", http2), func(t *testing.T) {
			f := newFile(8 << 20)
			var o opened
			s, c := newTLSWatched(t, http2, f.serve, o.watch)
			read := func(off, n int64) {
				r, err := c.Range(t.Context(), s.URL+"/x", f.info(), off, n)
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				if m, err := io.Copy(io.Discard, r); m != n || err != nil {
					t.Errorf("%d of %d bytes, %v", m, n, err)
				}
			}
			read(0, 1000)
			o.until(t, 1, 1)
			c.Prepare(s.URL+"/x", 3)
			o.until(t, 4, 4)
			c.Prepare(s.URL+"/x", 3) // they are there already
			var wg sync.WaitGroup
			for i := range int64(3) {
				wg.Go(func() { read(i, 4<<20) })
			}
			wg.Wait()
			o.until(t, 4, 4)
			c.Prepare(s.URL+"/x", 5) // those in use, or that were, count
			o.until(t, 6, 6)
			c.Close()
			o.until(t, 6, 0)
			c.Prepare(s.URL+"/x", 9) // too late
			c.Prepare("https://elsewhere.test/x", 9)
			o.until(t, 6, 0)
		})
	}
}

// Who opens connections ahead and then reads nothing does so once.
func TestPrepareInVain(t *testing.T) {
	f := newFile(8 << 20)
	var o opened
	s, c := newTLSWatched(t, true, f.serve, o.watch)
	c.Prepare(s.URL+"/x", 2)
	o.until(t, 2, 2)
	for a, h := range c.spares.hosts {
		for len(h.ahead) > 0 {
			c.spares.expire(a, h.ahead[0]) // as its timer would
		}
	}
	o.until(t, 2, 0)
	c.Prepare(s.URL+"/x", 2)
	r, err := c.Range(t.Context(), s.URL+"/x", f.info(), 0, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, r)
	r.Close()
	o.until(t, 3, 1) // by that request, not ahead of it
	c.Prepare(s.URL+"/x", 2)
	o.until(t, 4, 2)
}
