package picture

import "math/rand/v2"

// lit is a window that glows.
func (n *pen) lit(p path) {
	n.flat(p, hex(0x5a7fa0))
	if n.amount > 0.1 {
		n.shine(p, hex(0xffd879), 0.95)
	}
}

func lighthouse(n *pen, c rgb, r *rand.Rand) {
	white := hex(0xf7f3ea)
	n.fill(smooth(-40, -2, -30, 9, 0, 12, 32, 9, 44, -2), hex(0x6f6258))
	n.fill(poly(-14, 6, 14, 6, 9, 74, -9, 74), white)
	for _, y := range []float64{18, 44} {
		at := func(y float64) float64 { return 14 - (y-6)*5/68 }
		n.fill(poly(-at(y), y, at(y), y, at(y+13), y+13, -at(y+13), y+13), c)
	}
	n.lit(round(-2.2, 34, 2.2, 41, 1))
	n.lit(round(-2, 62, 2, 68, 1))
	n.flat(round(-4, 6, 4, 17, 2), hex(0x5b3a28))
	n.flat(rect(-12.5, 74, 12.5, 77), hex(0x333844))
	n.shine(rect(-7, 77, 7, 87), hex(0xffe9a0), 1)
	n.flat(append(rect(-7.6, 77, -6.2, 87), append(rect(-0.7, 77, 0.7, 87), rect(6.2, 77, 7.6, 87)...)...), hex(0x333844))
	n.fill(poly(-10, 87, 10, 87, 0, 97), c)
	n.flat(circle(0, 98, 1.6), hex(0x333844))
	if n.amount > 0.1 {
		n.beam(poly(4, 83, 190, 108, 190, 58), 4, 83, 180, 83, hex(0xfff2b0), 0.5)
		n.beam(poly(-4, 83, -190, 106, -190, 60), -4, 83, -180, 83, hex(0xfff2b0), 0.5)
	}
	n.halo(0, 82, 34, hex(0xfff0b0), 0.75)
	// The keeper's house.
	n.fill(rect(14, 6, 38, 21), white.dark(0.06))
	n.fill(poly(12, 21, 40, 21, 35, 31, 17, 31), c.dark(0.2))
	n.lit(rect(18, 10, 23, 16))
	n.lit(rect(29, 10, 34, 16))
}

func house(n *pen, c rgb, r *rand.Rand) {
	roof := []rgb{hex(0xa8452f), hex(0x5d6b86), hex(0x7a4a34)}[r.IntN(3)]
	n.fill(rect(20, 60, 30, 92), hex(0x9a5a48))
	for i, k := range [][3]float64{{27, 98, 4}, {32, 106, 5.5}, {40, 115, 7}} {
		n.shine(circle(k[0], k[1], k[2]), hex(0xffffff), 0.5-0.1*float32(i))
	}
	n.fill(rect(-42, 0, 42, 48), c)
	n.fill(poly(-52, 46, 52, 46, 32, 84, -32, 84), roof)
	for i := range 3 {
		n.flat(rect(-48+float64(i)*6, 52+float64(i)*10, 48-float64(i)*6, 53+float64(i)*10), roof.dark(0.25))
	}
	n.flat(round(-8, 0, 9, 30, 3), hex(0x6b4028))
	n.flat(circle(5.5, 14, 1.3), hex(0xe9c25a))
	for _, x := range []float64{-33, 17} {
		n.flat(rect(x-1.5, 14.5, x+17.5, 34.5), hex(0xfbf6ea))
		n.lit(rect(x, 16, x+16, 33))
		n.flat(append(rect(x+7.3, 16, x+8.7, 33), rect(x, 24, x+16, 25.2)...), hex(0xfbf6ea))
	}
	for i := range 9 {
		n.flat(circle(-40+float64(i)*4, 3+r.Float64()*3, 3.4), hex(0x4d8a45))
		n.flat(circle(12+float64(i)*4, 3+r.Float64()*3, 3.4), hex(0x4d8a45))
	}
}

func castle(n *pen, c rgb, r *rand.Rand) {
	roof := []rgb{hex(0x3f5fa0), hex(0x8a3346), hex(0x4a6b5c)}[r.IntN(3)]
	tower := func(x, w, h float64) {
		n.fill(rect(x-w, 0, x+w, h), c)
		for i := range 4 {
			n.fill(rect(x-w-1+float64(i)*(2*w+2)/3.5, h, x-w-1+float64(i)*(2*w+2)/3.5+(2*w+2)/7, h+5), c)
		}
		n.fill(poly(x-w-3, h+4, x+w+3, h+4, x, h+4+w*2.6), roof)
		n.flat(rect(x-0.4, h+4+w*2.5, x+0.4, h+12+w*2.6), hex(0x3a3a44))
		n.flat(poly(x+0.4, h+12+w*2.6, x+9, h+9.5+w*2.6, x+0.4, h+7+w*2.6), hex(0xd8433a))
		n.lit(round(x-2, h*0.68, x+2, h*0.68+8, 2))
	}
	tower(-20, 7, 58)
	tower(20, 7, 58)
	n.fill(rect(-12, 0, 12, 56), c.dark(0.08))
	tower(0, 9, 66)
	n.fill(rect(-50, 0, 50, 34), c.light(0.06))
	for i := range 13 {
		x := -50 + float64(i)*8
		n.fill(rect(x, 34, x+4.5, 39), c.light(0.06))
	}
	tower(-46, 9, 46)
	tower(46, 9, 46)
	n.flat(append(rect(-9, 0, 9, 14), circle(0, 14, 9)...), hex(0x2b211c))
	n.flat(append(rect(-7, 0, 7, 13), circle(0, 13, 7)...), hex(0x5a3a24))
	for range 26 {
		x, y := -48+r.Float64()*96, 3+r.Float64()*28
		if x < -12 || x > 12 {
			n.flat(rect(x, y, x+4, y+1.6), c.dark(0.16))
		}
	}
}

