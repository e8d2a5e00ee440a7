package picture

import "math/rand/v2"

func sailboat(n *pen, c rgb, r *rand.Rand) {
	n.fill(path{}.m(-40, 12).l(42, 12).q(34, -6, 22, -6).l(-26, -6).q(-36, -4, -40, 12).z(), hex(0x8a4a2c))
	n.flat(poly(-40, 12, 42, 12, 40.5, 8.5, -39, 8.5), hex(0xf4efe2))
	n.flat(rect(-1.2, 12, 1.2, 98), hex(0x5d4632))
	n.fill(path{}.m(4, 17).l(4, 96).q(30, 56, 36, 17).z(), c)
	n.fill(path{}.m(-4, 19).l(-4, 88).q(-18, 44, -34, 19).z(), c.dark(0.1))
	n.flat(poly(4, 40, 29.6, 40, 32, 33, 4, 33), hex(0xd2413a).to(c, 0.25))
	n.flat(poly(0, 98, 12, 95, 0, 92), hex(0xd2413a))
}

func steamer(n *pen, c rgb, r *rand.Rand) {
	n.fill(path{}.m(-92, 30).l(94, 34).q(86, 4, 72, 0).l(-78, 0).q(-88, 8, -92, 30).z(), c)
	n.flat(poly(-85, 6, 82, 6, 78, 0, -79, 0), hex(0xb23a30))
	n.fill(rect(-70, 30, 62, 46), hex(0xf7f5ee))
	n.fill(rect(-54, 46, 44, 58), hex(0xf7f5ee))
	for i := range 16 {
		n.lit(circle(-64+float64(i)*8, 38, 2))
	}
	for i := range 11 {
		n.lit(rect(-48+float64(i)*8.4, 49, -43+float64(i)*8.4, 55))
	}
	for i, x := range []float64{-36, -8, 20} {
		n.fill(poly(x, 58, x+13, 58, x+11, 88, x-2, 88), hex(0xd8602f))
		n.flat(poly(x-1.4, 81, x+11.6, 81, x+11, 88, x-2, 88), ink0)
		n.shine(circle(x-4, 98, 7), hex(0xe6e6ea), 0.5)
		n.shine(circle(x-14, 107+float64(i), 10), hex(0xe6e6ea), 0.4)
	}
}

func galleon(n *pen, c rgb, r *rand.Rand) {
	sail := hex(0xf3e7cb)
	n.fill(path{}.m(-58, 34).l(-40, 32).l(-38, 22).l(40, 20).l(44, 28).l(62, 30).q(52, 0, 34, -4).l(-34, -4).q(-52, 4, -58, 34).z(), c)
	n.flat(poly(-52, 16, 54, 16, 52, 12, -51, 12), hex(0xe0b84a))
	for i := range 6 {
		n.flat(rect(-34+float64(i)*12, 3, -29+float64(i)*12, 8), ink0)
	}
	for _, k := range [][2]float64{{-28, 84}, {4, 98}, {34, 78}} {
		x, h := k[0], k[1]
		n.flat(rect(x-1.2, 20, x+1.2, h), hex(0x4a3324))
		n.fill(path{}.m(x-17, h-8).l(x+17, h-8).q(x+24, h-22, x+19, h-34).q(x, h-28, x-19, h-34).q(x-12, h-22, x-17, h-8).z(), sail)
		n.fill(path{}.m(x-19, h-36).l(x+19, h-36).q(x+27, h-50, x+21, 30).q(x, 38, x-21, 30).q(x-13, h-50, x-19, h-36).z(), sail.dark(0.06))
		n.flat(poly(x, h, x+12, h-3, x, h-6), ink0)
	}
	n.flat(stroke(1.8, 58, 30, 78, 44), hex(0x4a3324))
	n.fill(path{}.m(36, 74).l(77, 44).l(52, 34).z(), sail.dark(0.1))
}

