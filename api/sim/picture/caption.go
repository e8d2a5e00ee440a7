package picture

import (
	"image"
	"image/color"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// goMedium is parsed once; faces of it are cheap, but not for two at a time.
var goMedium = sync.OnceValues(func() (*opentype.Font, error) { return opentype.Parse(gomedium.TTF) })

// captionHeight is that of the caption: letters of a size that suits both sides.
func captionHeight(c *canvas) float64 { return max(28, 0.085*min(c.h, 1.1*c.w)) }

// caption writes the prompt below, in one line or two, cut if it is longer.
func caption(c *canvas, prompt string) {
	f, err := goMedium()
	if err != nil {
		return // the font is part of the program: it parses
	}
	prompt = writable(f, prompt)
	if prompt == "" {
		return
	}
	high := captionHeight(c)
	c.wash(c.h-high*1.5, c.h, ink{a: hex(0x05060f), b: hex(0x05060f), end: 0.78, y0: float32(c.h - high*1.5), y1: float32(c.h - high*0.4)})
	size := high * 0.4
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return
	}
	defer face.Close()
	room := fixed.I(int(c.w - high*0.7))
	lines := wrap(face, prompt, room)
	base := c.h - high*0.36
	if len(lines) == 2 {
		base -= size * 0.86
	}
	for i, line := range lines {
		y := base + float64(i)*size*1.18
		x := (c.w - float64(font.MeasureString(face, line))/64) / 2
		d := font.Drawer{Dst: c.m, Face: face}
		for _, k := range []struct {
			d float64
			c color.Color
		}{{1, color.NRGBA{0, 0, 0, 160}}, {0, color.NRGBA{250, 248, 240, 255}}} {
			d.Src = image.NewUniform(k.c)
			d.Dot = fixed.Point26_6{X: fixed.Int26_6((x + k.d) * 64), Y: fixed.Int26_6((y + k.d) * 64)}
			d.DrawString(line)
		}
	}
}

// writable is the text on one line, without what the font has no letters for.
func writable(f *opentype.Font, text string) string {
	var buf sfnt.Buffer
	known := func(r rune) rune {
		if i, err := f.GlyphIndex(&buf, r); err != nil || i == 0 {
			return -1
		}
		return r
	}
	return strings.Join(strings.Fields(strings.Map(known, strings.Join(strings.Fields(text), " "))), " ")
}

// wrap breaks a text into at most two lines of a width.
func wrap(face font.Face, text string, room fixed.Int26_6) []string {
	if font.MeasureString(face, text) <= room {
		return []string{text}
	}
	var lines []string
	for range 2 {
		n := fit(face, text, room)
		if n == len(text) {
			return append(lines, text)
		}
		if i := strings.LastIndex(text[:n], " "); i > n/2 {
			n = i
		}
		lines = append(lines, strings.TrimSpace(text[:n]))
		text = strings.TrimSpace(text[n:])
	}
	last := lines[1]
	for last != "" && font.MeasureString(face, last+"…") > room {
		r := []rune(last)
		last = string(r[:len(r)-1])
	}
	lines[1] = last + "…"
	return lines
}

// fit is how many bytes of the text, whole characters, fit the width.
func fit(face font.Face, text string, room fixed.Int26_6) int {
	var x fixed.Int26_6
	for i, r := range text {
		a, ok := face.GlyphAdvance(r)
		if !ok {
			a, _ = face.GlyphAdvance('\uFFFD')
		}
		if x += a; x > room {
			return i
		}
	}
	return len(text)
}
