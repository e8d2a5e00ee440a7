package sim

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/HugoSmits86/nativewebp"

	"replicatefs/api/sim/picture"
)

// Picture is a picture for a prompt as a file of a format that models offer:
// png, jpg or webp.
func Picture(prompt string, seed int64, w, h int, format string) ([]byte, error) {
	return paint(prompt, seed, w, h, format)()
}

// paint is a picture for a prompt, drawn when it is called.
func paint(prompt string, seed int64, w, h int, format string) func() ([]byte, error) {
	return func() ([]byte, error) {
		return encode(picture.Draw(prompt, seed, w, h), format)
	}
}

// encode writes the picture in one of the formats that models offer.
func encode(m image.Image, format string) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		// Speed: drawings have large plain areas and are small anyway.
		e := png.Encoder{CompressionLevel: png.BestSpeed}
		err = e.Encode(&b, m)
	case "jpg", "jpeg":
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 90})
	case "webp":
		err = nativewebp.Encode(&b, m, nil)
	default:
		err = fmt.Errorf("unknown format %q", format)
	}
	return b.Bytes(), err
}