func rocket(n *pen, c rgb, r *rand.Rand) {
	red := hex(0xdc3f36)
	n.lean = 0.18
	n.halo(0, -8, 40, hex(0xffa63a), 0.7)
	n.shine(smooth(-8, 14, -14, -6, -5, -14, 0, -34, 5, -14, 14, -6, 8, 14), hex(0xff8a2a), 0.95)
	n.shine(smooth(-5, 14, -7, 0, 0, -18, 7, 0, 5, 14), hex(0xffe07a), 1)
	n.fill(path{}.m(-14, 40).q(-30, 26, -28, 4).q(-20, 14, -13, 16).z(), red)
	n.fill(path{}.m(14, 40).q(30, 26, 28, 4).q(20, 14, 13, 16).z(), red)
	n.fill(path{}.m(0, 100).c(18, 80, 20, 44, 12, 13).l(-12, 13).c(-20, 44, -18, 80, 0, 100).z(), c)
	n.fill(path{}.m(0, 100).c(8, 92, 12.5, 83, 14.6, 74).l(-14.6, 74).c(-12.5, 83, -8, 92, 0, 100).z(), red)
	n.flat(circle(0, 57, 8.6), hex(0x49536b))
	n.shine(circle(0, 57, 6.4), hex(0x7fd0f2), 1)
	n.shine(circle(-2, 59, 2), hex(0xffffff), 0.9)
	n.flat(rect(-14.8, 24, 14.8, 28), red)
	n.fill(path{}.m(-3, 30).l(3, 30).l(4, 6).l(0, 1).l(-4, 6).z(), red.dark(0.15))
}

func astronaut(n *pen, c rgb, r *rand.Rand) {
	n.lean = r.Float64()*0.6 - 0.3
	gray := hex(0xb9c1cf)
	n.fill(round(-26, 28, 26, 70, 8), gray.dark(0.2))
	n.fill(stroke(14, -18, 58, -36, 44, -40, 62), c)
	n.fill(stroke(14, 18, 58, 38, 62, 46, 76), c)
	n.fill(circle(-40, 64, 7), hex(0x49536b))
	n.fill(circle(47, 79, 7), hex(0x49536b))
	n.fill(stroke(17, -10, 28, -14, 8), c)
	n.fill(stroke(17, 10, 28, 18, 10), c)
	n.fill(round(-24, 0, -4, 9, 4), gray)
	n.fill(round(8, 1, 28, 10, 4), gray)
	n.fill(round(-22, 24, 22, 66, 11), c)
	n.flat(round(-12, 36, 12, 52, 3), gray)
	n.shine(circle(-6, 44, 2.4), hex(0xe2453a), 1)
	n.shine(circle(0, 44, 2.4), hex(0x49c06a), 1)
	n.shine(circle(6, 44, 2.4), hex(0x4a90e2), 1)
	n.fill(circle(0, 80, 22), c)
	n.shine(round(-16, 68, 16, 92, 11), hex(0x22345c), 1)
	n.shine(smooth(-12, 80, -10, 89, 0, 91, -6, 84), hex(0x8fd0f5), 0.8)
}

func satellite(n *pen, c rgb, r *rand.Rand) {
	n.lean = -0.3
	for _, s := range []float64{-1, 1} {
		n.flat(rect(min(s*14, s*26), 48, max(s*14, s*26), 52), c.dark(0.2))
		x0, x1 := min(s*26, s*92), max(s*26, s*92)
		n.fill(rect(x0, 30, x1, 70), hex(0x2c4f9c))
		for i := range 6 {
			x := x0 + float64(i)*(x1-x0)/5
			n.flat(rect(x-0.8, 30, x+0.8, 70), c)
		}
		n.flat(rect(x0, 49.2, x1, 50.8), c)
	}
	n.fill(round(-16, 26, 16, 74, 4), hex(0xd9b25a))
	n.flat(rect(-16, 44, 16, 56), c)
	n.fill(smooth(-14, 84, 0, 74, 14, 84, 0, 80), c)
	n.flat(stroke(1.4, 0, 74, 0, 94), c)
	n.shine(circle(0, 95, 2.4), hex(0xff5a4a), 1)
}

