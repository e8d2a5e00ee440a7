package picture

import (
	"math"
	"math/rand/v2"
)

// sky is the light of a scene.
type sky struct {
	top, mid, low rgb
	lamp          rgb     // the sun or the moon
	tint          rgb     // the light on things
	amount        float32 // how much of it
}

func skyOf(s *scene, r *rand.Rand) sky {
	pick := func(all ...sky) sky { return all[r.IntN(len(all))] }
	var k sky
	switch s.hour {
	case day:
		k = pick(
			sky{top: hex(0x2f7fd6), mid: hex(0x7cbcf0), low: hex(0xd9f0fb)},
			sky{top: hex(0x1f9bc4), mid: hex(0x86d3e6), low: hex(0xf3f6dc)},
			sky{top: hex(0x4a74d8), mid: hex(0x9fb9f3), low: hex(0xfbe6dc)},
		)
		k.lamp = hex(0xfff3b8)
	case dusk:
		k = pick(
			sky{top: hex(0x3a2d6b), mid: hex(0xd4566a), low: hex(0xffc46b)},
			sky{top: hex(0x2a3f7d), mid: hex(0xe07a5f), low: hex(0xffd98a)},
			sky{top: hex(0x4a1f5c), mid: hex(0xe0457b), low: hex(0xffa45c)},
		)
		k.lamp = hex(0xffe08a)
		k.tint, k.amount = hex(0x7a2f4f), 0.22
	case dawn:
		k = pick(
			sky{top: hex(0x6d8fd1), mid: hex(0xf0b7c4), low: hex(0xffe7c2)},
			sky{top: hex(0x5fa0c9), mid: hex(0xf5cfc0), low: hex(0xfff2d0)},
		)
		k.lamp = hex(0xfff0c0)
		k.tint, k.amount = hex(0xb06a8a), 0.12
	case night:
		k = pick(
			sky{top: hex(0x070b24), mid: hex(0x15234f), low: hex(0x33497f)},
			sky{top: hex(0x0d0a2a), mid: hex(0x2a1f5c), low: hex(0x5a4a8c)},
			sky{top: hex(0x041a2b), mid: hex(0x0c3a52), low: hex(0x2b6d7d)},
		)
		k.lamp = hex(0xf4f0dc)
		k.tint, k.amount = hex(0x141c44), 0.42
	}
	switch {
	case s.land == space:
		k = sky{top: hex(0x05040f), mid: hex(0x120b2c), low: hex(0x1d1440), lamp: k.lamp}
		k.tint, k.amount = hex(0x1b1440), 0.12
	case s.land == deep:
		k = sky{top: hex(0x3fc3d8), mid: hex(0x1879ad), low: hex(0x0b3f73), lamp: hex(0xd8fbff)}
		k.tint, k.amount = hex(0x1476a8), 0.25
	case s.rain || s.storm:
		gray := hex(0x5d6775)
		k.top, k.mid, k.low = k.top.to(gray, 0.75).dark(0.2), k.mid.to(gray, 0.75), k.low.to(gray.light(0.25), 0.7)
	case s.fog || s.snow && s.hour != night:
		k.top, k.mid, k.low = k.top.to(hex(0xc3cdd8), 0.5), k.mid.to(hex(0xdde3ea), 0.5), k.low.to(hex(0xf1f3f5), 0.6)
	}
	turn := r.Float64()*24 - 12
	k.top, k.mid, k.low = k.top.turn(turn), k.mid.turn(turn), k.low.turn(turn/2)
	return k
}

// backdrop is everything behind the ground.
func (p *painter) backdrop() {
	k, end := p.sky, p.horizon
	if p.land == space || p.land == deep {
		end = p.h
	}
	half := math.Round(end / 2) // between points there would be a seam
	p.wash(0, half, down(0, k.top, half, k.mid))
	p.wash(half, p.h, down(half, k.mid, end, k.low))
	switch p.land {
	case space:
		p.cosmos()
		return
	case deep:
		p.underwater()
		return
	}
	lampX := p.w * p.between(0.18, 0.82)
	lampY := p.horizon * p.between(0.18, 0.4)
	if p.hour == dusk || p.hour == dawn {
		lampY = p.horizon * p.between(0.72, 0.9)
	}
	if p.stars {
		p.starfield(p.horizon, 130)
	}
	if p.aurora {
		p.northernLights()
	}
	switch {
	case p.moon:
		p.theMoon(lampX, lampY)
	case p.sun:
		p.theSun(lampX, lampY)
	}
	if p.rainbow {
		p.bow()
	}
	if p.clouds {
		p.someClouds()
	}
	if p.storm {
		p.bolt(p.w * p.between(0.2, 0.8))
	}
	p.far()
	if p.land == sea || p.land == beach {
		p.water(lampX)
	}
}

