package picture

import "math/rand/v2"

// drawing draws a thing of a color.
type drawing = func(n *pen, c rgb, r *rand.Rand)

type ear int

const (
	roundEar ear = iota
	pointedEar
	floppyEar
	longEar
)

// beast is what makes one sitting animal differ from another.
type beast struct {
	ear      ear
	mane     bool // a lion's
	stripes  bool
	whiskers bool
	mask     bool // a light face
	brush    bool // a bushy tail
	panda    bool
}

var ink0 = hex(0x1d1a22)

// sitting is an animal that sits and looks at us.
func sitting(b beast) drawing {
	return func(n *pen, c rgb, r *rand.Rand) {
		dark, pale := c.dark(0.3), c.light(0.5)
		limbs, ears := c, c.dark(0.12)
		if b.panda {
			limbs, ears, dark = hex(0x2a2a30), hex(0x2a2a30), hex(0x2a2a30)
		}
		switch {
		case b.brush:
			n.fill(smooth(20, 6, 42, 4, 50, 24, 42, 46, 34, 34, 30, 18), c)
			n.fill(smooth(40, 40, 50, 26, 46, 50, 40, 54), hex(0xf7f2ea))
		case b.ear == longEar:
			n.fill(circle(24, 10, 8), pale)
		case !b.panda:
			n.fill(stroke(6, 20, 6, 34, 5, 42, 14, 41, 28), c)
			if b.mane {
				n.fill(oval(41, 32, 6, 8), hex(0x8a4a1c))
			}
		}
		n.fill(smooth(-25, 0, -28, 20, -19, 44, 0, 52, 19, 44, 28, 20, 25, 0), c)
		n.fill(oval(-20, 10, 12, 11), limbs)
		n.fill(oval(20, 10, 12, 11), limbs)
		if b.stripes {
			for _, y := range []float64{18, 27, 36} {
				n.flat(poly(-26, y, -15, y+1, -26, y+5), dark)
				n.flat(poly(26, y, 15, y+1, 26, y+5), dark)
			}
		}
		n.flat(oval(0, 27, 10, 18), pale)
		n.fill(round(-14, 1, -3, 36, 5), limbs)
		n.fill(round(3, 1, 14, 36, 5), limbs)
		n.fill(oval(-9, 4, 8, 4.5), limbs.light(0.12))
		n.fill(oval(9, 4, 8, 4.5), limbs.light(0.12))
		if b.mane {
			mane(n, c)
		}
		b.ears(n, ears)
		n.fill(oval(0, 66, 21, 18.5), c)
		b.face(n, c, dark)
	}
}

func mane(n *pen, c rgb) {
	for _, k := range []struct {
		r, size float64
		c       rgb
	}{{28, 10, hex(0x7c421a)}, {22, 11, hex(0xa65f24)}} {
		var p path
		for i := range 16 {
			x, y := onCircle(float64(i)/16, k.r)
			p = append(p, circle(x, 65+y*0.97, k.size)...)
		}
		n.fill(append(p, circle(0, 65, k.r)...), k.c)
	}
}

func (b beast) ears(n *pen, c rgb) {
	inner := hex(0xe7a9a0)
	for _, s := range []float64{-1, 1} {
		switch b.ear {
		case roundEar:
			n.fill(circle(s*16, 80, 7.5), c)
			n.flat(circle(s*16, 79.5, 4), c.to(inner, 0.5))
		case pointedEar:
			n.fill(smooth(s*19, 72, s*21, 96, s*7, 82), c)
			n.flat(smooth(s*17.5, 76, s*18.5, 90, s*10, 81), inner)
		case floppyEar:
			n.fill(smooth(s*13, 81, s*24, 78, s*28, 60, s*22, 52, s*17, 62), c.dark(0.25))
		case longEar:
			n.fill(smooth(s*5, 78, s*4, 104, s*12, 110, s*16, 102, s*14, 78), c)
			n.flat(smooth(s*8, 80, s*7.5, 100, s*11, 105, s*13, 99, s*11.5, 80), inner)
		}
	}
}

