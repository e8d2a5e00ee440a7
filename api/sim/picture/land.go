package picture

import "math"

// noise is a wavy line: heights between -1 and 1 along x from 0 to 1. More
// octaves make it rougher.
func (p *painter) noise(octaves int) func(x float64) float64 {
	type wave struct{ f, phase, amp float64 }
	var waves []wave
	sum, f, amp := 0.0, p.between(1.2, 2.4), 1.0
	for range octaves {
		waves = append(waves, wave{f, p.r.Float64() * 7, amp})
		sum += amp
		f *= p.between(1.8, 2.5)
		amp *= 0.52
	}
	return func(x float64) float64 {
		y := 0.0
		for _, w := range waves {
			y += w.amp * math.Sin(x*w.f*2*math.Pi+w.phase)
		}
		return y / sum
	}
}

// ridge is a rolling line at y, all below it filled.
func (p *painter) ridge(y, height float64, octaves int, k ink) func(x float64) float64 {
	n := p.noise(octaves)
	shape := path{}.m(0, p.h)
	const steps = 96
	for i := range steps + 1 {
		x := float64(i) / steps
		shape = shape.l(x*p.w, y-n(x)*height)
	}
	p.fill(shape.l(p.w, p.h).z(), k)
	return func(x float64) float64 { return y - n(x/p.w)*height }
}

// peaks is a jagged range of mountains, some with snow.
func (p *painter) peaks(base, height float64, c rgb, snow bool) {
	type top struct{ x, y float64 }
	var line []top
	x := -p.w * 0.1
	up := p.r.IntN(2) == 0
	for x < p.w*1.15 {
		y := base - height*p.between(0.1, 0.4)
		if up {
			y = base - height*p.between(0.55, 1)
		}
		line = append(line, top{x, y})
		x += p.w * p.between(0.06, 0.14)
		up = !up
	}
	shape := path{}.m(line[0].x, p.h)
	for i, t := range line {
		if i > 0 { // a broken slope, not a ruler's
			a := line[i-1]
			shape = shape.l(a.x+(t.x-a.x)*0.45, a.y+(t.y-a.y)*p.between(0.34, 0.46)).l(a.x+(t.x-a.x)*0.6, a.y+(t.y-a.y)*p.between(0.62, 0.72))
		}
		shape = shape.l(t.x, t.y)
	}
	p.fill(shape.l(line[len(line)-1].x, p.h).z(), down(base-height, c.light(0.12), base+height*0.2, c.dark(0.05).to(p.sky.low, 0.3)))
	for i := 1; i+1 < len(line); i++ {
		a, t, b := line[i-1], line[i], line[i+1]
		if t.y > a.y || t.y > b.y {
			continue
		}
		at := func(o top, d float64) (float64, float64) { return t.x + (o.x-t.x)*d, t.y + (o.y-t.y)*d*0.9 }
		lx, _ := at(a, 0.62)
		rx, ry := at(b, 0.62)
		mx := t.x + (rx-lx)*0.06
		p.fill(poly(t.x, t.y, rx, ry, rx, p.h, mx, p.h, mx, t.y+height*0.4), flat(c.dark(0.5)).fade(0.12))
		if !snow || t.y > base-height*0.6 {
			continue
		}
		left, ly := at(a, 0.34)
		lx = left
		rx, ry = at(b, 0.34)
		d := height * 0.05
		p.fill(poly(t.x, t.y, rx, ry, rx-(rx-lx)*0.2, ry-d*0.4, rx-(rx-lx)*0.36, ry+d*1.6, t.x, ly-d*0.2, lx+(rx-lx)*0.24, ly+d*1.2, lx+(rx-lx)*0.14, ly-d*0.3, lx, ly),
			flat(hex(0xf7fafc).to(p.sky.tint, p.sky.amount)))
	}
}

