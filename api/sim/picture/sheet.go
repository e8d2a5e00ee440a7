//go:build ignore

// Sheet draws the prompts on its standard input, one a line, side by side:
//
//	go run sheet.go < prompts.txt > sheet.png
//
// A picture cannot be tested for being pleasing; it has to be looked at.
package main

import (
	"bufio"
	"image"
	"image/draw"
	"image/png"
	"log"
	"os"

	"replicatefs/api/sim/picture"
)

func main() {
	const side, cols = 480, 3
	var prompts []string
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		prompts = append(prompts, in.Text())
	}
	rows := (len(prompts) + cols - 1) / cols
	sheet := image.NewNRGBA(image.Rect(0, 0, cols*side, rows*side))
	for i, p := range prompts {
		at := image.Pt(i%cols*side, i/cols*side)
		draw.Draw(sheet, image.Rectangle{at, at.Add(image.Pt(side, side))}, picture.Draw(p, 1, side, side), image.Point{}, draw.Src)
	}
	if err := png.Encode(os.Stdout, sheet); err != nil {
		log.Fatal(err)
	}
}
