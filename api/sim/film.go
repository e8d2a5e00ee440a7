package sim

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"

	"replicatefs/api/sim/picture"
)

// Film is an MP4 file whose frames are JPEG pictures: the camera moves along a
// wide picture of the prompt. With faststart its index is at the beginning, so
// that a player can begin at once. Without, it is at the end, where encoders
// put it that are not told otherwise.
func Film(prompt string, seed int64, seconds int, faststart bool) ([]byte, error) {
	const w, h, rate = 384, 216, 12
	n := seconds * rate
	wide := picture.Draw(prompt, seed, w+w/3, h)
	frames := make([][]byte, n)
	for i := range frames {
		x := (w / 3) * i / max(1, n-1)
		var b bytes.Buffer
		if err := jpeg.Encode(&b, wide.SubImage(image.Rect(x, 0, x+w, h)), &jpeg.Options{Quality: 80}); err != nil {
			return nil, err
		}
		frames[i] = b.Bytes()
	}
	return mp4(frames, w, h, rate, faststart), nil
}

// mp4 puts JPEG frames into the boxes of ISO/IEC 14496-12 and -14.
func mp4(frames [][]byte, w, h, rate int, faststart bool) []byte {
	ftyp := box("ftyp", []byte("isom"), u32(0x200), []byte("isomiso2mp41"))
	index := func(first int) []byte { return moov(frames, w, h, rate, first) }
	data := box("mdat", frames...)
	first := len(ftyp) + 8
	if faststart {
		return join(ftyp, index(first+len(index(0))), data)
	}
	return join(ftyp, data, index(first))
}

// moov is the index; first is where the first frame is in the file.
func moov(frames [][]byte, w, h, rate, first int) []byte {
	n := len(frames)
	length := u32(n) // in units of a frame
	sizes := make([][]byte, n)
	for i, f := range frames {
		sizes[i] = u32(len(f))
	}
	matrix := join(u32(0x10000), u32(0), u32(0), u32(0), u32(0x10000), u32(0), u32(0), u32(0), u32(0x40000000))
	// An elementary stream of visual type 0x6c: JPEG.
	esds := full("esds", 0, []byte{
		3, 21, 0, 1, 0,
		4, 13, 0x6c, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		6, 1, 2,
	})
	entry := box("mp4v", make([]byte, 6), u16(1), make([]byte, 16), u16(w), u16(h), u32(72<<16), u32(72<<16), u32(0), u16(1),
		make([]byte, 32), u16(24), u16(0xffff), esds)
	table := box("stbl",
		full("stsd", 0, u32(1), entry),
		full("stts", 0, u32(1), u32(n), u32(1)),
		full("stsc", 0, u32(1), u32(1), u32(n), u32(1)),
		full("stsz", 0, u32(0), u32(n), join(sizes...)),
		full("stco", 0, u32(1), u32(first)),
	)
	media := box("mdia",
		full("mdhd", 0, u32(0), u32(0), u32(rate), length, u16(0x55c4), u16(0)),
		full("hdlr", 0, u32(0), []byte("vide"), make([]byte, 12), []byte("video\x00")),
		box("minf",
			full("vmhd", 1, make([]byte, 8)),
			box("dinf", full("dref", 0, u32(1), full("url ", 1))),
			table,
		),
	)
	return box("moov",
		full("mvhd", 0, u32(0), u32(0), u32(rate), length, u32(0x10000), u16(0x100), make([]byte, 10), matrix, make([]byte, 24), u32(2)),
		box("trak",
			full("tkhd", 3, u32(0), u32(0), u32(1), u32(0), length, make([]byte, 8), u16(0), u16(0), u16(0), u16(0), matrix, u32(w<<16), u32(h<<16)),
			media,
		),
	)
}

func box(kind string, parts ...[]byte) []byte {
	body := join(parts...)
	return join(u32(8+len(body)), []byte(kind), body)
}

// full is a box with a version, 0, and flags.
func full(kind string, flags int, parts ...[]byte) []byte {
	return box(kind, append([][]byte{u32(flags)}, parts...)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
func u16(n int) []byte            { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func u32(n int) []byte            { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
