package picture

import (
	"bytes"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"
)

const lighthouseAtSunset = "a lighthouse on a rocky coast at sunset, sailing boat, gulls"

// differ is how many points of two pictures differ clearly.
func differ(a, b *image.NRGBA) int {
	n := 0
	for i := 0; i < len(a.Pix); i += 4 {
		for k := range 3 {
			if d := int(a.Pix[i+k]) - int(b.Pix[i+k]); d > 12 || d < -12 {
				n++
				break
			}
		}
	}
	return n
}

func dice() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func TestSamePromptSamePicture(t *testing.T) {
	a, b := Draw(lighthouseAtSunset, 7, 320, 240), Draw(lighthouseAtSunset, 7, 320, 240)
	if !bytes.Equal(a.Pix, b.Pix) {
		t.Error("the same prompt and seed gave two pictures")
	}
}

func TestPromptAndSeedMatter(t *testing.T) {
	a := Draw(lighthouseAtSunset, 7, 320, 240)
	if n := differ(a, Draw(lighthouseAtSunset, 8, 320, 240)); n < 320*240/10 {
		t.Errorf("another seed changed %d points, want a tenth at least", n)
	}
	if n := differ(a, Draw("two foxes in a snowy forest", 7, 320, 240)); n < 320*240/2 {
		t.Errorf("another prompt changed %d points, want half at least", n)
	}
}

// What a prompt names must be in the picture: with and without it differ, and
// its color shows.
func TestEveryThingIsDrawn(t *testing.T) {
	const side = 200
	for name := range things {
		with := Draw("red "+name+" at noon on a meadow", 3, side, side)
		for i := 3; i < len(with.Pix); i += 4 {
			if with.Pix[i] != 255 {
				t.Errorf("%s: the picture has a hole", name)
				break
			}
		}
		s := read("red "+name, dice())
		if len(s.things) != 1 || s.things[0].thing != things[name] {
			t.Errorf("%q was not understood", name)
			continue
		}
		c := newCanvas(side, side)
		c.wash(0, side, flat(hex(0x00ff00)))
		blank := newCanvas(side, side)
		blank.wash(0, side, flat(hex(0x00ff00)))
		p := &painter{canvas: c, scene: s, r: dice()}
		s.things[0].draw(p.pen(side/2, side*0.8, 1), hex(0xff0000), p.r)
		if n := differ(c.m, blank.m); n < 150 {
			t.Errorf("%s covers %d points, want more", name, n)
		}
	}
}

func TestReading(t *testing.T) {
	for _, c := range []struct {
		prompt string
		holds  func(*scene) bool
	}{
		{"A majestic lion at sunset", func(s *scene) bool {
			return s.hour == dusk && len(s.things) == 1 && s.things[0].thing == things["lion"]
		}},
		{"two red foxes in the snow", func(s *scene) bool {
			return len(s.things) == 2 && s.things[1].thing == things["fox"] && s.things[0].color != nil && s.land == snowfield
		}},
		{"a cat under the moon", func(s *scene) bool { return s.hour == night && s.moon }},
		{"sail boat", func(s *scene) bool { return len(s.things) == 1 && s.land == sea }},
		{"under the sea", func(s *scene) bool { return s.land == deep }},
		{"hot air balloon", func(s *scene) bool { return len(s.things) == 1 && s.things[0].thing == things["balloon"] }},
		{"a rainy city", func(s *scene) bool { return s.city && s.rain && s.land == street && !s.sun }},
		{"nothing that is known", func(s *scene) bool { return len(s.things) > 0 }},
		{"ten thousand cats and many dogs, lions, birds", func(s *scene) bool { return len(s.things) == most }},
	} {
		if s := read(c.prompt, dice()); !c.holds(s) {
			t.Errorf("%q was read as %+v", c.prompt, *s)
		}
	}
}

func TestAnySize(t *testing.T) {
	for _, d := range [][2]int{{1, 1}, {3, 200}, {200, 3}, {416, 960}, {960, 416}} {
		m := Draw(lighthouseAtSunset, 1, d[0], d[1])
		if got := m.Bounds().Size(); got != image.Pt(d[0], d[1]) {
			t.Errorf("got %v, want %v", got, d)
		}
		if m.At(0, 0).(color.NRGBA).A != 255 {
			t.Errorf("%v: the picture has a hole", d)
		}
	}
}

func FuzzDraw(f *testing.F) {
	for _, p := range []string{"", " ", "a\x00b\xff", "日本", "two two two", "under", "hot air", "cat\ncat"} {
		f.Add(p, int64(1))
	}
	f.Fuzz(func(t *testing.T, prompt string, seed int64) {
		Draw(prompt, seed, 64, 64)
	})
}

func BenchmarkDraw(b *testing.B) {
	for b.Loop() {
		Draw(lighthouseAtSunset, 7, 640, 640)
	}
}
