package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tokens are what a model says, with all that makes text hard to carry.
var tokens = []string{"Once", " upon", "  a", "\n", "\n\ntime", " ", "there: was", "\r\n", "", "a\tfox", "Once", "Once", "."}

// Each token comes once and in order, whatever becomes of the connections.
func TestFollow(t *testing.T) {
	byCount := func(i int) string { return fmt.Sprintf("id: 7:%d\n", i) }
	for name, tt := range map[string]struct {
		id     func(i int) string // the line of event i
		honour bool               // of Last-Event-ID
		cut    int                // events until a connection breaks; 0: none does
	}{
		"whole":                  {byCount, true, 0},
		"cut":                    {byCount, true, 4},
		"cut and replayed":       {byCount, false, 1},
		"no ids":                 {func(int) string { return "" }, false, 3},
		"one id for all":         {func(int) string { return "id: 7:0\n" }, false, 3},
		"an id for every second": {func(i int) string { return strings.Repeat(byCount(i), 1-i%2) }, false, 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := &run{status: Processing}
			sent := 0 // at most, on any connection
			u.stream = func(w http.ResponseWriter, r *http.Request) {
				from := 0
				if last := r.Header.Get("Last-Event-ID"); tt.honour && last != "" {
					fmt.Sscanf(last, "7:%d", &from)
					from++
				}
				for i := from; i < len(tokens); i++ {
					if tt.cut > 0 && i == sent+tt.cut {
						sent = i
						panic(http.ErrAbortHandler)
					}
					time.Sleep(300 * time.Millisecond)
					data := strings.ReplaceAll(strings.ReplaceAll(tokens[i], "\r\n", "\n"), "\n", "\ndata: ")
					fmt.Fprintf(w, "event: output\n%sdata: %s\n\n", tt.id(i), data)
					http.NewResponseController(w).Flush()
				}
				u.set(Succeeded)
				io.WriteString(w, "event: done\n\n")
			}
			var said []string
			p, err := newNetwork(t, u.serve).client(Options{}).Follow(t.Context(), u.prediction(t), func(*Prediction) {},
				func(data string) bool { said = append(said, data); return true })
			if err != nil || p.Status != Succeeded {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
			want := strings.ReplaceAll(fmt.Sprintf("%q", tokens), `\r\n`, `\n`)
			if got := fmt.Sprintf("%q", said); got != want {
				t.Errorf("%s: heard %s, want %s", name, got, want)
			}
		})
	}
}

// Output that is taken from the stream costs no reads; other output is read.
func TestFollowReads(t *testing.T) {
	reads := func(enough bool) int {
		u := &run{status: Processing}
		u.stream = func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				time.Sleep(99 * time.Millisecond)
				io.WriteString(w, "event: output\ndata: x\n\n")
				http.NewResponseController(w).Flush()
			}
			u.set(Succeeded)
			io.WriteString(w, "event: done\n\n")
		}
		synctest.Test(t, func(t *testing.T) {
			_, err := newNetwork(t, u.serve).client(Options{}).Follow(t.Context(), u.prediction(t), func(*Prediction) {}, func(string) bool { return enough })
			if err != nil {
				t.Error(err)
			}
		})
		return u.count()
	}
	if n := reads(true); n > 5 {
		t.Errorf("%d reads in 10 seconds of text that the stream brings, want one every 5 s", n)
	}
	if n := reads(false); n < 15 || n > 25 {
		t.Errorf("%d reads in 10 seconds of output that the stream only announces, want one every 0.5 s", n)
	}
}