// far is what stands on the horizon.
func (p *painter) far() {
	haze := func(c rgb, t float32) rgb { return c.to(p.sky.tint, p.sky.amount).to(p.sky.low, t) }
	if p.mountains {
		c := hsl(p.between(205, 260), p.between(0.18, 0.32), 0.38)
		p.peaks(p.horizon+p.h*0.02, p.h*p.between(0.3, 0.38), haze(c, 0.6), true)
		p.peaks(p.horizon+p.h*0.03, p.h*p.between(0.2, 0.27), haze(c, 0.32), true)
	}
	if p.hills || p.forest && !p.mountains {
		c := hsl(p.between(90, 150), 0.32, 0.42)
		switch p.land {
		case desert:
			c = hex(0xc4713f)
		case snowfield:
			c = hex(0xb9cbe0)
		}
		p.ridge(p.horizon-p.h*0.045, p.h*0.05, 3, flat(haze(c, 0.6)))
		p.ridge(p.horizon-p.h*0.01, p.h*0.04, 3, flat(haze(c, 0.36)))
	}
	if p.city {
		p.skyline(p.horizon+p.h*0.02, p.h*0.32, haze(hex(0x47557a), 0.55), 0.25)
		p.skyline(p.horizon+p.h*0.03, p.h*0.23, haze(hex(0x2f3a5c), 0.2), 0.55)
	}
	if p.forest {
		for i := range 3 {
			c := haze(hsl(p.between(125, 165), 0.34, 0.24), 0.5-0.22*float32(i))
			base := p.horizon + p.h*(0.015+0.022*float64(i))
			for x := -p.w * 0.02; x < p.w*1.02; x += p.w * p.between(0.018, 0.034) {
				p.fir(x, base, p.h*p.between(0.07, 0.13)*(1+0.3*float64(i)), c)
			}
			p.wash(base-1, base+p.h*0.05, flat(c))
		}
	}
}

// fir is a tree far away.
func (p *painter) fir(x, y, height float64, c rgb) {
	w := height * 0.24
	shape := path{}
	for i := range 3 {
		top, half := y-height*(1-0.24*float64(i)), w*(0.5+0.26*float64(i))
		shape = append(shape, poly(x, top, x+half, top+height*0.44, x-half, top+height*0.44)...)
	}
	p.fill(append(shape, rect(x-w*0.1, y-height*0.15, x+w*0.1, y)...), flat(c))
	if p.snow || p.land == snowfield {
		p.fill(poly(x, y-height, x+w*0.28, y-height*0.76, x, y-height*0.82, x-w*0.28, y-height*0.76), flat(hex(0xffffff)).fade(0.8))
	}
}

// skyline is a row of tall houses with some windows lit.
func (p *painter) skyline(base, height float64, c rgb, lit float64) {
	dark := p.hour == night || p.hour == dusk
	for x := -p.w * 0.02; x < p.w; {
		w, h := p.w*p.between(0.045, 0.1), height*p.between(0.35, 1)
		p.fill(rect(x, base-h, x+w, base+p.h*0.02), down(base-h, c, base, c.to(p.sky.low, 0.25)))
		switch p.r.IntN(5) {
		case 0:
			p.fill(rect(x+w*0.47, base-h-height*0.16, x+w*0.53, base-h), flat(c))
		case 1:
			p.fill(rect(x+w*0.2, base-h-height*0.07, x+w*0.8, base-h), flat(c))
		case 2:
			p.fill(poly(x, base-h, x+w/2, base-h-height*0.12, x+w, base-h), flat(c))
		}
		cell := p.w * 0.0145
		for wx := x + cell*0.6; wx < x+w-cell*0.7; wx += cell {
			for wy := base - h + cell*0.8; wy < base-cell; wy += cell * 1.35 {
				switch on := p.r.Float64() < lit; {
				case on && dark:
					p.fill(rect(wx, wy, wx+cell*0.5, wy+cell*0.7), flat([]rgb{hex(0xffd97a), hex(0xffe9b0), hex(0x9fe0ff)}[p.r.IntN(3)]).fade(0.9))
				case on:
					p.fill(rect(wx, wy, wx+cell*0.5, wy+cell*0.7), flat(c.light(0.4)).fade(0.7))
				}
			}
		}
		x += w * p.between(0.92, 1.12)
	}
}

