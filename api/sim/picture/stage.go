package picture

import (
	"math"
	"math/rand/v2"
	"slices"
)

type place int

const (
	onGround place = iota
	onWater
	inAir
	inSea
	inSpace
)

// homes are the lands of things that need one.
var homes = map[place]land{onWater: sea, inSea: deep, inSpace: space}

// thing is what can stand in a scene. It is drawn about 100 units high, from
// where it stands.
type thing struct {
	place place
	size  float64 // its height as a part of the picture's
	wide  float64 // its width in units; 0 is 70
	color rgb
	home  *land // where it is if the prompt does not say
	draw  func(n *pen, c rgb, r *rand.Rand)
}

func at(l land) *land { return &l }

// subjects puts the things into the scene, those that are far first.
func (p *painter) subjects() {
	var ground, other []actor
	for _, a := range p.things {
		if a.place == onGround {
			ground = append(ground, a)
		} else {
			other = append(other, a)
		}
	}
	p.moving(other)
	p.standing(ground)
}

// standing places the things on the ground side by side; buildings and trees
// further back than what walks about.
func (p *painter) standing(all []actor) {
	if len(all) == 0 {
		return
	}
	room := p.w * 0.94
	size := 1.0
	if p.w < p.h {
		size = 0.6 + 0.4*p.w/p.h // narrow pictures hold smaller things
	}
	var wide float64
	for _, a := range all {
		wide += a.width() * a.height(p.h) / 100
	}
	size = min(size, 1.06*room/wide)
	if len(all) > 1 {
		size *= 0.96
	}
	// The tallest things are not all on one side.
	slices.SortStableFunc(all, func(a, b actor) int { return int(1000 * (b.size - a.size)) })
	order := make([]actor, 0, len(all))
	for i, a := range all {
		if i%2 == 0 {
			order = append(order, a)
		} else {
			order = slices.Insert(order, 0, a)
		}
	}
	if p.r.IntN(2) == 0 {
		slices.Reverse(order)
	}
	used := wide * size
	gap := max(0, p.w-used) / float64(len(order)+1)
	x := 0.0
	type spot struct {
		actor
		x, y, s float64
	}
	var spots []spot
	for _, a := range order {
		s := a.height(p.h) * size / 100
		w := a.width() * s
		x += gap
		y := p.bottom - p.h*p.between(0.02, 0.045)
		if a.size > 0.45 {
			y -= p.h * 0.03
		}
		spots = append(spots, spot{a, x + w/2 + gap*p.between(-0.3, 0.3), y, s})
		x += w
	}
	slices.SortStableFunc(spots, func(a, b spot) int { return int(a.y - b.y) })
	for _, t := range spots {
		n := p.pen(t.x, t.y, t.s)
		if p.land != space {
			p.fill(oval(t.x, t.y, t.width()*t.s*0.46, p.h*0.011), flat(hex(0x0a0a1e)).fade(0.28))
		}
		t.draw(n, t.paint(), p.r)
	}
}

// moving places what swims, flies or floats.
func (p *painter) moving(all []actor) {
	if p.land == deep || p.land == space {
		p.afloat(all)
		return
	}
	for i, a := range all {
		x := p.w * (float64(i) + p.between(0.35, 0.65)) / float64(len(all))
		s := a.height(p.h) / 100 / math.Sqrt(math.Sqrt(float64(len(all))))
		if w := a.width() * s; w > p.w*0.9 {
			s *= p.w * 0.9 / w
		}
		var y float64
		switch a.place {
		case onWater, inSea:
			t := p.between(0.25, 0.6)
			if p.onLand() {
				t, s = p.between(0.12, 0.3), s*0.55
			}
			y = p.horizon + (p.bottom-p.horizon)*t
		default:
			y = p.horizon*p.between(0.45, 0.8) + 50*s
		}
		if a.size > 0.4 {
			y = max(y, p.h*0.05+100*s)
		}
		n := p.pen(x, y, s)
		n.flip = p.r.IntN(2) == 0
		a.draw(n, a.paint(), p.r)
		if a.place == onWater {
			p.fill(oval(x, y+2*s, a.width()*s*0.5, 3*s), flat(hex(0xffffff)).fade(0.35))
		}
	}
}

// afloat spreads things over a picture that has no ground.
func (p *painter) afloat(all []actor) {
	cols := int(math.Ceil(math.Sqrt(float64(len(all)))))
	for i, a := range all {
		rows := (len(all) + cols - 1) / cols
		x := p.w * (float64(i%cols) + 0.5 + p.between(-0.12, 0.12)) / float64(cols)
		y := p.bottom * (float64(i/cols) + 0.5 + p.between(-0.08, 0.08)) / float64(rows)
		s := a.height(p.h) / 100
		if len(all) > 1 {
			s *= 1.35 / float64(cols)
		}
		n := p.pen(x, y+46*s, s)
		n.flip = p.r.IntN(2) == 0
		a.draw(n, a.paint(), p.r)
	}
}

func (p *painter) pen(x, y, scale float64) *pen {
	return &pen{c: p.canvas, x: x, y: y, scale: scale, light: p.sky.tint, amount: p.sky.amount * 0.6}
}

func (a *actor) paint() rgb {
	if a.color != nil {
		return *a.color
	}
	return a.thing.color
}

func (a *actor) height(h float64) float64 {
	s := a.size * h
	if a.small {
		s *= 0.6
	}
	return s
}

func (a *actor) width() float64 {
	if a.wide > 0 {
		return a.wide
	}
	return 70
}