func church(n *pen, c rgb, r *rand.Rand) {
	roof := hex(0x5a4a52)
	n.fill(rect(-12, 0, 40, 34), c)
	n.fill(poly(-14, 33, 43, 33, 36, 54, -8, 54), roof)
	n.fill(rect(-36, 0, -12, 58), c.light(0.06))
	n.fill(poly(-39, 57, -9, 57, -24, 98), roof)
	n.flat(append(rect(-24.8, 96, -23.2, 110), rect(-28, 104, -20, 105.6)...), hex(0xe0b84a))
	n.flat(circle(-24, 47, 6), hex(0xfbf8ef))
	n.flat(append(stroke(0.9, -24, 47, -24, 51.5), stroke(0.9, -24, 47, -20.5, 46)...), ink0)
	for _, x := range []float64{-4, 10, 24} {
		n.lit(append(rect(x, 9, x+8, 20), circle(x+4, 20, 4)...))
	}
	n.flat(append(rect(-30, 0, -18, 14), circle(-24, 14, 6)...), hex(0x5a3a28))
	n.lit(round(-26.5, 27, -21.5, 38, 2))
}

func windmill(n *pen, c rgb, r *rand.Rand) {
	n.fill(poly(-20, 0, 20, 0, 12, 62, -12, 62), c)
	n.fill(smooth(-14, 61, -8, 74, 8, 74, 14, 61), hex(0x8a4a34))
	n.flat(round(-5, 0, 5, 16, 3), hex(0x5b3a28))
	n.lit(round(-3, 28, 3, 37, 1))
	n.lit(round(-2.6, 48, 2.6, 56, 1))
	turn := r.Float64() * 0.25
	for i := range 4 {
		b := *n
		hub := n.at(point{0, 66})
		b.x, b.y, b.lean = hub.x, hub.y, n.lean+turn*6.28+float64(i)*1.5708
		b.flat(rect(-0.9, 0, 0.9, 40), hex(0x5b4634))
		b.flat(rect(1, 9, 9, 40), hex(0xf7f1e2))
		for k := range 5 {
			b.flat(rect(0, 12+float64(k)*6.5, 9, 12.8+float64(k)*6.5), hex(0x8a7358))
		}
	}
	n.flat(circle(0, 66, 2.6), hex(0x3f3128))
}

func eiffel(n *pen, c rgb, r *rand.Rand) {
	for _, s := range []float64{-1, 1} {
		n.fill(smooth(s*26, 0, s*16, 0, s*7, 34, s*3, 64, s*1, 90, 0, 90, s*3, 70, s*9, 40), c)
		n.fill(path{}.m(s*27, 0).l(s*15, 0).q(s*6, 36, 0, 96).l(s*2.4, 96).q(s*11, 40, s*27, 0).z(), c)
	}
	n.flat(rect(-18, 24, 18, 28), c.dark(0.15))
	n.flat(rect(-10.5, 46, 10.5, 49.5), c.dark(0.15))
	n.flat(rect(-4, 80, 4, 83), c.dark(0.15))
	for y := 6.0; y < 78; y += 8 {
		w := 25 * (1 - y/100) * (1 - y/130)
		n.flat(append(stroke(0.9, -w, y, w*0.7, y+9), stroke(0.9, w, y, -w*0.7, y+9)...), c.dark(0.1))
	}
	n.flat(append(path{}.m(-14, 0).q(0, 30, 14, 0).l(12, 0).q(0, 26, -12, 0).z(), rect(-0.8, 94, 0.8, 106)...), c)
	if n.amount > 0.1 {
		n.halo(0, 97, 18, hex(0xffe9a0), 0.8)
	}
}

func pyramid(n *pen, c rgb, r *rand.Rand) {
	for _, k := range [][3]float64{{52, 0, 0.55}, {0, 0, 1}} {
		x, s := k[0], k[2]
		n.fill(poly(x-80*s, 0, x+12*s, 0, x, 96*s), c.light(0.12))
		n.fill(poly(x+12*s, 0, x+72*s, 0, x, 96*s), c.dark(0.22))
		for i := range 9 {
			y := float64(i) * 10 * s
			left := -80*s + 80*s*y/(96*s)
			n.flat(rect(x+left, y, x+12*s*(1-y/(96*s)), y+0.7), c.dark(0.16))
		}
	}
}

