package picture

import "math/rand/v2"

// People, and things that people have.

func person(n *pen, c rgb, r *rand.Rand) {
	skin := []rgb{hex(0xf2c9a5), hex(0xc98f62), hex(0x8a5a3c), hex(0xe5b08a)}[r.IntN(4)]
	hair := []rgb{hex(0x2a1f1a), hex(0x6b4023), hex(0xc99a45), hex(0x8a3b22)}[r.IntN(4)]
	long := r.IntN(2) == 0
	if long {
		n.fill(smooth(-14, 88, -16, 66, -10, 60, 10, 60, 16, 66, 14, 88), hair)
	}
	n.fill(round(-10, 0, -1, 36, 3), hex(0x3a4058))
	n.fill(round(1, 0, 10, 36, 3), hex(0x3a4058))
	n.fill(round(-12, 0, -1, 5, 2), ink0)
	n.fill(round(1, 0, 12, 5, 2), ink0)
	n.fill(stroke(7.5, -13, 60, -20, 44, -18, 34), c.dark(0.12))
	n.fill(stroke(7.5, 13, 60, 20, 44, 18, 34), c.dark(0.12))
	n.fill(circle(-18, 32, 4), skin)
	n.fill(circle(18, 32, 4), skin)
	n.fill(smooth(-16, 32, -15, 62, -6, 68, 6, 68, 15, 62, 16, 32, 0, 30), c)
	n.fill(rect(-4, 64, 4, 74), skin.dark(0.1))
	n.fill(oval(0, 83, 13, 14.5), skin)
	n.fill(smooth(-14, 84, -13, 97, 0, 101, 13, 97, 14, 84, 8, 91, -6, 92), hair)
	for _, s := range []float64{-1, 1} {
		n.shine(oval(s*5, 82, 1.6, 2.1), ink0, 1)
		n.shine(circle(s*8.4, 77, 2.4), hex(0xe8806a), 0.35)
	}
	n.flat(path{}.m(-4, 76).q(0, 72.6, 4, 76).q(0, 74.4, -4, 76).z(), hex(0x8a3b3b))
}

func robot(n *pen, c rgb, r *rand.Rand) {
	dark := c.dark(0.35)
	n.flat(rect(-1, 92, 1, 104), dark)
	n.shine(circle(0, 105, 3.4), hex(0xff5a4a), 1)
	n.halo(0, 105, 12, hex(0xff5a4a), 0.6)
	n.fill(round(-14, 0, -4, 24, 2), dark)
	n.fill(round(4, 0, 14, 24, 2), dark)
	n.fill(round(-18, 0, -2, 6, 3), c)
	n.fill(round(2, 0, 18, 6, 3), c)
	n.fill(stroke(7, -22, 52, -32, 40, -30, 28), dark)
	n.fill(stroke(7, 22, 52, 32, 42, 36, 58), dark)
	n.fill(circle(-30, 26, 5.5), c)
	n.fill(circle(36, 61, 5.5), c)
	n.fill(round(-22, 22, 22, 58, 6), c)
	n.flat(round(-14, 32, 14, 50, 3), hex(0x26354a))
	for i := range 3 {
		n.shine(circle(-8+float64(i)*8, 45, 2.2), []rgb{hex(0xff6a5a), hex(0xffd85a), hex(0x6af08a)}[i], 1)
	}
	n.shine(path{}.m(-11, 37).l(-4, 37).l(-1, 41).l(2, 34).l(5, 37).l(11, 37).l(11, 36).l(5.4, 36).l(2, 32).l(-1, 39).l(-3.6, 36).l(-11, 36).z(), hex(0x6ae6f0), 1)
	n.fill(rect(-6, 56, 6, 64), dark)
	n.fill(round(-24, 62, 24, 94, 9), c.light(0.1))
	n.flat(round(-18, 70, 18, 88, 7), hex(0x1f2b3c))
	for _, s := range []float64{-1, 1} {
		n.halo(s*8, 79, 9, hex(0x6ae6f0), 0.7)
		n.shine(circle(s*8, 79, 4.2), hex(0x9af4fb), 1)
		n.fill(round(min(s*24, s*28), 73, max(s*24, s*28), 84, 1.5), dark)
	}
}

