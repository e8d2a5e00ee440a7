package sim

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // inputs come in all formats that a browser shows
	"math"
	"strings"
	"sync"
	"time"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"

	"replicatefs/api/sim/picture"
)

// sides is the size of a picture of a ratio such as "16:9": about as many
// points as a square of 640.
func sides(ratio string) (w, h int) {
	switch ratio {
	case "16:9":
		return 848, 480
	case "21:9":
		return 960, 416
	case "3:2":
		return 784, 528
	case "2:3":
		return 528, 784
	case "4:5":
		return 576, 720
	case "5:4":
		return 720, 576
	case "3:4":
		return 560, 736
	case "4:3":
		return 736, 560
	case "9:16":
		return 480, 848
	case "9:21":
		return 416, 960
	}
	return 640, 640
}

// runImages draws as many pictures as are asked for; name has the number of
// each.
func runImages(name string) func(*job) script {
	return func(j *job) script {
		seed := j.seed()
		n := max(1, j.int("num_outputs"))
		w, h := sides(j.text("aspect_ratio"))
		c := j.denoise(seed, max(1, j.int("num_inference_steps")), n)
		files := make([]any, n)
		for k := range files {
			files[k] = &File{
				Name:   fmt.Sprintf(name, k) + "." + j.text("output_format"),
				render: paint(j.text("prompt"), seed+int64(k), w, h, j.text("output_format")),
			}
		}
		c.steps = append(c.steps, step{at: c.run * 95 / 100, out: files})
		c.metrics = map[string]any{"image_count": n}
		return c
	}
}

// runImage draws one picture, under a name by chance.
func runImage(name string) func(*job) script {
	return func(j *job) script {
		seed := j.seed()
		w, h := sides(j.text("aspect_ratio"))
		c := j.denoise(seed, 8, 1)
		file := &File{
			Name:   fmt.Sprintf(name, base62([]byte(hexID(j.id)), 8)) + "." + j.text("output_format"),
			render: paint(j.text("prompt"), seed, w, h, j.text("output_format")),
		}
		c.steps = append(c.steps, step{at: c.run * 95 / 100, out: file})
		c.metrics = map[string]any{"image_count": 1}
		return c
	}
}

// denoise is the time that drawing takes, and what is printed meanwhile.
func (j *job) denoise(seed int64, steps, n int) script {
	c := script{boot: j.seconds(0.1, 0.3), end: Succeeded}
	c.run = j.seconds(0.6, 1) + time.Duration(n-1)*j.seconds(0.2, 0.3)
	c.steps = append(c.steps, step{logs: fmt.Sprintf("Using seed: %d\n", seed)})
	for k := range steps {
		c.steps = append(c.steps, step{
			at:   c.run * time.Duration(k+1) * 8 / time.Duration(10*steps),
			logs: fmt.Sprintf("%3d%%|%-10s| %d/%d\n", 100*(k+1)/steps, strings.Repeat("█", 10*(k+1)/steps), k+1, steps),
		})
	}
	return c
}

// runGallery puts out one file after the other, all of the same name.
func runGallery(j *job) script {
	n := max(1, j.int("count"))
	c := script{boot: j.seconds(0.1, 0.3), run: time.Duration(n) * j.seconds(0.4, 0.6), end: Succeeded}
	items := make([]any, n)
	seed := j.seed()
	for k := range items {
		items[k] = &File{Name: "output.png", render: paint(j.text("prompt"), seed+int64(k), 480, 480, "png")}
	}
	c.spread(items)
	return c
}

// maxPoints is the largest picture that is taken as an input.
const maxPoints = 4 << 20

// picture is the picture in an input.
func (j *job) picture(field string) (image.Config, []byte, error) {
	in := j.files[field]
	if in.err != nil {
		return image.Config{}, nil, in.err
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(in.data))
	if err != nil {
		return cfg, nil, fmt.Errorf("cannot identify image file: %w", err)
	}
	if cfg.Width*cfg.Height > maxPoints {
		return cfg, nil, fmt.Errorf("image of %dx%d is too large, at most %d points", cfg.Width, cfg.Height, maxPoints)
	}
	return cfg, in.data, nil
}

func runUpscale(j *job) script {
	cfg, data, err := j.picture("image")
	if err != nil {
		return failed(j.seconds(0.2, 0.5), err.Error())
	}
	c := script{boot: j.seconds(0.2, 0.6), run: j.seconds(0.8, 1.4), end: Succeeded}
	scale := j.number("scale")
	w, h := int(float64(cfg.Width)*scale), int(float64(cfg.Height)*scale)
	if w < 1 || h < 1 || w*h > 16*maxPoints {
		return failed(c.boot, fmt.Sprintf("cannot make a picture of %dx%d", w, h))
	}
	c.steps = []step{
		{logs: fmt.Sprintf("%dx%d -> %dx%d\n", cfg.Width, cfg.Height, w, h)},
		{at: c.run * 9 / 10, out: &File{Name: "output.png", render: func() ([]byte, error) {
			from, _, err := image.Decode(bytes.NewReader(data))
			if err != nil {
				return nil, err
			}
			to := image.NewNRGBA(image.Rect(0, 0, w, h))
			draw.CatmullRom.Scale(to, to.Rect, from, from.Bounds(), draw.Src, nil)
			return encode(to, "png")
		}}},
	}
	return c
}