func (b beast) face(n *pen, c, dark rgb) {
	pale := c.light(0.55)
	if b.mask {
		pale = hex(0xfaf3e8)
		n.flat(smooth(0, 66, -18, 66, -15, 54, 0, 48, 15, 54, 18, 66), pale)
	}
	if b.panda {
		n.flat(oval(-9, 68, 6, 7.5), dark)
		n.flat(oval(9, 68, 6, 7.5), dark)
	}
	if b.stripes {
		for _, x := range []float64{-6, 0, 6} {
			n.flat(poly(x-1.6, 84, x+1.6, 84, x*0.8, 75), dark)
		}
		for _, s := range []float64{-1, 1} {
			n.flat(poly(s*21, 68, s*14, 66, s*20.5, 63), dark)
			n.flat(poly(s*20, 60, s*13, 60, s*18, 56), dark)
		}
	}
	n.flat(oval(0, 57, 10, 7), pale)
	for _, s := range []float64{-1, 1} {
		n.shine(oval(s*8.5, 68.5, 3, 3.8), ink0, 1)
		n.shine(circle(s*8.5-0.9, 70, 1.1), hex(0xffffff), 1)
	}
	n.flat(smooth(-4, 62.5, 4, 62.5, 0, 58.5), ink0.to(hex(0x6b3030), 0.4))
	n.flat(stroke(1, 0, 59, 0, 55, -4, 53.2), ink0)
	n.flat(stroke(1, 0, 55, 4, 53.2), ink0)
	if b.whiskers {
		for _, s := range []float64{-1, 1} {
			n.flat(stroke(0.6, s*9, 58, s*25, 61), hex(0xf4f1ec))
			n.flat(stroke(0.6, s*9, 56, s*25, 55), hex(0xf4f1ec))
		}
	}
}

// walker is what makes one animal on four legs differ from another.
type walker struct {
	mane, horn, antlers, stripes, patches, heavy bool
	neck                                         float64 // how much longer than a horse's
}

