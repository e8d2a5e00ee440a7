package sim

import (
	"encoding/binary"
	"fmt"
	"mime"
	"net/url"
	"path"
	"slices"
	"time"
)

// File is an output file. In an Output it is shown as its URL on the delivery
// host, where its content can be read until the data of the prediction is
// removed. A File belongs to one output.
type File struct {
	Name string // the last element of its URL, before escaping
	Type string // Content-Type; default by the extension
	Data []byte // the content, or
	Size int64  // the size of a computed content, see Sim.ContentAt

	render   func() ([]byte, error) // the content, drawn when somebody asks
	ref      ref
	id       string
	owner    string // id of the prediction
	bucket   string
	modified time.Time
}

// NewFile is an output file with a content.
func NewFile(name string, data []byte) *File { return &File{Name: name, Data: data} }

// NewBlob is an output file of computed bytes: it takes no memory.
func NewBlob(name string, size int64) *File { return &File{Name: name, Size: size} }

// outFile is a file that can be fetched, as long as its prediction is not
// removed.
type outFile struct {
	*File
	p *prediction
}

// registerLocked makes the files in an output available.
func (s *Sim) registerLocked(p *prediction, v any, at time.Time) {
	each(v, func(f *File) {
		if f.id == "" {
			s.place(f, p.ID, ref{p.ref.kind, p.ref.n, p.files}, at)
			p.files++
		}
		s.files[f.id] = &outFile{f, p}
	})
}

// place gives a file its id. Buckets came and went over the years.
func (s *Sim) place(f *File, owner string, r ref, at time.Time) {
	f.ref, f.owner, f.modified = r, owner, at
	f.id = s.fileID(r)
	f.bucket = "xezq"
	if h := hash64(f.id); r.kind == kindPast && h%4 == 0 {
		f.bucket = []string{"pbxt", "yhqm", "czjl"}[h>>8%3]
	}
}

// url is where the file is. Files in an old bucket are found at a subdomain of
// the real delivery host.
func (b bases) url(f *File) string {
	name := url.PathEscape(f.Name)
	if b.output == "https://replicate.delivery" && f.bucket == "pbxt" {
		return "https://pbxt.replicate.delivery/" + f.id + "/" + name
	}
	return b.output + "/" + f.bucket + "/" + f.id + "/" + name
}

func (f *File) contentType() string {
	if f.Type != "" {
		return f.Type
	}
	ext := path.Ext(f.Name)
	if t, ok := types[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// types do not depend on what the machine has in its mime tables.
var types = map[string]string{
	".webp": "image/webp", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".mp4": "video/mp4", ".avi": "video/x-msvideo", ".wav": "audio/wav", ".txt": "text/plain", ".json": "application/json", ".tar": "application/x-tar",
	".bin": "application/octet-stream", ".safetensors": "application/octet-stream", ".obj": "model/obj",
}

// each calls do for the files of an output in the order of their keys and
// places.
func each(v any, do func(*File)) {
	switch v := v.(type) {
	case *File:
		do(v)
	case []any:
		for _, x := range v {
			each(x, do)
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			each(v[k], do)
		}
	}
}

// ContentAt fills p with what the computed file number index (in the order of
// keys and places) of the output of a prediction has at off. It is what the
// delivery host sends, as far as the file reaches.
func (s *Sim) ContentAt(predictionID string, index int, p []byte, off int64) {
	blob(blobKey(s.opt.Seed, predictionID, index), p, off)
}

func blobKey(seed int64, id string, index int) uint64 {
	return hash64("blob", seed, fmt.Sprintf(" %s %d", id, index))
}

// blob fills p with the bytes at off of the endless content that key names.
func blob(key uint64, p []byte, off int64) {
	var w [8]byte
	n := uint64(off) / 8
	if k := int(off % 8); k != 0 {
		binary.LittleEndian.PutUint64(w[:], mix(key^n))
		p = p[copy(p, w[k:]):]
		n++
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, mix(key^n))
		p = p[8:]
		n++
	}
	binary.LittleEndian.PutUint64(w[:], mix(key^n))
	copy(p, w[:])
}