func saucer(n *pen, c rgb, r *rand.Rand) {
	n.beam(poly(-26, 44, 26, 44, 70, -60, -70, -60), 0, 44, 0, -60, hex(0xbdf5c8), 0.55)
	n.shine(path{}.m(-30, 60).c(-30, 90, -14, 100, 0, 100).c(14, 100, 30, 90, 30, 60).z(), hex(0x9fe6f0), 0.9)
	n.shine(circle(0, 72, 9), hex(0x62b04f), 1)
	n.shine(append(oval(-3.6, 74, 2.2, 3.2), oval(3.6, 74, 2.2, 3.2)...), ink0, 1)
	n.fill(oval(0, 54, 74, 17), c)
	n.fill(oval(0, 59, 46, 9), c.light(0.25))
	for i := range 7 {
		x := -60 + float64(i)*20
		n.shine(circle(x, 50-0.0018*x*x+1, 4), []rgb{hex(0xffe27a), hex(0xff7a6a), hex(0x8af0a0)}[i%3], 1)
	}
}

func balloon(n *pen, c rgb, r *rand.Rand) {
	n.flat(append(stroke(0.8, -12, 34, -6, 14), stroke(0.8, 12, 34, 6, 14)...), hex(0x4a3a30))
	n.fill(round(-8, 0, 8, 14, 2), hex(0x8a5f36))
	shape := path{}.m(-13, 33).c(-34, 52, -36, 76, -30, 84).c(-22, 100, 22, 100, 30, 84).c(36, 76, 34, 52, 13, 33).z()
	n.fill(shape, c)
	n.fill(path{}.m(-8, 33).c(-20, 52, -22, 78, -16, 90).c(-12, 97, 12, 97, 16, 90).c(22, 78, 20, 52, 8, 33).z(), hex(0xf7e9c8))
	n.fill(path{}.m(-4, 33).c(-9, 52, -10, 78, -7, 95).c(-4, 97, 4, 97, 7, 95).c(10, 78, 9, 52, 4, 33).z(), c)
	n.shine(smooth(-24, 66, -24, 82, -16, 90, -19, 76), hex(0xffffff), 0.25)
}

func airplane(n *pen, c rgb, r *rand.Rand) {
	n.lean = -0.14
	blue := hex(0x2f62b0)
	n.fill(poly(-14, 52, 14, 54, -16, 88, -30, 88), c.dark(0.2))
	n.fill(path{}.m(-88, 48).q(-80, 40, -50, 38).l(58, 38).q(88, 42, 92, 50).q(84, 60, 60, 62).l(-60, 60).q(-82, 58, -88, 48).z(), c)
	n.fill(poly(-86, 52, -66, 58, -78, 88, -94, 88), blue)
	n.flat(rect(-80, 45, 86, 47.4), blue)
	for i := range 12 {
		n.flat(round(-50+float64(i)*9, 51, -45.5+float64(i)*9, 57, 1.6), hex(0x3a4a63))
	}
	n.flat(poly(72, 52, 86, 52, 80, 58, 70, 58), hex(0x3a4a63))
	n.fill(poly(-10, 46, 24, 46, -26, 8, -44, 8), c.dark(0.06))
	n.fill(round(-22, 26, 2, 34, 4), blue)
}

func kite(n *pen, c rgb, r *rand.Rand) {
	n.flat(path{}.m(0, 20).q(30, -10, -10, -60).q(34, -10, 1, 20).z(), hex(0xf4f1ea))
	n.lean = 0.3
	n.fill(poly(0, 100, 30, 66, 0, 20, -30, 66), c)
	n.flat(poly(0, 100, 30, 66, 0, 66), c.light(0.3))
	n.flat(poly(0, 20, -30, 66, 0, 66), c.light(0.3))
	for i := range 4 {
		y := 12 - float64(i)*11
		x := 4 + float64(i%2)*7
		n.fill(poly(x, y, x-7, y+4, x-7, y-4), c.turn(float64(i)*60))
		n.fill(poly(x, y, x+7, y+4, x+7, y-4), c.turn(float64(i)*60))
	}
}

func wheel(n *pen, x, y, r float64) {
	n.flat(circle(x, y, r), hex(0x22242c))
	n.flat(circle(x, y, r*0.55), hex(0xb7bcc6))
	n.flat(circle(x, y, r*0.2), hex(0x55596a))
}

