package picture

import (
	"image"
	"math"

	"golang.org/x/image/vector"
)

// canvas is the picture being drawn.
type canvas struct {
	m    *image.NRGBA
	w, h float64
	r    vector.Rasterizer
	mask image.Alpha
}

func newCanvas(w, h int) *canvas {
	return &canvas{m: image.NewNRGBA(image.Rect(0, 0, w, h)), w: float64(w), h: float64(h)}
}

// path is an outline in points of the canvas.
type path []segment

type segment struct {
	kind rune // M, L, Q, C, Z
	p    [3]point
}

type point struct{ x, y float64 }

// points is how many points the segment has.
func (s *segment) points() int {
	switch s.kind {
	case 'C':
		return 3
	case 'Q':
		return 2
	case 'Z':
		return 0
	}
	return 1
}

func (p path) m(x, y float64) path { return append(p, segment{'M', [3]point{{x, y}}}) }
func (p path) l(x, y float64) path { return append(p, segment{'L', [3]point{{x, y}}}) }
func (p path) q(x1, y1, x, y float64) path {
	return append(p, segment{'Q', [3]point{{x1, y1}, {x, y}}})
}
func (p path) c(x1, y1, x2, y2, x, y float64) path {
	return append(p, segment{'C', [3]point{{x1, y1}, {x2, y2}, {x, y}}})
}
func (p path) z() path { return append(p, segment{kind: 'Z'}) }

// poly is a polygon of x, y pairs.
func poly(xy ...float64) path {
	var p path
	for i := 0; i+1 < len(xy); i += 2 {
		if i == 0 {
			p = p.m(xy[0], xy[1])
		} else {
			p = p.l(xy[i], xy[i+1])
		}
	}
	return p.z()
}

func rect(x0, y0, x1, y1 float64) path { return poly(x0, y0, x1, y0, x1, y1, x0, y1) }

func circle(x, y, r float64) path { return oval(x, y, r, r) }

// oval is an ellipse.
func oval(x, y, rx, ry float64) path {
	const k = 0.5523
	return path{}.m(x+rx, y).
		c(x+rx, y+k*ry, x+k*rx, y+ry, x, y+ry).
		c(x-k*rx, y+ry, x-rx, y+k*ry, x-rx, y).
		c(x-rx, y-k*ry, x-k*rx, y-ry, x, y-ry).
		c(x+k*rx, y-ry, x+rx, y-k*ry, x+rx, y).z()
}

// round is a rectangle with round corners.
func round(x0, y0, x1, y1, r float64) path {
	return path{}.m(x0+r, y0).l(x1-r, y0).q(x1, y0, x1, y0+r).l(x1, y1-r).q(x1, y1, x1-r, y1).
		l(x0+r, y1).q(x0, y1, x0, y1-r).l(x0, y0+r).q(x0, y0, x0+r, y0).z()
}

// smooth is a closed curve through x, y pairs.
func smooth(xy ...float64) path {
	n := len(xy) / 2
	at := func(i int) point { i = (i + n) % n; return point{xy[2*i], xy[2*i+1]} }
	p := path{}.m(at(0).x, at(0).y)
	for i := range n {
		a, b, c, d := at(i-1), at(i), at(i+1), at(i+2)
		p = p.c(b.x+(c.x-a.x)/6, b.y+(c.y-a.y)/6, c.x-(d.x-b.x)/6, c.y-(d.y-b.y)/6, c.x, c.y)
	}
	return p.z()
}

// stroke is a line of some width through x, y pairs, with round ends.
func stroke(width float64, xy ...float64) path {
	var p path
	for i := 0; i+3 < len(xy); i += 2 {
		x0, y0, x1, y1 := xy[i], xy[i+1], xy[i+2], xy[i+3]
		d := math.Hypot(x1-x0, y1-y0)
		if d == 0 {
			continue
		}
		dx, dy := (y1-y0)/d*width/2, -(x1-x0)/d*width/2
		p = append(p, poly(x0+dx, y0+dy, x1+dx, y1+dy, x1-dx, y1-dy, x0-dx, y0-dy)...)
		p = append(p, circle(x1, y1, width/2)...)
		if i == 0 {
			p = append(p, circle(x0, y0, width/2)...)
		}
	}
	return p
}