func snowman(n *pen, c rgb, r *rand.Rand) {
	n.flat(append(stroke(1.8, -18, 50, -38, 64, -42, 72), stroke(1.8, -34, 61, -44, 60)...), hex(0x5a3d28))
	n.flat(append(stroke(1.8, 18, 50, 38, 60, 44, 56), stroke(1.8, 34, 58, 40, 68)...), hex(0x5a3d28))
	n.fill(circle(0, 22, 25), c)
	n.fill(circle(0, 53, 18), c)
	n.fill(circle(0, 76, 13), c)
	n.flat(path{}.m(-13, 67).q(0, 61, 13, 67).l(12, 63).q(0, 57, -12, 63).z(), hex(0xd8362f))
	n.fill(poly(6, 64, 12, 66, 15, 46, 8, 45), hex(0xd8362f))
	n.flat(rect(-15, 86, 15, 89), ink0)
	n.fill(rect(-9, 88, 9, 104), hex(0x2c2c36))
	n.flat(rect(-9, 89, 9, 92.5), hex(0xd8362f))
	for _, k := range [][2]float64{{-4.6, 79}, {4.6, 79}, {0, 57}, {0, 49}, {0, 26}} {
		n.flat(circle(k[0], k[1], 1.8), ink0)
	}
	n.flat(poly(0, 77, 0, 73.4, 14, 74), hex(0xf0862c))
}

func heart(n *pen, c rgb, r *rand.Rand) {
	n.halo(0, 54, 66, c.light(0.4), 0.4)
	n.fill(path{}.m(0, 6).c(-66, 52, -50, 98, -24, 98).c(-10, 98, -2, 88, 0, 80).c(2, 88, 10, 98, 24, 98).c(50, 98, 66, 52, 0, 6).z(), c)
	n.shine(smooth(-34, 66, -36, 80, -24, 90, -28, 76), hex(0xffffff), 0.45)
}

func crystal(n *pen, c rgb, r *rand.Rand) {
	n.halo(0, 50, 70, c, 0.5)
	for _, k := range [][4]float64{{-24, 10, 56, -6}, {24, 9, 48, 7}, {0, 15, 98, 0}} {
		x, w, h, lean := k[0], k[1], k[2], k[3]
		n.fill(poly(x-w, 0, x+lean-w, h*0.72, x+lean, h, x, 0), c.light(0.3))
		n.fill(poly(x, 0, x+lean, h, x+lean+w, h*0.72, x+w, 0), c.dark(0.12))
		n.flat(poly(x-w, 0, x+lean-w, h*0.72, x+lean-w*0.5, h*0.66, x-w*0.5, 0), c.light(0.55))
		n.shine(poly(x+lean-w, h*0.72, x+lean, h, x+lean-w*0.3, h*0.68), hex(0xffffff), 0.5)
	}
}

func cup(n *pen, c rgb, r *rand.Rand) {
	n.fill(oval(0, 4, 58, 7), c.dark(0.12))
	n.flat(append(circle(38, 38, 17), backward(38, 38, 10)...), c.dark(0.06))
	n.fill(path{}.m(-40, 66).q(-38, 14, -20, 6).l(20, 6).q(38, 14, 40, 66).z(), c)
	n.flat(oval(0, 66, 40, 7), c.dark(0.15))
	n.flat(oval(0, 65, 36, 5.4), hex(0x5a3520))
	n.flat(path{}.m(0, 30).c(-18, 42, -12, 54, -6, 54).c(-2, 54, 0, 51, 0, 49).c(0, 51, 2, 54, 6, 54).c(12, 54, 18, 42, 0, 30).z(), hex(0xd8453a))
	for _, x := range []float64{-14, 4, 20} {
		n.shine(path{}.m(x, 72).q(x-8, 82, x, 90).q(x+7, 98, x-1, 108).q(x+3, 98, x-4, 91).q(x-12, 82, x, 72).z(), hex(0xffffff), 0.5)
	}
}

func cake(n *pen, c rgb, r *rand.Rand) {
	n.fill(oval(0, 3, 56, 7), hex(0xf4f1ea))
	tier := func(y, w, h float64, k rgb) {
		n.fill(round(-w, y, w, y+h, 5), k)
		drip := path{}.m(-w, y+h*0.6)
		for i := range 9 {
			x := -w + float64(i)*w/4.5
			drip = drip.q(x+w/9, y+h*(0.25+0.2*r.Float64()), x+w/4.5, y+h*0.6)
		}
		n.fill(drip.l(w, y+h).q(w, y+h+2, w-4, y+h+2).l(-w+4, y+h+2).q(-w, y+h+2, -w, y+h).z(), hex(0xfdf7ee))
	}
	tier(4, 46, 30, c)
	tier(36, 31, 26, c.turn(25))
	for i := range 5 {
		x := -22 + float64(i)*11
		n.fill(rect(x-1.6, 63, x+1.6, 80), hsl(float64(i)*70, 0.65, 0.6))
		n.halo(x, 85, 12, hex(0xffc75a), 0.8)
		n.shine(smooth(x-2, 82, x, 91, x+2, 82, x, 79.5), hex(0xffd75a), 1)
	}
	for i := range 12 {
		n.flat(circle(-40+float64(i)*7.3, 9+r.Float64()*6, 1.8), hsl(r.Float64()*360, 0.7, 0.55))
	}
}