func (p *painter) starfield(bottom float64, n int) {
	for range n {
		x, y := p.r.Float64()*p.w, p.r.Float64()*bottom*0.95
		size := 0.0011 * p.h * (0.6 + 1.6*math.Pow(p.r.Float64(), 3))
		p.fill(circle(x, y, size), flat(hex(0xffffff)).fade(float32(p.between(0.35, 1))))
	}
	for range 5 {
		x, y, d := p.r.Float64()*p.w, p.r.Float64()*bottom*0.8, p.h*p.between(0.008, 0.014)
		p.fill(poly(x-d, y, x, y-d/9, x+d, y, x, y+d/9), flat(hex(0xffffff)).fade(0.9))
		p.fill(poly(x, y-d, x+d/9, y, x, y+d, x-d/9, y), flat(hex(0xffffff)).fade(0.9))
	}
}

func (p *painter) theSun(x, y float64) {
	r := p.h * p.between(0.055, 0.075)
	if p.hour == dusk || p.hour == dawn {
		r *= 1.35
	}
	p.fill(circle(x, y, r*6), glow(x, y, r*6, p.sky.lamp, 0.65))
	p.fill(circle(x, y, r), flat(p.sky.lamp.light(0.35)))
}

func (p *painter) theMoon(x, y float64) {
	r := p.h * p.between(0.06, 0.085)
	p.fill(circle(x, y, r*4.5), glow(x, y, r*4.5, p.sky.lamp, 0.4))
	p.fill(circle(x, y, r), down(y-r, hex(0xfdfaf0), y+r, hex(0xdcd8c8)))
	for _, c := range [][3]float64{{-0.35, -0.2, 0.2}, {0.3, 0.25, 0.26}, {0.15, -0.45, 0.13}, {-0.3, 0.45, 0.15}, {0.5, -0.15, 0.1}} {
		p.fill(circle(x+c[0]*r, y+c[1]*r, c[2]*r), flat(hex(0xc9c4b2)).fade(0.7))
	}
}

func (p *painter) someClouds() {
	white := hex(0xffffff)
	alpha := float32(0.82)
	switch {
	case p.rain || p.storm:
		white, alpha = hex(0x6b7482), 0.9
	case p.hour == dusk:
		white = p.sky.low.to(hex(0xffd9c9), 0.4)
	case p.hour == night:
		white, alpha = p.sky.low.light(0.15), 0.45
	}
	for range 3 + p.r.IntN(3) {
		x, y, size := p.r.Float64()*p.w, p.horizon*p.between(0.08, 0.6), p.h*p.between(0.035, 0.075)
		p.cloud(x, y, size, white, alpha)
	}
}

func (p *painter) cloud(x, y, size float64, c rgb, alpha float32) {
	shape := oval(x, y+size*0.35, size*2.6, size*0.42)
	for i := range 5 {
		t := float64(i)/4 - 0.5
		r := size * (0.95 - 1.1*math.Abs(t)) * p.between(0.8, 1.15)
		shape = append(shape, circle(x+t*size*3.6, y-r*0.12, r)...)
	}
	p.fill(shape, ink{a: c.light(0.2), b: c.dark(0.06), alpha: alpha, end: alpha * 0.75, y0: float32(y - size), y1: float32(y + size*0.8)})
}

func (p *painter) bow() {
	x, y := p.w*p.between(0.35, 0.65), p.horizon*1.12
	for i, c := range []uint32{0xe4453a, 0xf08a24, 0xf5d33f, 0x4fae54, 0x2f86d8, 0x7a4fc0} {
		r := p.w*0.46 - float64(i)*p.w*0.014
		in := r - p.w*0.0145
		p.fill(append(circle(x, y, r), backward(x, y, in)...), flat(hex(c)).fade(0.55))
	}
}

// backward is a circle the other way round: a hole.
func backward(x, y, r float64) path {
	const k = 0.5523
	return path{}.m(x+r, y).c(x+r, y-k*r, x+k*r, y-r, x, y-r).c(x-k*r, y-r, x-r, y-k*r, x-r, y).
		c(x-r, y+k*r, x-k*r, y+r, x, y+r).c(x+k*r, y+r, x+r, y+k*r, x+r, y).z()
}

// northernLights are curtains of light, drawn fold by fold.
func (p *painter) northernLights() {
	const folds = 90
	w := p.w / folds
	for i := range 3 {
		c := []rgb{hex(0x46f0a0), hex(0x3fd0d8), hex(0xa55cf0)}[i]
		base, line, shade := p.horizon*(0.4+0.15*float64(i)), p.noise(2), p.noise(5)
		for k := range folds {
			t := float64(k) / folds
			y, x := base+p.h*0.07*line(t), t*p.w
			alpha := float32(0.3 + 0.22*shade(t))
			high := p.h * (0.22 + 0.06*shade(1-t))
			up := ink{a: c.turn(40), b: c, end: alpha, y0: float32(y - high), y1: float32(y)}
			p.fill(rect(x, y-high, x+w, y), up)
			p.fill(rect(x, y, x+w, y+p.h*0.035), ink{a: c, b: c, alpha: alpha, y0: float32(y), y1: float32(y + p.h*0.035)})
		}
	}
}

