package cache

import (
	"testing"
	"time"
)

func TestRush(t *testing.T) {
	for _, test := range []struct {
		name  string
		rates []float64 // bytes per second, each for a tenth of a second
		want  string    // whether there is a rush in each of them: x or -
	}{
		{"a line", []float64{100e6, 120e6, 200e6}, "---"},
		{"near", []float64{900e6, 900e6, 300e6, 100e6, 100e6}, "xxx--"},
		{"one pause", []float64{900e6, 0, 0, 900e6}, "x--x"},
		{"nothing", []float64{0, 0}, "--"},
		{"long", repeat(25, 900e6), "xxxxxxxxxxxxxxxxxxxx-----"},
		{"long, after short pauses", append(append(repeat(19, 900e6), repeat(5, 0)...), 900e6, 900e6), "xxxxxxxxxxxxxxxxxxx-------"},
		{"long, after a long pause", append(append(repeat(21, 900e6), repeat(12, 0)...), 900e6, 900e6), "xxxxxxxxxxxxxxxxxxxx-------------xx"},
	} {
		var r rush
		now := time.Unix(1e9, 0)
		got := ""
		for _, rate := range test.rates {
			for range 10 {
				now = now.Add(10 * time.Millisecond)
				if rate > 0 {
					r.came(int64(rate/100), now)
				}
			}
			got += map[bool]string{true: "x", false: "-"}[r.on(now)]
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func repeat(n int, rate float64) (rates []float64) {
	for range n {
		rates = append(rates, rate)
	}
	return rates
}
