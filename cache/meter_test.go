package cache

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	type seen struct {
		rate   float64 // of one connection, in MB/s
		active int
	}
	tests := []struct {
		name string
		seen []seen
		want advice // without the width
	}{
		{"nothing is known", nil, advice{conns: 16, part: 4 * mib}},
		{"one fast connection", []seen{{50, 1}}, advice{conns: 16, part: 4 * mib}},
		{"one slow connection", []seen{{2, 1}}, advice{conns: 3, part: 1 * mib}},
		{"each has a speed of its own", []seen{{50, 1}, {50, 16}}, advice{conns: 16, part: 12 * mib}},
		{"they share a line", []seen{{12.5, 1}, {0.8, 16}}, advice{conns: 3, part: 1 * mib}},
		{"a few fill the line", []seen{{50, 1}, {25, 8}}, advice{conns: 7, part: 7*mib + 256*kib}},
		{"few, but each has its own speed: more", []seen{{50, 1}, {50, 3}}, advice{conns: 6, part: 12 * mib}},
	}
	for _, test := range tests {
		m := meter{most: 16}
		m.waited(40 * time.Millisecond)
		for _, s := range test.seen {
			m.note(1e6, time.Duration(1e9/s.rate), s.active)
		}
		got := m.advise()
		if got.width = 0; got != test.want {
			t.Errorf("%s: advice %+v, want %+v", test.name, got, test.want)
		}
	}
}