// walking is an animal seen from the side.
func walking(k walker) drawing {
	return func(n *pen, c rgb, r *rand.Rand) {
		n = n.sub(0, 0, 100/(100+k.neck))
		dark := c.dark(0.35)
		hair := c.dark(0.55)
		switch {
		case k.horn:
			hair = hex(0xe59ad0)
		case k.stripes:
			hair = ink0
		}
		up := k.neck
		for _, x := range []float64{-26, 18} {
			n.fill(smooth(x+6, up*0.5+42, x+13, up*0.5+40, x+11, 18, x+12, 0, x+6, 0, x+5, 20), c.dark(0.22))
		}
		body := up * 0.5
		if k.mane || k.stripes {
			n.fill(smooth(-35, body+54, -44, body+44, -46, body+14, -39, body+20, -38, body+40), hair)
		} else {
			n.fill(stroke(3, -36, body+52, -42, body+40), dark)
		}
		belly := 33.0
		if k.heavy {
			belly = 25
		}
		n.fill(smooth(-38, body+50, -30, body+61, -4, body+58, 20, body+61, 31, body+52, 28, body+38, 8, body+belly, -22, body+belly+2, -36, body+38), c)
		for _, x := range []float64{-36, 10} {
			n.fill(smooth(x, body+44, x+13, body+44, x+10, 20, x+10.5, 0, x+3.5, 0, x+4, 20), c)
			n.flat(rect(x+3.3, 0, x+10.7, 4), hair)
		}
		if k.patches {
			for range 7 {
				x, y, w := -28+r.Float64()*46, body+38+r.Float64()*16, 3+r.Float64()*4
				n.flat(smooth(x-w, y, x-w*0.3, y+w*0.8, x+w, y+w*0.3, x+w*0.6, y-w*0.8, x-w*0.5, y-w*0.7), dark.to(hex(0x4a2f1c), 0.5))
			}
		}
		if k.stripes {
			for i := range 9 {
				x := -33 + float64(i)*7
				n.flat(smooth(x, body+59, x+2.6, body+59, x+0.6, body+38, x-1, body+38), ink0)
			}
		}
		hx, hy := 40.0, body*0+84+up
		n.fill(smooth(14, body+58, 26, body+60, hx+2, hy-6, hx-2, hy+6, hx-9, hy+4, 18, body+66), c)
		if k.mane {
			n.fill(smooth(10, body+57, 22, hy-10, hx-8, hy+9, hx-2, hy+7, hx-10, hy-4, 20, body+60), hair)
		}
		n.fill(smooth(hx-9, hy+5, hx-1, hy+8, hx+9, hy-2, hx+17, hy-10, hx+14, hy-16, hx+4, hy-13, hx-6, hy-6), c)
		n.fill(poly(hx-6, hy+5, hx-5, hy+14, hx, hy+7), c)
		n.shine(oval(hx+2, hy+0.5, 1.7, 2), ink0, 1)
		n.flat(circle(hx+13, hy-11, 1), ink0)
		switch {
		case k.horn:
			n.flat(poly(hx+1, hy+6, hx+10, hy+25, hx+5, hy+4), hex(0xf3cf6a))
		case k.antlers:
			n.flat(stroke(1.8, hx-3, hy+7, hx-8, hy+18, hx-4, hy+28), hex(0x6b4a2c))
			n.flat(stroke(1.5, hx-7, hy+16, hx-15, hy+22), hex(0x6b4a2c))
			n.flat(stroke(1.8, hx, hy+7, hx+4, hy+17, hx+1, hy+27), hex(0x6b4a2c))
			n.flat(stroke(1.5, hx+3.5, hy+15, hx+12, hy+20), hex(0x6b4a2c))
		case k.neck > 0:
			n.flat(stroke(1.6, hx-2, hy+7, hx-3, hy+14), dark)
			n.flat(circle(hx-3, hy+15, 1.8), dark)
		}
	}
}

func elephant(n *pen, c rgb, r *rand.Rand) {
	back := c.dark(0.25)
	n.fill(round(-34, 0, -20, 44, 5), back)
	n.fill(round(8, 0, 22, 44, 5), back)
	n.fill(stroke(2.4, -50, 60, -58, 44, -56, 30), c)
	n.fill(smooth(-52, 50, -46, 80, -14, 92, 18, 86, 30, 62, 24, 34, -12, 26, -46, 32), c)
	n.fill(round(-48, 0, -32, 46, 6), c)
	n.fill(round(-6, 0, 10, 46, 6), c)
	for _, x := range []float64{-46, -41, -36, -4, 1, 6} {
		n.flat(oval(x+1, 2.4, 1.9, 2), hex(0xe9e4d8))
	}
	n.fill(smooth(20, 88, 40, 92, 54, 78, 56, 60, 62, 36, 58, 14, 66, 10, 70, 16, 67, 40, 62, 56, 50, 52, 34, 52, 20, 60), c)
	n.flat(smooth(46, 52, 58, 44, 66, 46, 58, 50, 50, 56), hex(0xf6f0e0))
	n.fill(smooth(10, 88, 28, 86, 34, 68, 28, 46, 14, 42, 4, 56, 4, 76), c.dark(0.1))
	n.flat(smooth(13, 80, 26, 78, 29, 66, 24, 52, 14, 50, 9, 62), hex(0xd9a7a7).to(c, 0.45))
	n.shine(circle(43, 74, 2), ink0, 1)
}

