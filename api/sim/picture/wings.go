package picture

import (
	"math"
	"math/rand/v2"
)

// What flies and what swims.

// onCircle is the point at t turns.
func onCircle(t, r float64) (x, y float64) {
	s, c := math.Sincos(2 * math.Pi * t)
	return r * c, r * s
}

func birds(n *pen, c rgb, r *rand.Rand) {
	count := 5 + r.IntN(5)
	for i := range count {
		x, y := (float64(i)/float64(count-1)-0.5)*110, 50+r.Float64()*44
		s := 0.6 + r.Float64()*0.8
		lift := 3 + r.Float64()*5
		n.flat(path{}.m(x-13*s, y+lift*s).q(x-6*s, y+(lift+5)*s, x, y).q(x+6*s, y+(lift+5)*s, x+13*s, y+lift*s).
			q(x+6*s, y+(lift+1.5)*s, x, y-3.4*s).q(x-6*s, y+(lift+1.5)*s, x-13*s, y+lift*s).z(), c)
	}
}

func butterfly(n *pen, c rgb, r *rand.Rand) {
	n.lean = -0.25
	for _, s := range []float64{-1, 1} {
		n.fill(smooth(s*2, 56, s*14, 88, s*44, 98, s*52, 78, s*34, 56, s*4, 50), c)
		n.fill(smooth(s*2, 50, s*30, 50, s*40, 30, s*26, 10, s*10, 20), c.turn(16).dark(0.08))
		n.flat(smooth(s*40, 94, s*51, 84, s*50, 72, s*44, 82), ink0)
		n.flat(circle(s*34, 82, 5), c.light(0.7))
		n.flat(circle(s*24, 72, 3), c.light(0.7))
		n.flat(circle(s*25, 30, 5), c.dark(0.5))
		n.flat(circle(s*25, 30, 2.4), c.light(0.7))
		n.flat(stroke(0.9, s*1, 68, s*8, 84, s*14, 88), ink0)
	}
	n.flat(oval(0, 48, 3.4, 24), ink0)
	n.flat(circle(0, 71, 4), ink0)
}

func dragon(n *pen, c rgb, r *rand.Rand) {
	wing := c.dark(0.3)
	n.fill(poly(-4, 62, -34, 100, -30, 84, -48, 92, -42, 76, -58, 74, -30, 58), wing)
	n.fill(smooth(-14, 56, -40, 44, -58, 22, -70, 26, -62, 12, -40, 30, -8, 42), c)
	n.flat(poly(-70, 30, -78, 22, -66, 16), c.dark(0.4))
	n.fill(smooth(-20, 56, 6, 66, 28, 58, 30, 44, 8, 32, -16, 38), c)
	n.flat(smooth(-8, 40, 10, 34, 28, 44, 12, 44), hex(0xf2d08a))
	n.fill(smooth(20, 58, 30, 74, 44, 84, 50, 78, 40, 62, 30, 48), c)
	n.fill(smooth(38, 84, 48, 92, 60, 86, 72, 80, 70, 73, 56, 74, 44, 74), c)
	n.flat(poly(44, 88, 36, 100, 50, 90), hex(0xf2d08a))
	n.shine(circle(54, 84, 2.4), hex(0xffe14a), 1)
	n.shine(circle(54.6, 84, 1), ink0, 1)
	n.fill(poly(2, 60, 26, 100, 30, 86, 44, 98, 40, 78, 24, 56), wing.light(0.1))
	n.fill(stroke(6, 6, 38, 10, 26, 18, 24), c)
	n.fill(stroke(6, -12, 40, -16, 28, -8, 25), c)
	n.halo(84, 74, 26, hex(0xff8a2a), 0.7)
	n.shine(smooth(72, 78, 88, 84, 104, 78, 92, 74, 100, 68, 84, 68, 72, 74), hex(0xff9a2e), 0.95)
	n.shine(smooth(73, 77, 84, 78, 92, 75, 82, 71, 73, 74), hex(0xffe27a), 0.95)
}

func fish(n *pen, c rgb, r *rand.Rand) {
	n.fill(smooth(-44, 50, -72, 78, -64, 50, -72, 22), c.turn(-14))
	n.fill(smooth(-10, 72, 4, 94, 26, 84, 20, 70), c.turn(-14))
	n.fill(smooth(0, 28, 8, 12, 20, 16, 16, 30), c.turn(-14))
	n.fill(smooth(-48, 50, -14, 74, 28, 76, 58, 54, 60, 46, 28, 26, -14, 28), c)
	n.flat(smooth(8, 75, 18, 75, 16, 50, 18, 26, 8, 27, 4, 50), hex(0xf8f5ee))
	n.flat(smooth(-26, 66, -18, 70, -20, 50, -18, 31, -26, 35, -29, 50), hex(0xf8f5ee))
	n.fill(smooth(-2, 46, -18, 38, -14, 30, 2, 38), c.turn(-14))
	n.shine(circle(38, 56, 6), hex(0xffffff), 1)
	n.shine(circle(39.5, 56, 3.4), ink0, 1)
	n.flat(stroke(1.4, 59, 46, 50, 43), c.dark(0.5))
}