func (p *painter) bolt(x float64) {
	y, step := p.horizon*0.12, p.horizon*0.16
	pts := []float64{x, y}
	for range 5 {
		x += p.between(-0.05, 0.05) * p.w
		y += step
		pts = append(pts, x, y)
	}
	p.fill(circle(pts[4], pts[5], p.h*0.4), glow(pts[4], pts[5], p.h*0.4, hex(0xdfe6ff), 0.45))
	p.fill(stroke(p.h*0.008, pts...), flat(hex(0xfdfbe0)))
}

// cosmos is space: nebulae, stars, planets.
func (p *painter) cosmos() {
	for i := range 5 {
		c := hsl(p.between(190, 340), 0.7, 0.5)
		x, y, r := p.r.Float64()*p.w, p.r.Float64()*p.h*0.9, p.h*p.between(0.25, 0.55)
		p.fill(circle(x, y, r), glow(x, y, r, c, 0.16+0.05*float32(i%3)))
	}
	p.starfield(p.h, 240)
	x, y, r := p.w*p.between(0.66, 0.86), p.h*p.between(0.14, 0.3), p.h*p.between(0.09, 0.14)
	c := hsl(p.r.Float64()*360, 0.5, 0.55)
	p.planet(x, y, r, c, p.r.IntN(2) == 0)
	p.planet(p.w*p.between(0.08, 0.3), p.h*p.between(0.1, 0.55), p.h*p.between(0.025, 0.05), c.turn(120), false)
}

func (p *painter) planet(x, y, r float64, c rgb, ring bool) {
	p.fill(circle(x, y, r*1.5), glow(x, y, r*1.5, c.light(0.3), 0.35))
	p.fill(circle(x, y, r), ink{a: c.light(0.35), b: c.dark(0.6), alpha: 1, end: 1, x0: float32(x - r), y0: float32(y - r), x1: float32(x + r), y1: float32(y + r)})
	for i := range 3 {
		t := float64(i)*0.45 - 0.4
		half := r * math.Sqrt(1-t*t)
		p.fill(oval(x, y+t*r, half*0.96, r*0.07), flat(c.light(0.25)).fade(0.35))
	}
	if ring {
		front := append(arc(x, y, r*1.9, r*0.42), arcBack(x, y, r*1.45, r*0.27)...)
		p.fill(front.z(), flat(c.light(0.55)).fade(0.85))
	}
}

// arc is the front half of an ellipse, from right to left.
func arc(x, y, rx, ry float64) path {
	const k = 0.5523
	return path{}.m(x+rx, y).c(x+rx, y+k*ry, x+k*rx, y+ry, x, y+ry).c(x-k*rx, y+ry, x-rx, y+k*ry, x-rx, y)
}

// arcBack goes on along a smaller ellipse, from left to right.
func arcBack(x, y, rx, ry float64) path {
	const k = 0.5523
	return path{}.l(x-rx, y).c(x-rx, y+k*ry, x-k*rx, y+ry, x, y+ry).c(x+k*rx, y+ry, x+rx, y+k*ry, x+rx, y)
}

// underwater is rays of light, bubbles and weed.
func (p *painter) underwater() {
	for range 6 {
		x, d := p.r.Float64()*p.w, p.w*p.between(0.03, 0.08)
		lean := p.w * p.between(-0.2, 0.2)
		p.fill(poly(x-d/2, 0, x+d/2, 0, x+lean+d*1.6, p.h*0.8, x+lean-d*1.6, p.h*0.8),
			ink{a: hex(0xffffff), b: hex(0xffffff), alpha: 0.2, y1: float32(p.h * 0.8)})
	}
	for range 26 {
		x, y, r := p.r.Float64()*p.w, p.r.Float64()*p.h*0.85, p.h*p.between(0.003, 0.011)
		p.fill(circle(x, y, r), flat(hex(0xffffff)).fade(0.22))
		p.fill(circle(x-r*0.3, y-r*0.3, r*0.3), flat(hex(0xffffff)).fade(0.6))
	}
	sand := hex(0xd9c38a).to(p.sky.tint, 0.35)
	p.ridge(p.h*0.84, p.h*0.03, 3, down(p.h*0.8, sand.light(0.1), p.h, sand.dark(0.25)))
	for i := range 12 {
		x := p.w * (float64(i) + p.r.Float64()) / 12
		c := []rgb{hex(0x2f9e6a), hex(0xd85a7a), hex(0x37b08a), hex(0xe08a3f)}[p.r.IntN(4)].to(p.sky.tint, 0.3)
		height := p.h * p.between(0.08, 0.22)
		for k := range 3 {
			dx := (float64(k) - 1) * p.h * 0.018
			p.fill(path{}.m(x+dx, p.h*0.92).q(x+dx+p.h*0.04, p.h*0.92-height*0.5, x+dx*2.2, p.h*0.92-height*p.between(0.8, 1)).
				q(x+dx+p.h*0.005, p.h*0.92-height*0.5, x+dx+p.h*0.018, p.h*0.92).z(), flat(c.dark(0.1*float32(k))))
		}
	}
}