// runCaptioner says what it can see: size, light and color.
func runCaptioner(j *job) script {
	cfg, data, err := j.picture("image")
	if err != nil {
		return failed(j.seconds(0.2, 0.5), err.Error())
	}
	c := script{boot: j.seconds(0.2, 0.5), run: j.seconds(0.4, 0.8), end: Succeeded}
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return failed(c.boot, err.Error())
	}
	c.steps = []step{{at: c.run / 2, out: describe(m, cfg)}}
	return c
}

func describe(m image.Image, cfg image.Config) string {
	one := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	draw.ApproxBiLinear.Scale(one, one.Rect, m, m.Bounds(), draw.Src, nil)
	p := one.NRGBAAt(0, 0)
	form := "square"
	switch {
	case cfg.Width > cfg.Height:
		form = "wide"
	case cfg.Width < cfg.Height:
		form = "tall"
	}
	light := "bright"
	if (int(p.R)+int(p.G)+int(p.B))/3 < 110 {
		light = "dark"
	}
	return fmt.Sprintf("a %s, %s picture of %d by %d points, mostly %s", light, form, cfg.Width, cfg.Height, nearest(p))
}

// nearest is the name of the color that is most like it.
func nearest(p color.NRGBA) string {
	names := map[string][3]float64{
		"red": {200, 50, 50}, "orange": {230, 140, 60}, "yellow": {230, 210, 80}, "green": {80, 150, 70}, "blue": {70, 120, 200},
		"purple": {130, 70, 160}, "gray": {128, 128, 128}, "black": {20, 20, 25}, "white": {240, 240, 240}, "brown": {120, 80, 50},
	}
	best, least := "", math.Inf(1)
	for _, name := range sortedKeys(names) {
		c := names[name]
		d := math.Hypot(math.Hypot(c[0]-float64(p.R), c[1]-float64(p.G)), c[2]-float64(p.B))
		if d < least {
			best, least = name, d
		}
	}
	return best
}

// runObject answers with an object of files, lists and texts.
func runObject(j *job) script {
	prompt, seed := j.text("prompt"), j.seed()
	c := script{boot: j.seconds(0.2, 0.4), run: j.seconds(0.8, 1.2), end: Succeeded}
	const w, h = 480, 360
	shades := func(f func(x, y int, lum uint8) uint8) func() ([]byte, error) {
		return func() ([]byte, error) {
			m := picture.Draw(prompt, seed, w, h)
			g := image.NewGray(m.Rect)
			for y := range h {
				for x := range w {
					lum := color.GrayModel.Convert(m.NRGBAAt(x, y)).(color.Gray).Y
					g.Pix[y*g.Stride+x] = f(x, y, lum)
				}
			}
			return encode(g, "png")
		}
	}
	mask := func(in bool) func() ([]byte, error) {
		return shades(func(x, y int, lum uint8) uint8 {
			if (y < h*6/10) == in {
				return 255
			}
			return 0
		})
	}
	c.steps = []step{{at: c.run * 9 / 10, out: map[string]any{
		"image": &File{Name: "image.png", render: paint(prompt, seed, w, h, "png")},
		"depth": &File{Name: "depth map.png", render: shades(func(x, y int, lum uint8) uint8 { return uint8((y*255/h*3 + int(lum)) / 4) })},
		"parts": []any{
			map[string]any{"label": "sky", "mask": &File{Name: "mask.png", render: mask(true)}},
			map[string]any{"label": "ground", "mask": &File{Name: "mask.png", render: mask(false)}},
		},
		"caption": "a scene: " + prompt,
		"score":   math.Round((0.9+0.1*j.random.Float64())*1000) / 1000,
	}}}
	return c
}

func runInline(j *job) script {
	c := script{boot: j.seconds(0.1, 0.3), run: j.seconds(0.3, 0.6), end: Succeeded}
	uri, err := dataPicture(j.text("prompt"), j.seed(), 96, "png")
	if err != nil {
		return failed(c.boot, err.Error())
	}
	c.steps = []step{{at: c.run / 2, out: uri}}
	return c
}

// dataPicture is a small square picture as a data: URI.
func dataPicture(prompt string, seed int64, side int, format string) (string, error) {
	b, err := paint(prompt, seed, side, side, format)()
	if err != nil {
		return "", err
	}
	return "data:" + types["."+format] + ";base64," + base64.StdEncoding.EncodeToString(b), nil
}

// thumbnails are the pictures that people sent in the past.
var thumbnails = sync.OnceValue(func() []string {
	all := make([]string, len(thumbnailPrompts))
	for i, p := range thumbnailPrompts {
		all[i], _ = dataPicture(p, int64(i), 128, "jpg") // fails for unknown formats only
	}
	return all
})

var thumbnailPrompts = []string{"a cat", "a boat on a lake", "a red house in the snow", "mountains at dawn", "a sunflower", "a robot at night"}

func runVideo(j *job) script {
	seed := j.seed()
	seconds := max(1, j.int("seconds"))
	c := script{boot: j.seconds(0.3, 0.6), run: time.Duration(seconds) * j.seconds(0.8, 1.2), end: Succeeded}
	for k := range 10 {
		c.steps = append(c.steps, step{at: c.run * time.Duration(k) / 11, logs: fmt.Sprintf("frames %d%%\n", 10*(k+1))})
	}
	prompt := j.text("prompt")
	faststart, _ := j.input["faststart"].(bool)
	c.steps = append(c.steps, step{at: c.run * 95 / 100, out: &File{Name: "output.mp4", render: func() ([]byte, error) {
		return Film(prompt, seed, seconds, faststart)
	}}})
	c.metrics = map[string]any{"video_output_duration_seconds": seconds}
	return c
}
