package picture

import (
	"math"
	"math/rand/v2"
)

func tree(n *pen, c rgb, r *rand.Rand) {
	bark := hex(0x6b4730)
	n.fill(smooth(-7, 0, -5, 30, -14, 52, -8, 52, 0, 40, 8, 54, 13, 52, 5, 30, 8, 0), bark)
	n.flat(poly(-7, 1, -16, -2, 16, -2, 8, 1), bark)
	var back, front path
	for i := range 9 {
		x, y := onCircle(float64(i)/9, 22)
		back = append(back, circle(x*1.25, 70+y*0.85, 14+r.Float64()*4)...)
	}
	for i := range 6 {
		x, y := onCircle(float64(i)/6+0.1, 13)
		front = append(front, circle(x*1.2-3, 75+y*0.8, 11+r.Float64()*4)...)
	}
	n.fill(append(back, circle(0, 70, 24)...), c.dark(0.14))
	n.fill(append(front, circle(-3, 75, 15)...), c.light(0.08))
	for range 34 {
		x, y := onCircle(r.Float64(), 33*math.Sqrt(r.Float64()))
		n.flat(circle(x*1.1, 71+y*0.85, 1.2+r.Float64()*1.6), c.light(0.28))
	}
}

func pine(n *pen, c rgb, r *rand.Rand) {
	n.fill(rect(-4, 0, 4, 16), hex(0x5f402c))
	for i := range 4 {
		y, w := 10+float64(i)*20, 28-float64(i)*6
		n.fill(smooth(0, y+36, -w*0.34, y+16, -w, y+1, -w*0.5, y+4, 0, y-1, w*0.5, y+4, w, y+1, w*0.34, y+16), c.light(0.05*float32(i)))
		if r.IntN(2) == 0 {
			n.flat(smooth(-w*0.85, y+3, -w*0.4, y+12, -w*0.2, y+7), c.light(0.3))
		}
	}
}

func palm(n *pen, c rgb, r *rand.Rand) {
	bark := hex(0x8a6238)
	n.fill(smooth(-8, 0, -2, 30, 6, 58, 16, 78, 20, 76, 12, 56, 6, 28, 3, 0), bark)
	for i := range 8 {
		y := 8 + float64(i)*9
		x := -5 + float64(i*i)*0.28 + float64(i)*0.6
		n.flat(stroke(0.9, x, y, x+8, y+1.6), bark.dark(0.3))
	}
	for i := range 8 {
		a := -0.45 + float64(i)*0.58
		s, k := math.Sincos(a)
		x, y := 18+k*36, 78+s*24-6
		n.fill(path{}.m(18, 79).q(18+k*20, 79+s*20+14, x, y-8).q(18+k*22, 79+s*18+4, 18, 76).z(), c.dark(0.14*float32(i%3)))
	}
	for _, k := range [][2]float64{{14, 73}, {20, 72}, {17, 70}} {
		n.fill(circle(k[0], k[1], 3.6), hex(0x5a3a20))
	}
}

func cactus(n *pen, c rgb, r *rand.Rand) {
	n.fill(round(-10, 0, 10, 98, 10), c)
	n.fill(path{}.m(8, 36).l(20, 36).q(30, 36, 30, 46).l(30, 70).q(30, 76, 24, 76).q(18, 76, 18, 70).l(18, 50).q(18, 48, 16, 48).l(8, 48).z(), c)
	n.fill(path{}.m(-8, 50).l(-20, 50).q(-30, 50, -30, 60).l(-30, 78).q(-30, 84, -24, 84).q(-18, 84, -18, 78).l(-18, 64).q(-18, 62, -16, 62).l(-8, 62).z(), c)
	for _, x := range []float64{-5, 0, 5} {
		n.flat(rect(x-0.4, 4, x+0.4, 90), c.dark(0.25))
	}
	for _, k := range [][2]float64{{0, 99}, {24, 77}, {-24, 85}} {
		for i := range 5 {
			x, y := onCircle(float64(i)/5, 3)
			n.flat(circle(k[0]+x, k[1]+y, 2.4), hex(0xf06a92))
		}
		n.flat(circle(k[0], k[1], 1.8), hex(0xf7d34a))
	}
}