func car(n *pen, c rgb, r *rand.Rand) {
	n.fill(smooth(-62, 44, -48, 82, -20, 92, 22, 92, 46, 74, 62, 46), c)
	n.shine(path{}.m(-48, 52).q(-40, 80, -18, 84).l(-4, 84).l(-4, 52).z(), hex(0xbfe3f2), 0.95)
	n.shine(path{}.m(4, 52).l(4, 84).l(20, 84).q(38, 74, 46, 52).z(), hex(0xbfe3f2), 0.95)
	n.fill(path{}.m(-100, 18).q(-102, 46, -84, 50).l(68, 52).q(100, 46, 102, 22).l(100, 16).l(-98, 16).z(), c)
	n.flat(rect(-98, 14, 100, 20), hex(0x3a3d48))
	n.flat(rect(-1, 22, 0.4, 50), c.dark(0.3))
	n.flat(round(6, 40, 18, 43, 1.4), c.dark(0.35))
	n.shine(round(92, 32, 102, 42, 3), hex(0xfff2b0), 1)
	n.shine(round(-101, 34, -94, 43, 2), hex(0xff5a4a), 1)
	if n.amount > 0.1 {
		n.beam(poly(100, 38, 240, 62, 240, -6), 100, 38, 230, 38, hex(0xfff2b0), 0.6)
	}
	wheel(n, -56, 17, 19)
	wheel(n, 58, 17, 19)
}

func train(n *pen, c rgb, r *rand.Rand) {
	n.flat(rect(-125, 0, 125, 3), hex(0x4a4650))
	n.fill(rect(-112, 18, -40, 78), hex(0xb2432f))
	n.fill(round(-116, 76, -36, 84, 3), hex(0x3a3d48))
	for i := range 3 {
		n.lit(round(-104+float64(i)*22, 46, -90+float64(i)*22, 66, 2))
	}
	n.flat(rect(-40, 20, -28, 26), hex(0x3a3d48))
	n.fill(rect(-28, 18, 10, 90), c)
	n.fill(round(-34, 88, 16, 96, 3), hex(0x3a3d48))
	n.lit(round(-20, 54, 2, 78, 2))
	n.fill(round(8, 26, 86, 68, 8), c)
	for _, x := range []float64{28, 52, 74} {
		n.flat(rect(x, 26, x+3, 68), hex(0xe0b84a))
	}
	n.fill(poly(62, 68, 76, 68, 80, 94, 58, 94), hex(0x3a3d48))
	for i, k := range [][3]float64{{66, 106, 8}, {52, 118, 12}, {32, 130, 16}} {
		n.shine(circle(k[0], k[1], k[2]), hex(0xf2f2f5), 0.6-0.12*float32(i))
	}
	n.shine(circle(88, 52, 6), hex(0xfff2b0), 1)
	n.fill(poly(84, 20, 98, 6, 70, 6, 74, 20), hex(0xb2432f))
	for _, x := range []float64{-96, -58, -14, 22, 52} {
		wheel(n, x, 16, 14)
	}
	n.flat(stroke(3, -14, 16, 52, 16), hex(0x9aa0ac))
}

func bicycle(n *pen, c rgb, r *rand.Rand) {
	for _, x := range []float64{-42, 42} {
		n.flat(append(circle(x, 30, 30), backward(x, 30, 26.6)...), hex(0x2a2c34))
		for i := range 8 {
			dx, dy := onCircle(float64(i)/16, 27)
			n.flat(stroke(0.7, x-dx, 30-dy, x+dx, 30+dy), hex(0x9aa0ac))
		}
	}
	n.flat(stroke(4, -42, 30, -16, 72, 26, 72, -2, 30, -42, 30), c)
	n.flat(stroke(4, -2, 30, -20, 80), c)
	n.flat(stroke(4, 42, 30, 24, 84, 40, 90), c)
	n.flat(stroke(6, -30, 82, -12, 82), hex(0x3a2a20))
	n.flat(circle(-2, 30, 6), hex(0x55596a))
}