// water is the sea from the horizon down, with the light of the lamp on it.
func (p *painter) water(lampX float64) {
	c := hex(0x1f6f9f).turn(p.between(-18, 14))
	if p.rain || p.storm {
		c = hex(0x3d5566)
	}
	c = c.to(p.sky.tint, p.sky.amount)
	p.wash(p.horizon, p.h, down(p.horizon, c.to(p.sky.low, 0.55), p.h*0.95, c.dark(0.3)))
	if p.sun || p.moon {
		p.glitter(lampX)
	}
	for range 60 {
		t := math.Pow(p.r.Float64(), 1.6)
		y := p.horizon + (p.h-p.horizon)*t
		w := p.w * p.between(0.01, 0.05) * (0.4 + t*1.4)
		p.fill(oval(p.r.Float64()*p.w, y, w, p.h*0.0012*(0.6+2*t)), flat(p.sky.low.light(0.5)).fade(0.32))
	}
}

func (p *painter) glitter(x float64) {
	for i := range 34 {
		t := float64(i) / 34
		y := p.horizon + (p.h-p.horizon)*t*0.9
		w := p.w * (0.012 + 0.05*t) * p.between(0.4, 1.3)
		p.fill(oval(x+p.w*p.between(-0.03, 0.03)*(0.3+t), y, w, p.h*(0.0016+0.003*t)), flat(p.sky.lamp).fade(float32(0.75*(1-t*0.75))))
	}
}

// ground is what the things stand on.
func (p *painter) ground() {
	tint := func(c rgb) rgb { return c.to(p.sky.tint, p.sky.amount) }
	switch p.land {
	case space, deep:
	case sea:
		if p.onLand() {
			p.shore(tint(hex(0x6b5d55)), tint(hex(0x4d7a45)))
		}
	case beach:
		c := tint(hex(0xe9cf97))
		p.ridge(p.h*0.79, p.h*0.016, 2, flat(hex(0xffffff)).fade(0.55))
		p.ridge(p.h*0.8, p.h*0.015, 2, down(p.h*0.78, c.light(0.1), p.h, c.dark(0.2)))
	case desert:
		c := tint([]rgb{hex(0xe0a458), hex(0xd98a4a), hex(0xe6b873)}[p.r.IntN(3)])
		for i := range 3 {
			y := p.horizon + (p.h-p.horizon)*(0.02+0.28*float64(i))
			p.ridge(y, p.h*0.04, 2, down(y-p.h*0.04, c.light(0.22-0.08*float32(i)), y+p.h*0.2, c.dark(0.12+0.06*float32(i))))
		}
	case snowfield:
		c := tint(hex(0xf0f5fa))
		for i := range 3 {
			y := p.horizon + (p.h-p.horizon)*(0.02+0.3*float64(i))
			p.ridge(y, p.h*0.028, 2, down(y-p.h*0.03, c, y+p.h*0.22, c.to(hex(0x9fb8d6), 0.45+0.1*float32(i))))
		}
	case street:
		p.pavement(tint)
	default:
		c := tint(hsl(p.between(84, 132), p.between(0.4, 0.55), p.between(0.36, 0.44)))
		if p.snow {
			c = tint(hex(0xe6eef5))
		}
		for i := range 3 {
			y := p.horizon + (p.h-p.horizon)*(0.03+0.3*float64(i))
			p.ridge(y, p.h*0.026, 2, down(y-p.h*0.03, c.light(0.2-0.1*float32(i)), y+p.h*0.25, c.dark(0.16+0.1*float32(i))))
		}
		if !p.snow {
			p.grass(c)
		}
		if p.flowers {
			p.blossoms()
		}
	}
}

// onLand tells whether something in a sea needs a rock to stand on.
func (p *painter) onLand() bool {
	for _, a := range p.things {
		if a.place == onGround {
			return true
		}
	}
	return false
}

// shore is rock and a strip of grass in front of the sea.
func (p *painter) shore(rock, green rgb) {
	top := p.h * 0.77
	p.ridge(top+p.h*0.012, p.h*0.02, 4, flat(hex(0xffffff)).fade(0.5))
	at := p.ridge(top+p.h*0.02, p.h*0.02, 4, down(top, rock.light(0.15), p.h, rock.dark(0.4)))
	for range 26 {
		x, w := p.r.Float64()*p.w, p.w*p.between(0.02, 0.06)
		y := at(x) + p.h*p.between(0.01, 0.16)
		p.fill(smooth(x-w, y+w*0.5, x-w*0.5, y-w*0.25, x+w*0.2, y-w*0.35, x+w, y+w*0.4), flat(rock.to(hex(0xffffff), float32(p.between(0, 0.16)))).fade(0.5))
	}
	p.ridge(top+p.h*0.055, p.h*0.014, 3, down(top+p.h*0.04, green.light(0.12), p.h, green.dark(0.35)))
	p.grass(green)
}

