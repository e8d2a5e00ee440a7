package sim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The Files API: inputs that were uploaded. They last a day, and the bytes
// are only for models and for whoever has a signature.

const (
	uploadLimit = 100 << 20 // bytes of a file
	uploadLife  = 24 * time.Hour
)

// upload is an uploaded file. It does not change.
type upload struct {
	id, name, kind string
	data           []byte
	meta           json.RawMessage
	md5, sha       string
	created        time.Time
}

// uploads are all of them, newest first; guarded by Sim.mu.
type uploads []*upload

// Uploaded is the content of each uploaded file, newest first, for tests. It
// must not be changed.
func (s *Sim) Uploaded() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([][]byte, len(s.uploads))
	for i, u := range s.uploads {
		all[i] = u.data
	}
	return all
}

type uploadShape struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Type     string            `json:"content_type"`
	Size     int               `json:"size"`
	Etag     string            `json:"etag"`
	Sums     map[string]string `json:"checksums"`
	Metadata json.RawMessage   `json:"metadata"`
	Created  string            `json:"created_at"`
	Expires  string            `json:"expires_at"`
	URLs     map[string]string `json:"urls"`
}

func (u *upload) shape(b bases) *uploadShape {
	return &uploadShape{
		ID: u.id, Name: u.name, Type: u.kind, Size: len(u.data), Etag: u.md5,
		Sums: map[string]string{"sha256": u.sha, "md5": u.md5}, Metadata: u.meta,
		Created: rowTime(u.created), Expires: rowTime(u.created.Add(uploadLife)),
		URLs: map[string]string{"get": b.api + "/v1/files/" + url.PathEscape(u.id)},
	}
}

// findUpload is an upload that has not expired.
func (s *Sim) findUpload(id string) *upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.uploads {
		if u.id == id && s.now().Before(u.created.Add(uploadLife)) {
			return u
		}
	}
	return nil
}

// expireLocked forgets the uploads whose day is over.
func (s *Sim) expireLocked() {
	now := s.now()
	s.uploads = slices.DeleteFunc(s.uploads, func(u *upload) bool { return !now.Before(u.created.Add(uploadLife)) })
}

func listFiles(c *call) (*reply, *problem) {
	s := c.s
	s.mu.Lock()
	s.expireLocked()
	list := slices.Clone(s.uploads)
	s.mu.Unlock()
	return c.paged(len(list), pageSize, func(i int) any { return list[i].shape(c.bases) })
}

func oneFile(c *call) (*reply, *problem) {
	u := c.s.findUpload(c.r.PathValue("id"))
	if u == nil {
		return nil, errNoFile
	}
	return success(u.shape(c.bases))
}

func deleteFile(c *call) (*reply, *problem) {
	u := c.s.findUpload(c.r.PathValue("id"))
	if u == nil {
		return nil, errNoFile
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads = slices.DeleteFunc(s.uploads, func(o *upload) bool { return o == u })
	return &reply{status: http.StatusNoContent}, nil
}

func createFile(c *call) (*reply, *problem) {
	u, p := readUpload(c.r, c.s.uploadLimit)
	if p != nil {
		return nil, p
	}
	u.created = c.s.now()
	u.md5 = factsOf(u.data).md5
	h := sha256.Sum256(u.data)
	u.sha = hex.EncodeToString(h[:])
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	// Looks like base64 because it is: of a UUID.
	x := hexID(fmt.Sprint("upload ", s.opt.Seed, s.seq))
	u.id = base64.RawURLEncoding.EncodeToString([]byte(x[:8] + "-" + x[8:12] + "-4" + x[13:16] + "-a" + x[17:20] + "-" + x[20:32]))
	s.expireLocked()
	s.uploads = slices.Insert(s.uploads, 0, u)
	return &reply{status: http.StatusCreated, v: u.shape(c.bases)}, nil
}

// readUpload reads the form. Clients send the metadata in three ways: as a
// field, as a file of JSON, as fields metadata[key].
func readUpload(r *http.Request, limit int64) (*upload, *problem) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, &problem{Title: "Unsupported media type", Detail: "The request must be multipart/form-data", Status: http.StatusUnsupportedMediaType}
	}
	u := &upload{meta: json.RawMessage("{}")}
	single := make(map[string]any)
	var partType, fileName string
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, &problem{Title: "Bad request", Detail: "The form is incomplete", Status: http.StatusBadRequest}
		}
		b, p := readPart(part, limit)
		if p != nil {
			return nil, p
		}
		switch name := part.FormName(); {
		case name == "content":
			u.data, partType, u.name = b, part.Header.Get("Content-Type"), part.FileName()
		case name == "filename":
			fileName = string(b)
		case name == "type":
			u.kind = string(b)
		case name == "metadata":
			var m map[string]json.RawMessage
			if json.Unmarshal(b, &m) != nil || m == nil {
				return nil, invalid([]issue{{"invalid_type", "metadata", "Invalid type. Expected: object, given: " + jsonType(decode(b))}})
			}
			u.meta = bytes.Clone(b)
		case strings.HasPrefix(name, "metadata[") && strings.HasSuffix(name, "]"):
			single[name[len("metadata["):len(name)-1]] = string(b)
		}
	}
	if len(single) > 0 {
		u.meta, _ = json.Marshal(single)
	}
	if fileName != "" {
		u.name = fileName
	}
	for _, t := range []string{partType, "application/octet-stream"} {
		if u.kind == "" {
			u.kind = t
		}
	}
	switch {
	case u.data == nil:
		return nil, invalid([]issue{{"required", "", "content is required"}})
	case len(u.name) > 255:
		return nil, invalid([]issue{{"string_lte", "filename", "String length must be less than or equal to 255"}})
	}
	return u, nil
}

func readPart(part *multipart.Part, limit int64) ([]byte, *problem) {
	defer part.Close()
	b, err := io.ReadAll(io.LimitReader(part, limit+1))
	switch {
	case err != nil:
		return nil, &problem{Title: "Bad request", Detail: "The form is incomplete", Status: http.StatusBadRequest}
	case int64(len(b)) > limit:
		return nil, errTooLarge
	}
	return b, nil
}

// downloadFile is for those with a signature; no token is involved.
func downloadFile(c *call) (*reply, *problem) {
	q := c.r.URL.Query()
	id, owner := c.r.PathValue("id"), q.Get("owner")
	until, err := strconv.ParseInt(q.Get("expiry"), 10, 64)
	u := c.s.findUpload(id)
	sign := c.s.SignDownload(owner, id, until)
	if err != nil || u == nil || owner != c.s.opt.Account || !hmac.Equal([]byte(sign), []byte(q.Get("signature"))) || c.s.now().Unix() > until {
		return nil, errNoFile
	}
	c.header.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(u.name))
	return &reply{status: http.StatusOK, data: u.data}, nil
}

// SignDownload is the signature that GET /files/{id}/download wants, for an
// expiry in Unix seconds.
func (s *Sim) SignDownload(owner, id string, expiry int64) string {
	m := hmac.New(sha256.New, []byte(hexID(fmt.Sprint("files secret ", s.opt.Seed))))
	fmt.Fprintf(m, "%s %s %d", owner, id, expiry)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