func lantern(n *pen, c rgb, r *rand.Rand) {
	n.halo(0, 48, 80, hex(0xffc05a), 0.7)
	n.flat(append(circle(0, 96, 7), backward(0, 96, 5)...), hex(0x3a2f2a))
	n.fill(round(-12, 84, 12, 91, 2), hex(0x3a2f2a))
	n.fill(oval(0, 48, 26, 38), c)
	n.shine(oval(0, 46, 17, 30), hex(0xffcf6a), 0.75)
	n.shine(oval(0, 44, 8, 18), hex(0xfff3c8), 0.8)
	for _, x := range []float64{-16, -6, 6, 16} {
		n.flat(path{}.m(x, 84).q(x*1.9, 48, x, 12).l(x+0.9, 12).q(x*1.9+0.9, 48, x+0.9, 84).z(), c.dark(0.3))
	}
	n.fill(round(-12, 6, 12, 13, 2), hex(0x3a2f2a))
	n.flat(append(stroke(1.2, -4, 6, -4, -6), append(stroke(1.2, 0, 6, 0, -8), stroke(1.2, 4, 6, 4, -6)...)...), c)
}

func book(n *pen, c rgb, r *rand.Rand) {
	n.fill(poly(-80, 4, 80, 4, 80, 10, 0, 2, -80, 10), c.dark(0.2))
	for _, s := range []float64{-1, 1} {
		n.fill(path{}.m(0, 10).q(s*40, 30, s*76, 14).l(s*76, 74).q(s*40, 92, 0, 70).z(), hex(0xfaf4e4))
		for i := range 6 {
			y := 62 - float64(i)*7
			n.flat(path{}.m(s*8, y+2).q(s*40, y+18, s*68, y+4).l(s*68, y+2.8).q(s*40, y+16.6, s*8, y+0.8).z(), hex(0x8a8478))
		}
		n.fill(poly(s*76, 14, s*82, 10, s*82, 72, s*76, 74), c)
	}
	n.flat(rect(-1, 8, 1, 70), c.dark(0.3))
}

func guitar(n *pen, c rgb, r *rand.Rand) {
	n.lean = 0.2
	n.fill(round(-4, 46, 4, 92, 1), hex(0x4a2f20))
	n.fill(poly(-6, 90, 6, 90, 7, 104, -7, 104), hex(0x3a2418))
	n.fill(smooth(0, 2, -22, 6, -24, 24, -14, 36, -17, 48, -8, 56, 8, 56, 17, 48, 14, 36, 24, 24, 22, 6), c)
	n.flat(circle(0, 36, 7.5), hex(0x2a1a12))
	n.flat(round(-9, 14, 9, 18, 1), hex(0x3a2418))
	for i := range 4 {
		x := -2.4 + float64(i)*1.6
		n.flat(rect(x-0.2, 16, x+0.2, 100), hex(0xe9e4d4))
	}
}

func umbrella(n *pen, c rgb, r *rand.Rand) {
	n.flat(append(stroke(2.4, 0, 8, 0, 96), stroke(2.4, 0, 8, 4, 3, 9, 5, 10, 10)...), hex(0x5a3d28))
	n.fill(path{}.m(-44, 54).c(-42, 84, -20, 96, 0, 96).c(20, 96, 42, 84, 44, 54).q(36, 62, 29, 54).q(22, 62, 15, 54).q(7, 62, 0, 54).q(-7, 62, -15, 54).q(-22, 62, -29, 54).q(-36, 62, -44, 54).z(), c)
	n.fill(path{}.m(-15, 54).c(-14, 80, -6, 94, 0, 96).c(6, 94, 14, 80, 15, 54).q(7, 62, 0, 54).q(-7, 62, -15, 54).z(), c.light(0.25))
}