func (p *painter) grass(c rgb) {
	for range 90 {
		x, y := p.r.Float64()*p.w, p.h*p.between(0.84, 1)
		h := p.h * p.between(0.012, 0.03)
		p.fill(poly(x, y, x+h*0.12, y, x+h*p.between(-0.4, 0.5), y-h), flat(c.light(float32(p.between(0, 0.22)))).fade(0.8))
	}
}

func (p *painter) blossoms() {
	all := []rgb{hex(0xf2f0ff), hex(0xf5d33f), hex(0xe4517a), hex(0xd8352f), hex(0x9a6fe0)}
	for range 130 {
		t := math.Sqrt(p.r.Float64())
		x, y := p.r.Float64()*p.w, p.horizon+(p.h-p.horizon)*(0.2+0.8*t)
		r := p.h * (0.002 + 0.0065*t)
		c := all[p.r.IntN(len(all))].to(p.sky.tint, p.sky.amount*0.7)
		p.fill(circle(x, y, r), flat(c))
		p.fill(circle(x, y, r*0.36), flat(c.dark(0.35)))
	}
}

// pavement is a road that runs to the horizon.
func (p *painter) pavement(tint func(rgb) rgb) {
	side := tint(hex(0x7d8590))
	p.wash(p.horizon+p.h*0.02, p.h, down(p.horizon, side.light(0.1), p.h, side.dark(0.3)))
	x := p.w * p.between(0.4, 0.6)
	road := tint(hex(0x3b404c))
	p.fill(poly(x-p.w*0.02, p.horizon+p.h*0.02, x+p.w*0.02, p.horizon+p.h*0.02, p.w*0.95, p.h, p.w*0.05, p.h), down(p.horizon, road.light(0.1), p.h, road.dark(0.25)))
	for i := range 6 {
		t0, t1 := math.Pow(float64(i)/6, 1.8), math.Pow((float64(i)+0.5)/6, 1.8)
		y0, y1 := p.horizon+p.h*0.02+(p.h-p.horizon)*t0, p.horizon+p.h*0.02+(p.h-p.horizon)*t1
		m0, m1 := x+(p.w*0.5-x)*t0, x+(p.w*0.5-x)*t1
		p.fill(poly(m0-p.w*0.002-p.w*0.01*t0, y0, m0+p.w*0.002+p.w*0.01*t0, y0, m1+p.w*0.002+p.w*0.01*t1, y1, m1-p.w*0.002-p.w*0.01*t1, y1), flat(hex(0xf0e6c0)).fade(0.8))
	}
}

// weather is what falls in front of everything.
func (p *painter) weather() {
	if p.fog {
		band := math.Round(p.h * 0.1)
		for i := range 5 {
			y := math.Round(p.horizon + p.h*(0.06*float64(i)-0.14))
			mist := ink{a: p.sky.low.light(0.4), b: p.sky.low.light(0.4), end: 0.4, y0: float32(y), y1: float32(y + band)}
			p.wash(y, y+band, mist)
			mist.y0 = float32(y + 2*band)
			p.wash(y+band, y+2*band, mist)
		}
	}
	if p.rain {
		for range 190 {
			x, y, d := p.r.Float64()*p.w*1.1, p.r.Float64()*p.h, p.h*p.between(0.02, 0.045)
			p.fill(poly(x, y, x+p.h*0.0018, y, x-d*0.22+p.h*0.0018, y+d, x-d*0.22, y+d), flat(hex(0xdbe7f5)).fade(0.36))
		}
	}
	if p.snow && p.land != deep && p.land != space {
		for range 210 {
			r := p.h * (0.0014 + 0.005*math.Pow(p.r.Float64(), 3))
			p.fill(circle(p.r.Float64()*p.w, p.r.Float64()*p.h, r), flat(hex(0xffffff)).fade(float32(p.between(0.5, 0.95))))
		}
	}
}
