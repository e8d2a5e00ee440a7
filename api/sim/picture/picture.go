// Package picture draws a scene that fits a prompt: the words decide what is
// seen (a lighthouse, a sunset, two cats, snow), a hash of the prompt and the
// seed decides the rest (where it stands, which colors, how the mountains
// run). The prompt is written below, so that nobody has to guess what the
// picture is of.
//
// It stands in for an image model in the simulator of Replicate, where it must
// be quick, need no network and no files, and give the same picture for the
// same prompt and seed for ever.
package picture

import (
	"hash/fnv"
	"image"
	"math/rand/v2"
	"strings"
)

// Draw draws a picture of w by h points for the prompt. The same arguments
// give the same picture. It may be called from many goroutines.
func Draw(prompt string, seed int64, w, h int) *image.NRGBA {
	f := fnv.New64a()
	f.Write([]byte(strings.ToLower(prompt)))
	n := f.Sum64()
	r := rand.New(rand.NewPCG(n, uint64(seed)))
	s := read(prompt, r)
	c := newCanvas(w, h)
	p := &painter{canvas: c, scene: s, r: r, sky: skyOf(s, r)}
	p.horizon = c.h * (0.56 + 0.08*r.Float64())
	p.bottom = c.h - captionHeight(c)
	p.backdrop()
	p.ground()
	p.subjects()
	p.weather()
	caption(c, prompt)
	return c.m
}

// painter is a scene on its way onto a canvas.
type painter struct {
	*canvas
	*scene
	r       *rand.Rand
	sky     sky
	horizon float64 // where the sky ends
	bottom  float64 // where the caption begins
}

// between is by chance.
func (p *painter) between(a, b float64) float64 { return a + p.r.Float64()*(b-a) }