func whale(n *pen, c rgb, r *rand.Rand) {
	n.fill(smooth(-62, 44, -84, 62, -100, 76, -82, 78, -74, 68, -64, 80, -52, 74, -52, 58), c)
	n.fill(smooth(-70, 50, -40, 40, -6, 70, 50, 72, 82, 46, 78, 22, 40, 8, -10, 14, -48, 30), c)
	n.flat(smooth(80, 28, 60, 26, 20, 22, -14, 16, 40, 9, 76, 20), hex(0xe9f1f5))
	for i := range 5 {
		x := 14 + float64(i)*12
		n.flat(stroke(0.8, x, 21, x+8, 13), c.to(hex(0xe9f1f5), 0.5))
	}
	n.fill(smooth(10, 22, -4, 4, -18, 2, -6, 20), c.dark(0.2))
	n.shine(circle(58, 36, 3), hex(0xffffff), 1)
	n.shine(circle(58.6, 36, 1.9), ink0, 1)
	for _, s := range []float64{-1, 1} {
		n.shine(stroke(2.6, 34, 74, 34+s*3, 88, 34+s*12, 94, 34+s*18, 86), hex(0xdff3fb), 0.85)
	}
}

func dolphin(n *pen, c rgb, r *rand.Rand) {
	n.lean = -0.2
	n.fill(smooth(-60, 30, -84, 40, -80, 24, -88, 8, -66, 18), c)
	n.fill(smooth(-4, 66, -18, 88, 4, 84, 16, 64), c.dark(0.1))
	n.fill(smooth(-66, 24, -30, 52, 10, 68, 46, 60, 62, 48, 82, 42, 80, 36, 60, 34, 34, 28, -10, 24), c)
	n.flat(smooth(78, 38, 58, 36, 32, 29, -8, 26, 30, 36, 58, 42), hex(0xeaf2f5))
	n.fill(smooth(14, 34, 0, 12, -12, 10, 0, 30), c.dark(0.15))
	n.shine(circle(52, 48, 2.2), ink0, 1)
}

func octopus(n *pen, c rgb, r *rand.Rand) {
	for i := range 8 {
		t := float64(i)/7 - 0.5
		bend := 12.0
		if i%2 == 0 {
			bend = -12
		}
		n.fill(smooth(t*34-5, 46, t*60-4+bend, 26, t*92, 6+8*math.Abs(t), t*96+4, 2+8*math.Abs(t), t*64+8+bend, 28, t*34+6, 46), c.dark(0.06*float32(i%3)))
	}
	n.fill(smooth(0, 100, -28, 90, -32, 62, -22, 42, 22, 42, 32, 62, 28, 90), c)
	for _, k := range [][3]float64{{-14, 88, 4}, {6, 92, 3}, {16, 82, 4}, {-4, 80, 2.5}} {
		n.flat(circle(k[0], k[1], k[2]), c.light(0.25))
	}
	for _, s := range []float64{-1, 1} {
		n.shine(oval(s*10, 60, 6, 7.5), hex(0xffffff), 1)
		n.shine(circle(s*9.4, 59, 3.4), ink0, 1)
	}
	n.flat(stroke(1.4, -5, 50, 0, 48, 5, 50), c.dark(0.6))
}

func jellyfish(n *pen, c rgb, r *rand.Rand) {
	n.halo(0, 66, 62, c.light(0.4), 0.45)
	for i := range 7 {
		x := float64(i-3) * 7
		n.shine(stroke(2.2, x, 58, x+5, 40, x-5, 22, x+3, 2), c.light(0.2), 0.6)
	}
	n.shine(smooth(-32, 58, -26, 88, 0, 100, 26, 88, 32, 58, 20, 54, 10, 60, 0, 54, -10, 60, -20, 54), c, 0.88)
	n.shine(smooth(-18, 70, -12, 88, 2, 92, -6, 80), hex(0xffffff), 0.5)
}

func turtle(n *pen, c rgb, r *rand.Rand) {
	skin := c.light(0.3).turn(-20)
	n.fill(smooth(-24, 40, -52, 12, -62, 16, -40, 48), skin)
	n.fill(smooth(24, 40, 34, 2, 46, 4, 44, 46), skin)
	n.fill(smooth(-46, 46, -66, 44, -52, 54), skin)
	n.fill(smooth(44, 50, 56, 66, 74, 66, 78, 56, 68, 48, 50, 40), skin)
	n.fill(smooth(-52, 42, -30, 80, 8, 90, 44, 70, 54, 42, 0, 32), c)
	for _, k := range [][2]float64{{-26, 58}, {0, 66}, {26, 58}} {
		n.flat(poly(k[0]-10, k[1], k[0]-5, k[1]+10, k[0]+5, k[1]+10, k[0]+10, k[1], k[0]+5, k[1]-9, k[0]-5, k[1]-9), c.dark(0.28))
	}
	n.shine(circle(68, 59, 2.2), ink0, 1)
}