// fill fills the path.
func (c *canvas) fill(p path, k ink) {
	x0, y0, x1, y1 := c.w, c.h, 0.0, 0.0
	for _, s := range p {
		for _, q := range s.p[:s.points()] {
			x0, y0, x1, y1 = min(x0, q.x), min(y0, q.y), max(x1, q.x), max(y1, q.y)
		}
	}
	box := image.Rect(int(math.Floor(x0)), int(math.Floor(y0)), int(math.Ceil(x1)), int(math.Ceil(y1))).Intersect(c.m.Bounds())
	if box.Empty() {
		return
	}
	c.r.Reset(box.Dx(), box.Dy())
	f := func(q point) (float32, float32) {
		return float32(q.x) - float32(box.Min.X), float32(q.y) - float32(box.Min.Y)
	}
	for _, s := range p {
		ax, ay := f(s.p[0])
		bx, by := f(s.p[1])
		dx, dy := f(s.p[2])
		switch s.kind {
		case 'M':
			c.r.MoveTo(ax, ay)
		case 'L':
			c.r.LineTo(ax, ay)
		case 'Q':
			c.r.QuadTo(ax, ay, bx, by)
		case 'C':
			c.r.CubeTo(ax, ay, bx, by, dx, dy)
		case 'Z':
			c.r.ClosePath()
		}
	}
	c.mask.Rect = image.Rect(0, 0, box.Dx(), box.Dy())
	c.mask.Stride = box.Dx()
	if n := box.Dx() * box.Dy(); cap(c.mask.Pix) < n {
		c.mask.Pix = make([]byte, n)
	} else {
		c.mask.Pix = c.mask.Pix[:n]
		clear(c.mask.Pix)
	}
	c.r.Draw(&c.mask, c.mask.Rect, image.Opaque, image.Point{})
	for y := range box.Dy() {
		row := c.mask.Pix[y*c.mask.Stride:][:box.Dx()]
		out := c.m.Pix[c.m.PixOffset(box.Min.X, box.Min.Y+y):]
		even := !k.radial && k.x0 == k.x1 // of one color along the row
		col, alpha := k.at(float32(box.Min.X)+0.5, float32(box.Min.Y+y)+0.5)
		for x, cover := range row {
			if cover == 0 {
				continue
			}
			if !even {
				col, alpha = k.at(float32(box.Min.X+x)+0.5, float32(box.Min.Y+y)+0.5)
			}
			blend(out[4*x:4*x+4:4*x+4], col, alpha*float32(cover)/255)
		}
	}
}

// wash fills the whole picture between two heights.
func (c *canvas) wash(y0, y1 float64, k ink) { c.fill(rect(0, y0, c.w, y1), k) }

func blend(p []byte, c rgb, a float32) {
	mix := func(old byte, v float32) byte {
		f := float32(old) + (v*255-float32(old))*a + 0.5
		return byte(min(max(f, 0), 255))
	}
	p[0], p[1], p[2], p[3] = mix(p[0], c.r), mix(p[1], c.g), mix(p[2], c.b), 255
}

// pen draws in units of its own: x to the right, y up from where the thing
// stands, turned and tinted by what light there is.
type pen struct {
	c      *canvas
	x, y   float64 // of the origin on the canvas
	scale  float64
	flip   bool
	lean   float64 // in radians, clockwise
	light  rgb     // the color of the light, mixed in
	amount float32
}

func (n *pen) at(q point) point {
	x, y := q.x, -q.y
	if n.flip {
		x = -x
	}
	if n.lean != 0 {
		s, c := math.Sincos(n.lean)
		x, y = x*c-y*s, x*s+y*c
	}
	return point{n.x + x*n.scale, n.y + y*n.scale}
}

func (n *pen) path(p path) path {
	out := make(path, len(p))
	for i, s := range p {
		out[i].kind = s.kind
		for k := range s.p {
			out[i].p[k] = n.at(s.p[k])
		}
	}
	return out
}

// fill fills the path with a color that is lighter above and darker below.
func (n *pen) fill(p path, c rgb) {
	q := n.path(p)
	y0, y1 := math.Inf(1), math.Inf(-1)
	for _, s := range q {
		if s.kind != 'Z' {
			y0, y1 = min(y0, s.p[0].y), max(y1, s.p[0].y)
		}
	}
	c = c.to(n.light, n.amount)
	n.c.fill(q, down(y0, c.light(0.10), y1+0.01, c.dark(0.12)))
}

// flat fills with the color alone.
func (n *pen) flat(p path, c rgb) { n.c.fill(n.path(p), flat(c.to(n.light, n.amount))) }

// shine fills with a color that the light does not change: lamps, eyes.
func (n *pen) shine(p path, c rgb, alpha float32) { n.c.fill(n.path(p), flat(c).fade(alpha)) }

// beam is light that fades along the way from one point to another.
func (n *pen) beam(p path, x0, y0, x1, y1 float64, c rgb, alpha float32) {
	a, b := n.at(point{x0, y0}), n.at(point{x1, y1})
	n.c.fill(n.path(p), ink{a: c, b: c, alpha: alpha, x0: float32(a.x), y0: float32(a.y), x1: float32(b.x), y1: float32(b.y)})
}

// halo is light around a point.
func (n *pen) halo(x, y, r float64, c rgb, alpha float32) {
	q := n.at(point{x, y})
	r *= n.scale
	n.c.fill(circle(q.x, q.y, r), glow(q.x, q.y, r, c, alpha))
}

// sub is a pen for a part: its origin at x, y of this one and a scale in it.
func (n *pen) sub(x, y, scale float64) *pen {
	o := *n
	q := n.at(point{x, y})
	o.x, o.y, o.scale = q.x, q.y, n.scale*scale
	return &o
}