func owl(n *pen, c rgb, r *rand.Rand) {
	n.flat(rect(-40, -2, 40, 4), hex(0x5a3d28))
	n.fill(smooth(-26, 30, -22, 78, 0, 90, 22, 78, 26, 30, 14, 4, -14, 4), c)
	n.fill(poly(-22, 80, -20, 98, -6, 86), c)
	n.fill(poly(22, 80, 20, 98, 6, 86), c)
	n.flat(oval(0, 34, 15, 24), c.light(0.45))
	for i := range 4 {
		for k := range 3 {
			n.flat(oval(float64(k-1)*9, 20+float64(i)*9, 2.4, 1.7), c.dark(0.1))
		}
	}
	n.fill(smooth(-25, 58, -30, 30, -18, 10, -14, 34), c.dark(0.25))
	n.fill(smooth(25, 58, 30, 30, 18, 10, 14, 34), c.dark(0.25))
	for _, s := range []float64{-1, 1} {
		n.flat(circle(s*10, 72, 10.5), c.light(0.6))
		n.shine(circle(s*10, 72, 7), hex(0xf6c845), 1)
		n.shine(circle(s*10, 72, 4), ink0, 1)
		n.shine(circle(s*10-1.5, 74, 1.3), hex(0xffffff), 1)
		n.flat(stroke(2, s*6, 6, s*6, -2), hex(0xd99a2b))
		n.flat(stroke(2, s*10, 6, s*10, -2), hex(0xd99a2b))
	}
	n.flat(poly(-3.5, 66, 3.5, 66, 0, 58), hex(0xe79b2c))
}

func penguin(n *pen, c rgb, r *rand.Rand) {
	n.fill(oval(-9, 3, 10, 4), hex(0xf0972c))
	n.fill(oval(9, 3, 10, 4), hex(0xf0972c))
	n.fill(smooth(-24, 62, -36, 30, -28, 26, -20, 46), c)
	n.fill(smooth(24, 62, 36, 30, 28, 26, 20, 46), c)
	n.fill(smooth(0, 100, -20, 88, -26, 44, -18, 6, 18, 6, 26, 44, 20, 88), c)
	n.flat(smooth(0, 70, -16, 56, -17, 24, -10, 8, 10, 8, 17, 24, 16, 56), hex(0xf8f6f0))
	n.flat(append(oval(-7, 80, 8, 9), oval(7, 80, 8, 9)...), hex(0xf8f6f0))
	for _, s := range []float64{-1, 1} {
		n.shine(circle(s*7, 82, 2.6), ink0, 1)
		n.shine(circle(s*7-0.8, 83, 0.9), hex(0xffffff), 1)
	}
	n.flat(poly(-5, 76, 5, 76, 0, 69), hex(0xf0972c))
}

func dinosaur(n *pen, c rgb, r *rand.Rand) {
	belly := c.light(0.45)
	n.fill(smooth(2, 40, 18, 42, 20, 18, 16, 0, 30, 0, 24, 6, 26, 22, 22, 44), c.dark(0.25))
	n.fill(smooth(-4, 60, 16, 68, 30, 56, 28, 34, 10, 20, -12, 26, -34, 24, -58, 8, -36, 34, -22, 50), c)
	n.flat(smooth(22, 58, 29, 46, 24, 32, 12, 23, 14, 36), belly)
	for i := range 6 {
		x, y := -42+float64(i)*9, 24+float64(i)*7
		n.flat(poly(x, y, x+3, y+10, x+8, y+5), c.dark(0.35))
	}
	n.fill(smooth(12, 62, 12, 84, 22, 98, 44, 96, 54, 86, 50, 78, 36, 76, 30, 62), c)
	n.flat(smooth(36, 77, 50, 79, 53, 83, 38, 83), hex(0x6b1f2a))
	for i := range 5 {
		x := 38 + float64(i)*3
		n.flat(poly(x, 83, x+2.6, 83, x+1.3, 80), hex(0xffffff))
	}
	n.shine(circle(30, 91, 3), hex(0xf6e27a), 1)
	n.shine(circle(30.8, 91, 1.4), ink0, 1)
	n.fill(stroke(4, 26, 54, 36, 48, 38, 42), c.dark(0.1))
	n.fill(smooth(-16, 40, 6, 40, 6, 18, -4, 4, 10, 0, -12, 0, -12, 8, -20, 22), c.light(0.06))
}
