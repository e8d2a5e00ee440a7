package api

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// A body that is closed early keeps its connection if the rest is small, and
// reads no more than that.
func TestCloseEarly(t *testing.T) {
	for _, tt := range []struct {
		size  int
		dials int64
	}{{1500 << 10, 1}, {32 << 20, 4}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFile(tt.size)
			n := newNetwork(t, f.serve)
			c := n.content(ContentOptions{})
			for range 4 {
				r, err := c.Range(t.Context(), outputURL, f.info(), 0, int64(tt.size))
				if err != nil {
					t.Fatal(err)
				}
				io.ReadFull(r, make([]byte, 64<<10))
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // as callers do
				_ = ctx
				r.Close()
				synctest.Wait()
			}
			if got := n.dials.Load(); got != tt.dials {
				t.Errorf("%d bytes: %d connections, want %d", tt.size, got, tt.dials)
			}
			time.Sleep(time.Second)
		})
	}
}

func TestContentClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFile(1 << 20)
		f.fault = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", strconv.Itoa(1<<20))
			w.Write(f.data[:100<<10])
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}
		c := newNetwork(t, f.serve).content(ContentOptions{})
		r, err := c.Get1(t)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r.Close() // goes on in the background, and stalls
		c.Close()
		c.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v, want to end what goes on", took)
		}
		time.Sleep(time.Second)
	})
}

func (c *Content) Get1(t *testing.T) (io.ReadCloser, error) {
	r, _, err := c.Get(t.Context(), outputURL)
	if err == nil {
		_, err = io.ReadFull(r, make([]byte, 1000))
	}
	return r, err
}
