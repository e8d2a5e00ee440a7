package fs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"replicatefs/api"
	"replicatefs/fs/tree"
)

// maxInline is the size up to which a file travels in the input, as a data:
// URI. Larger ones are uploaded.
const maxInline = 256 << 10

// A bigFile is a file of a draft that is still to be uploaded. To the rules it
// is any file.
type bigFile struct{ part }

func (*bigFile) MarshalJSON() ([]byte, error) { return []byte(`"data:,"`), nil }

// file makes a file of a file.
func (p *prepared) file(of part) (any, error) {
	switch size := of.info.Size(); {
	case size == 0:
		return nil, refuse(fmt.Sprintf("%s is empty.", of.name))
	case size > api.MaxUpload:
		return nil, &refusal{kind: tree.ErrTooLarge, sentence: overLimit(of.name, size)}
	case size > maxInline:
		return &bigFile{of}, nil
	}
	f, err := p.dir.Open(of.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxInline+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != of.info.Size() { // it must not arrive cut
		return nil, stillWritten(of.name)
	}
	return "data:" + mimeType(of.name, content) + ";base64," + base64.StdEncoding.EncodeToString(content), nil
}

func overLimit(name string, size int64) string {
	return fmt.Sprintf("%s is too large, with %.1f MB or more: Replicate takes files of up to %d MB.", name, float64(size)/(1<<20), api.MaxUpload>>20)
}

// A sentFile is what the catalog keeps of a file at Replicate, as
// upload/<SHA-256>/<type>.
type sentFile struct {
	ID, URL string
	Expires time.Time
}

const uploadKey = "upload/"

// uploadSpare is how much longer Replicate's copy must live: a run may wait
// for its turn before it reads its input.
const uploadSpare = 30 * time.Minute

// upload brings a bigFile to Replicate, and returns where it is there; any
// other value is itself. What is still there from an earlier run stays.
func (p *prepared) upload(ctx context.Context, v any) (any, error) {
	big, ok := v.(*bigFile)
	if !ok {
		return v, nil
	}
	f, err := p.dir.Open(big.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	head := make([]byte, 512)
	n, _ := f.ReadAt(head, 0) // less than asked for is enough
	if _, err := io.Copy(sum, f); err != nil {
		return nil, err
	}
	kind := mimeType(big.name, head[:n])
	key := uploadKey + hex.EncodeToString(sum.Sum(nil)) + "/" + kind
	if url, ok := p.there(ctx, key); ok {
		return url, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	file, err := p.fs.api.Upload(ctx, big.name, kind, f, big.info.Size())
	if err != nil {
		return nil, fmt.Errorf("upload %s: %w", big.name, err)
	}
	p.fs.log.Info("input uploaded", "file", big.name, "bytes", big.info.Size())
	raw, err := json.Marshal(sentFile{file.ID, file.URL, file.Expires})
	if err == nil {
		_, err = p.fs.catalog.PutDoc(ctx, key, raw)
	}
	if err != nil {
		p.fs.log.Warn("an upload is not remembered", "file", big.name, "err", err)
	}
	return file.URL, nil
}

// there tells where a file is that was uploaded before, if it still is.
func (p *prepared) there(ctx context.Context, key string) (url string, ok bool) {
	raw, _, err := p.fs.catalog.Doc(ctx, key)
	var u sentFile
	if err != nil || json.Unmarshal(raw, &u) != nil || !u.Expires.IsZero() && u.Expires.Sub(p.fs.now()) < uploadSpare {
		return "", false
	}
	file, err := p.fs.api.File(ctx, u.ID)
	return u.URL, err == nil && file.ID == u.ID && u.URL != ""
}

// mimeType is the type of a file by its name, else by its content.
func mimeType(name string, content []byte) string {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".jpeg":
		ext = ".jpg"
	case ".tif":
		ext = ".tiff"
	case ".htm":
		ext = ".html"
	}
	var fit []string
	for kind, e := range extensions {
		if e == ext {
			fit = append(fit, kind)
		}
	}
	if len(fit) == 0 {
		kind, _, _ := strings.Cut(http.DetectContentType(content), ";")
		return kind
	}
	return slices.Min(fit) // of image/jpeg and image/jpg that which is right
}
