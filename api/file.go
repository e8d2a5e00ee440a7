package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"iter"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxUpload is what the Files API certainly refuses to exceed. It says "100MB"
// and not which; sizes between the two meanings are left to it.
const MaxUpload = 100 << 20

// File is an uploaded file. Its content cannot be read back over the API.
type File struct {
	ID               string // may hold any characters
	Name             string // may be empty
	Type             string // MIME
	Size             int64  // bytes; -1 when not told
	ETag             string // MD5 in hex; may be empty
	SHA256, MD5      string // hex; may be empty
	Metadata         json.RawMessage
	Created, Expires time.Time
	URL              string          // to give to a model as input, same account only
	Raw              json.RawMessage // exactly as received
}

// Files iterates over the uploaded files of the account.
func (c *Client) Files(ctx context.Context) iter.Seq2[*File, error] {
	return all(ctx, c, listing[*File]{"list files", "/files", nil, parseFile})
}

// File reads what is known of one uploaded file.
func (c *Client) File(ctx context.Context, id string) (*File, error) {
	path, ok := filePath(id)
	if !ok {
		return nil, notExist("read file", id)
	}
	return fetch(ctx, c, call{op: "read file", path: path}, parseFile)
}

// DeleteFile deletes an uploaded file. When an answer was lost and the file turns
// out to be gone, that is success.
func (c *Client) DeleteFile(ctx context.Context, id string) error {
	path, ok := filePath(id)
	if !ok {
		return notExist("delete file", id)
	}
	return c.do(ctx, call{op: "delete file", method: http.MethodDelete, path: path, gone: true})
}

// filePath escapes an id; file ids are not as plain as those of predictions.
func filePath(id string) (string, bool) {
	if id == "" || len(id) > 255 || strings.Trim(id, ".") == "" || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", false
	}
	return "/files/" + url.PathEscape(id), true
}

// Upload stores a file of exactly size bytes with Replicate, for about a day. The
// bytes are streamed. If r is an io.Seeker the upload is repeated like a read
// (a second copy costs nothing and expires); otherwise only while r is untouched.
// r is not read any more when Upload has returned. A file over the limit is an
// *Error with status 413, as if Replicate had said so.
func (c *Client) Upload(ctx context.Context, name, contentType string, r io.Reader, size int64) (*File, error) {
	const op = "upload file"
	switch {
	case size < 0:
		return nil, fmt.Errorf("%s: unknown size: %w", op, iofs.ErrInvalid)
	case size > MaxUpload:
		return nil, &Error{Op: op, Status: http.StatusRequestEntityTooLarge, Detail: "Files must be less than 100MB in size"}
	case name == "" || len(name) > 255 || !utf8.ValidString(name):
		return nil, fmt.Errorf("%s: a name has 1 to 255 bytes of UTF-8: %w", op, iofs.ErrInvalid)
	}
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	head, tail, form, err := multipartAround(name, contentType)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	var start int64
	seeker, _ := r.(io.Seeker)
	if seeker != nil {
		if start, err = seeker.Seek(0, io.SeekCurrent); err != nil {
			seeker = nil // a pipe, for all its type says
		}
	}
	content := &exactly{r: r, left: size}
	k := call{
		op:     op,
		method: http.MethodPost,
		path:   "/files",
		header: http.Header{"Content-Type": {form}},
		length: int64(len(head)) + size + int64(len(tail)),
	}
	k.body = func() (io.Reader, error) {
		if content.touched {
			if seeker == nil {
				return nil, errOnce
			}
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				return nil, fmt.Errorf("rewind: %w", err)
			}
			content = &exactly{r: r, left: size}
		}
		return io.MultiReader(bytes.NewReader(head), content, bytes.NewReader(tail)), nil
	}
	k.again = func() bool { return seeker != nil || !content.touched }
	return fetch(ctx, c, k, parseFile)
}

var errOnce = errors.New("the content can be read once only")

// multipartAround returns the bytes of a form before and after the content, so
// that the length of the whole is known before a byte is sent.
func multipartAround(name, contentType string) (head, tail []byte, form string, err error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	w.WriteField("filename", name)
	w.WriteField("type", contentType)
	_, err = w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("content", name)},
		"Content-Type":        {strings.Map(printable, contentType)},
	})
	if err != nil {
		return nil, nil, "", err
	}
	n := buf.Len()
	if err = w.Close(); err != nil {
		return nil, nil, "", err
	}
	return buf.Bytes()[:n:n], buf.Bytes()[n:], w.FormDataContentType(), nil
}

// printable drops what would break a header line.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// exactly reads left bytes and fails where r has fewer or more: a file that
// changes while it is sent must not arrive cut.
type exactly struct {
	r       io.Reader
	left    int64
	touched bool
}

func (e *exactly) Read(p []byte) (int, error) {
	e.touched = true
	if e.left == 0 {
		var one [1]byte
		if n, _ := io.ReadFull(e.r, one[:]); n > 0 {
			return 0, fmt.Errorf("the file is longer than its size: %w", iofs.ErrInvalid)
		}
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF {
		err = nil
		if n == 0 {
			err = fmt.Errorf("the file is shorter than its size: %w", io.ErrUnexpectedEOF)
		}
	}
	return n, err
}

func parseFile(raw []byte) (*File, error) {
	w, err := decode[struct {
		ID        maybe[string]      `json:"id"`
		Name      maybe[string]      `json:"name"`
		Type      maybe[string]      `json:"content_type"`
		Size      maybe[json.Number] `json:"size"`
		ETag      maybe[string]      `json:"etag"`
		Checksums maybe[struct {
			SHA256 maybe[string] `json:"sha256"`
			MD5    maybe[string] `json:"md5"`
		}] `json:"checksums"`
		Metadata json.RawMessage `json:"metadata"`
		Created  when            `json:"created_at"`
		Expires  when            `json:"expires_at"`
		URLs     maybe[struct {
			Get maybe[string] `json:"get"`
		}] `json:"urls"`
	}](raw)
	if _, ok := filePath(w.ID.v); err == nil && !ok {
		err = errors.New("no usable id")
	}
	if err != nil {
		return nil, err
	}
	size := int64(-1)
	if n, err := w.Size.v.Int64(); err == nil && n >= 0 {
		size = n
	}
	return &File{
		ID:       w.ID.v,
		Name:     w.Name.v,
		Type:     w.Type.v,
		Size:     size,
		ETag:     w.ETag.v,
		SHA256:   w.Checksums.v.SHA256.v,
		MD5:      w.Checksums.v.MD5.v,
		Metadata: orNil(w.Metadata),
		Created:  w.Created.t,
		Expires:  w.Expires.t,
		URL:      w.URLs.v.Get.v,
		Raw:      keep(raw),
	}, nil
}