func flower(n *pen, c rgb, r *rand.Rand) {
	green := hex(0x3f8a3f)
	bend := r.Float64()*10 - 5
	n.flat(path{}.m(-1.6, 0).q(bend, 36, -1.2, 72).l(1.6, 72).q(bend+3, 36, 1.6, 0).z(), green)
	for _, s := range []float64{-1, 1} {
		n.fill(smooth(bend*0.5, 20, s*12, 22, s*24, 40, s*10, 36), green.light(0.08))
	}
	_, _, l := c.hsl()
	petals := 9
	if l > 0.5 {
		petals = 14
	}
	for layer := range 2 {
		k := c
		if layer == 1 {
			k = c.light(0.16)
		}
		for i := range petals {
			x, y := onCircle((float64(i)+0.5*float64(layer))/float64(petals), 15-3*float64(layer))
			p := *n
			q := n.at(point{x, 76 + y})
			p.x, p.y = q.x, q.y
			p.lean = math.Atan2(x, y)
			p.fill(smooth(0, -8, -4.6, 2, -2.6, 10, 0, 12, 2.6, 10, 4.6, 2), k)
		}
	}
	n.fill(circle(0, 76, 8.5), hex(0x7a4a22))
	for i := range 14 {
		x, y := onCircle(float64(i)*0.382, 1.8*math.Sqrt(float64(i)))
		n.flat(circle(x, 76+y, 0.8), hex(0xe9b84a))
	}
}

func mushroom(n *pen, c rgb, r *rand.Rand) {
	n.fill(smooth(-12, 1, -10, 30, -9, 52, 9, 52, 10, 30, 13, 1, 6, -2, -5, -2), hex(0xf5ecdc))
	n.flat(oval(0, 50, 26, 7), hex(0xe0cfb4))
	n.fill(path{}.m(-40, 50).c(-40, 80, -20, 98, 0, 98).c(20, 98, 40, 80, 40, 50).q(0, 38, -40, 50).z(), c)
	for _, k := range [][3]float64{{-22, 66, 6}, {0, 82, 7.5}, {20, 68, 5.5}, {-6, 58, 4.5}, {28, 54, 3.4}, {12, 58, 3.5}} {
		n.flat(oval(k[0], k[1], k[2], k[2]*0.85), hex(0xfbf7ef))
	}
	for i := range 5 {
		x := -24 + float64(i)*12
		n.flat(poly(x-2, -1, x, 9+r.Float64()*8, x+2, -1), hex(0x4d8a3f))
	}
}

func bamboo(n *pen, c rgb, r *rand.Rand) {
	for i := range 5 {
		x := -24 + float64(i)*12
		h := 74 + r.Float64()*26
		k := c.dark(0.08 * float32(i%3))
		for y := 0.0; y < h; y += 14 {
			n.fill(round(x-2.6, y, x+2.6, min(y+13.2, h), 1.2), k)
		}
		for range 3 {
			y := 30 + r.Float64()*(h-30)
			s := float64(r.IntN(2)*2 - 1)
			n.fill(smooth(x, y, x+s*10, y+5, x+s*20, y+1, x+s*10, y), k.light(0.12))
		}
	}
}

func pumpkin(n *pen, c rgb, r *rand.Rand) {
	for _, k := range [][2]float64{{-30, 24}, {30, 24}, {-15, 26}, {15, 26}, {0, 27}} {
		n.fill(oval(k[0], 40, k[1], 40), c.light(float32(0.1-math.Abs(k[0])/300)))
	}
	n.fill(smooth(-5, 78, -8, 96, 2, 100, 5, 78), hex(0x5d7a35))
	dark := hex(0x3a1c10)
	shapes := []path{poly(-24, 46, -10, 46, -17, 60), poly(10, 46, 24, 46, 17, 60), poly(-26, 32, -14, 27, -8, 32, 0, 26, 8, 32, 14, 27, 26, 32, 12, 15, -12, 15)}
	for _, s := range shapes {
		n.flat(s, dark)
		if n.amount > 0.1 {
			n.shine(s, hex(0xffd257), 0.95)
		}
	}
}