func bridge(n *pen, c rgb, r *rand.Rand) {
	for _, x := range []float64{-62, 62} {
		n.fill(rect(x-5, 0, x+5, 100), c)
		n.flat(append(rect(x-2.4, 42, x+2.4, 62), rect(x-2.4, 68, x+2.4, 86)...), c.dark(0.35))
	}
	n.fill(rect(-130, 30, 130, 36), c.dark(0.1))
	for _, k := range [][3]float64{{-130, -62, 1}, {62, 130, -1}} {
		a, b := 36.0, 97.0
		if k[2] < 0 {
			a, b = b, a
		}
		n.flat(path{}.m(k[0], a).q((k[0]+k[1])/2, 50, k[1], b).l(k[1], b-2).q((k[0]+k[1])/2, 48, k[0], a-2).z(), c)
	}
	n.flat(path{}.m(-62, 97).q(0, -16, 62, 97).l(62, 95).q(0, -18.4, -62, 95).z(), c)
	for x := -56.0; x <= 56; x += 7 {
		t := x / 62
		n.flat(rect(x-0.4, 36, x+0.4, 40.5+56*t*t), c.light(0.1))
	}
}

func tent(n *pen, c rgb, r *rand.Rand) {
	n.fill(poly(-56, 0, 10, 0, -8, 92), c.light(0.1))
	n.fill(poly(10, 0, 62, 0, -8, 92), c.dark(0.16))
	n.flat(poly(-40, 0, -6, 0, -10, 76), hex(0x2a2030))
	if n.amount > 0.1 {
		n.shine(poly(-36, 0, -8, 0, -11, 68), hex(0xffc76a), 0.85)
		n.halo(-20, 22, 52, hex(0xffb85a), 0.5)
	}
	n.flat(poly(-56, 0, -40, 0, -10, 80), c.light(0.25))
	n.flat(stroke(1.4, -8, 92, -5, 100), hex(0x5a4634))
}

func igloo(n *pen, c rgb, r *rand.Rand) {
	n.fill(path{}.m(-50, 0).c(-50, 56, -30, 88, 0, 88).c(30, 88, 50, 56, 50, 0).z(), c)
	for i := range 4 {
		y := 20 + float64(i)*18
		w := 49 - float64(i*i)*3.4
		n.flat(stroke(1, -w, y, 0, y+4, w, y), c.dark(0.2))
		if i == 3 {
			break
		}
		for k := range 4 {
			x := -w*0.8 + float64(k)*w*0.5 + float64(i%2)*w*0.22
			n.flat(stroke(1, x, y+3, x*0.93, y+19), c.dark(0.2))
		}
	}
	n.fill(path{}.m(-6, 0).c(-6, 30, 4, 42, 22, 42).c(40, 42, 50, 30, 50, 0).z(), c.light(0.2))
	n.flat(path{}.m(6, 0).c(6, 20, 12, 30, 23, 30).c(34, 30, 40, 20, 40, 0).z(), hex(0x243a5a))
	if n.amount > 0.1 {
		n.shine(path{}.m(8, 0).c(8, 18, 13, 27, 23, 27).c(33, 27, 38, 18, 38, 0).z(), hex(0xffcf7a), 0.9)
	}
}

func volcano(n *pen, c rgb, r *rand.Rand) {
	for i := range 7 {
		x, y := -16+float64(i)*7+r.Float64()*10, 108+float64(i)*8
		n.shine(circle(x, y, 10+float64(i)*3.2), hex(0x6b6670), 0.5-0.05*float32(i))
	}
	n.halo(0, 92, 60, hex(0xff6a2a), 0.7)
	for range 16 {
		x, y := -34+r.Float64()*68, 96+r.Float64()*40
		n.shine(circle(x, y, 1+r.Float64()*1.6), hex(0xffb04a), 0.95)
	}
	n.shine(smooth(-9, 88, -6, 112, 0, 122, 7, 110, 9, 88), hex(0xff8a2a), 0.95)
	n.fill(path{}.m(-76, 0).q(-34, 30, -17, 90).l(17, 90).q(36, 30, 78, 0).z(), c)
	n.fill(path{}.m(20, 0).q(14, 40, 6, 90).l(17, 90).q(36, 30, 78, 0).z(), c.dark(0.2))
	n.shine(oval(0, 90, 17, 3.4), hex(0xffc24a), 1)
	n.shine(smooth(-10, 90, -12, 70, -20, 52, -14, 30, -8, 36, -9, 54, -3, 72, -2, 90), hex(0xf4622a), 1)
	n.shine(smooth(3, 90, 6, 72, 14, 58, 10, 44, 20, 46, 22, 60, 14, 74, 11, 90), hex(0xff8a2a), 1)
}
