package picture

import "math"

// rgb is a color, each part from 0 to 1.
type rgb struct{ r, g, b float32 }

func hex(n uint32) rgb {
	return rgb{float32(n>>16&255) / 255, float32(n>>8&255) / 255, float32(n&255) / 255}
}

// to is the color on the way from c to d, t from 0 to 1.
func (c rgb) to(d rgb, t float32) rgb {
	return rgb{c.r + (d.r-c.r)*t, c.g + (d.g-c.g)*t, c.b + (d.b-c.b)*t}
}

func (c rgb) light(t float32) rgb { return c.to(rgb{1, 1, 1}, t) }
func (c rgb) dark(t float32) rgb  { return c.to(rgb{0.05, 0.04, 0.12}, t) }

// turn moves the hue by so many degrees.
func (c rgb) turn(degrees float64) rgb {
	h, s, l := c.hsl()
	return hsl(h+degrees, s, l)
}

func (c rgb) hsl() (h, s, l float64) {
	r, g, b := float64(c.r), float64(c.g), float64(c.b)
	hi, lo := max(r, g, b), min(r, g, b)
	l = (hi + lo) / 2
	d := hi - lo
	if d == 0 {
		return 0, 0, l
	}
	s = d / (1 - math.Abs(2*l-1))
	switch hi {
	case r:
		h = math.Mod((g-b)/d+6, 6)
	case g:
		h = (b-r)/d + 2
	default:
		h = (r-g)/d + 4
	}
	return h * 60, min(s, 1), l
}

// hsl is a color of a hue in degrees, saturation and lightness.
func hsl(h, s, l float64) rgb {
	h = math.Mod(math.Mod(h, 360)+360, 360)
	c := (1 - math.Abs(2*l-1)) * s
	x := c * (1 - math.Abs(math.Mod(h/60, 2)-1))
	m := l - c/2
	v := [6][3]float64{{c, x, 0}, {x, c, 0}, {0, c, x}, {0, x, c}, {x, 0, c}, {c, 0, x}}[int(h/60)%6]
	return rgb{float32(v[0] + m), float32(v[1] + m), float32(v[2] + m)}
}

// ink is what a shape is filled with: a color at every point.
type ink struct {
	a, b   rgb
	alpha  float32
	end    float32 // the alpha at b
	radial bool
	x0, y0 float32 // where a is: a point, or the center
	x1, y1 float32 // where b is; the radius in x1 if radial
}

func flat(c rgb) ink { return ink{a: c, b: c, alpha: 1, end: 1} }

func (k ink) fade(alpha float32) ink {
	k.alpha *= alpha
	k.end *= alpha
	return k
}

// down goes from a at y0 to b at y1.
func down(y0 float64, a rgb, y1 float64, b rgb) ink {
	return ink{a: a, b: b, alpha: 1, end: 1, y0: float32(y0), y1: float32(y1)}
}

// glow goes from a in the center to nothing at the radius.
func glow(x, y, radius float64, a rgb, alpha float32) ink {
	return ink{a: a, b: a, alpha: alpha, radial: true, x0: float32(x), y0: float32(y), x1: float32(radius)}
}

// at is the color and the alpha at a point.
func (k *ink) at(x, y float32) (rgb, float32) {
	var t float32
	switch {
	case k.radial:
		dx, dy := x-k.x0, y-k.y0
		t = float32(math.Sqrt(float64(dx*dx+dy*dy))) / k.x1
		t = min(t, 1)
		t = 1 - (1-t)*(1-t) // soft at the rim
	case k.x0 == k.x1 && k.y0 == k.y1:
		return k.a, k.alpha
	default:
		dx, dy := k.x1-k.x0, k.y1-k.y0
		t = ((x-k.x0)*dx + (y-k.y0)*dy) / (dx*dx + dy*dy)
		t = min(max(t, 0), 1)
	}
	return k.a.to(k.b, t), k.alpha + (k.end-k.alpha)*t
}
