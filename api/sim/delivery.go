package sim

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// deliver answers for the delivery host, which is a bucket of Google Cloud
// Storage behind a CDN: no authentication, single ranges, errors in XML.
func (s *Sim) deliver(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		deliveryError(w, r, http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
		return
	}
	f := s.lookFile(r.URL.EscapedPath())
	if f == nil {
		deliveryError(w, r, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	k, read, err := s.bytes.open(s.opt.Seed, f)
	if err != nil {
		s.log.Error("no content for output file", "file", f.Name, "err", err)
		deliveryError(w, r, http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
		return
	}
	fault := faultOf(r)
	tag, modified := entity(f, k, fault.ChangeETag)
	h := w.Header()
	h.Set("Etag", tag)
	h.Set("Last-Modified", modified)
	h.Set("Accept-Ranges", "bytes")
	h.Set("Cache-Control", "public,max-age=3600")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Server", "UploadServer")
	h.Set("Via", "1.1 google")
	h.Set("Age", "0")
	h.Set("X-Goog-Stored-Content-Length", strconv.FormatInt(k.size, 10))
	if k.md5 != "" && !fault.ChangeETag {
		h.Set("X-Goog-Hash", "crc32c="+base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, k.crc)))
	}
	switch {
	case r.Header.Get("If-Match") != "" && !listed(r.Header.Get("If-Match"), tag):
		deliveryError(w, r, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
		return
	case listed(r.Header.Get("If-None-Match"), tag):
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType())
	from, to, kind := byteRange(r.Header.Get("Range"), k.size)
	if c := r.Header.Get("If-Range"); c != "" && c != tag && c != modified || fault.NoRange {
		kind = noRange
	}
	status := http.StatusOK
	switch kind {
	case badRange:
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", k.size))
		deliveryError(w, r, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range cannot be satisfied.")
		return
	case goodRange:
		status = http.StatusPartialContent
		if fault.WrongRange {
			from, to = elsewhere(from, to, k.size)
		}
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, k.size))
	case noRange:
		from, to = 0, k.size
	}
	h.Set("Content-Length", strconv.FormatInt(to-from, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if fault.Corrupt {
		read = corrupt(read)
	}
	if err := copyRange(w, read, from, to); err != nil && r.Context().Err() == nil {
		s.log.Debug("delivery broke off", "file", f.Name, "err", err)
	}
}

// lookFile finds the file for /bucket/id/name, or for /id/name of a host that
// is named after the bucket; the path is escaped, since names may have slashes.
// It is nil for a file that never was, and for one that is gone.
func (s *Sim) lookFile(path string) *File {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) == 3 {
		parts = parts[1:]
	}
	if len(parts) != 2 {
		return nil
	}
	id := parts[0]
	name, err := url.PathUnescape(parts[1])
	if err != nil {
		return nil
	}
	now := s.now()
	s.mu.Lock()
	o := s.files[id]
	if o == nil {
		// A run may have put it out just now, and nobody looked since.
		if r, ok := s.fileRef(id); ok && r.kind != kindPast {
			if p := s.byID[s.predictionID(ref{kind: r.kind, n: r.n})]; p != nil {
				s.settleLocked(p, now)
				o = s.files[id]
			}
		}
	} else {
		s.settleLocked(o.p, now)
	}
	if o != nil {
		defer s.mu.Unlock()
		if o.p.removed(now) || o.Name != name {
			return nil
		}
		return o.File
	}
	s.mu.Unlock()
	return s.computedFile(id, name, now)
}

// entity is the ETag and the Last-Modified of a file. Big computed files have
// a tag that is no MD5, as composed objects do.
func entity(f *File, k facts, changed bool) (tag, modified string) {
	t := f.modified
	switch {
	case changed:
		t = t.Add(time.Minute)
		tag = fmt.Sprintf(`"-%016x"`, hash64(f.id, "changed"))
	case k.md5 != "":
		tag = `"` + k.md5 + `"`
	default:
		tag = fmt.Sprintf(`"-%016x"`, hash64(f.id))
	}
	return tag, t.UTC().Format(http.TimeFormat)
}

// listed tells whether a header of entity tags has this one.
func listed(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
		if t != "" && (t == "*" || t == tag) {
			return true
		}
	}
	return false
}

type rangeKind int

const (
	noRange   rangeKind = iota // none, malformed, or more than one: everything
	goodRange                  // 206
	badRange                   // 416
)

// byteRange reads a Range header: from is included, to is not.
func byteRange(header string, size int64) (from, to int64, kind rangeKind) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, 0, noRange
	}
	number := func(s string) int64 {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			return -1
		}
		return int64(n)
	}
	if first == "" {
		n := number(last)
		switch {
		case n < 0:
			return 0, 0, noRange
		case n == 0 || size == 0:
			return 0, 0, badRange
		}
		return max(0, size-n), size, goodRange
	}
	from, to = number(first), size
	if last != "" {
		if to = number(last) + 1; to == 0 {
			return 0, 0, noRange
		}
	}
	switch {
	case from < 0 || from >= to && last != "":
		return 0, 0, noRange
	case from >= size:
		return 0, 0, badRange
	}
	return from, min(to, size), goodRange
}

// elsewhere is a range of the file that was not asked for.
func elsewhere(from, to, size int64) (int64, int64) {
	n := to - from
	switch {
	case to+n <= size:
		return from + n, to + n
	case from > 0:
		return from - 1, to - 1
	case to < size:
		return from, to + 1
	}
	return from, max(from, to-1)
}

// corrupt is read with one wrong bit in each piece.
func corrupt(read reader) reader {
	return func(p []byte, off int64) error {
		err := read(p, off)
		if len(p) > 0 {
			p[len(p)/2] ^= 1
		}
		return err
	}
}

var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

func copyRange(w io.Writer, read reader, from, to int64) error {
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	for from < to {
		p := buf[:min(int64(len(buf)), to-from)]
		if err := read(p, from); err != nil {
			return err
		}
		n, err := w.Write(p)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// deliveryError has the form of Google Cloud Storage.
func deliveryError(w http.ResponseWriter, r *http.Request, status int, code, text string) {
	body := "<?xml version='1.0' encoding='UTF-8'?><Error><Code>" + code + "</Code><Message>" + text + "</Message></Error>"
	h := w.Header()
	for _, k := range []string{"Etag", "Last-Modified", "Cache-Control", "X-Goog-Hash", "X-Goog-Stored-Content-Length"} {
		h.Del(k)
	}
	h.Set("Content-Type", "application/xml; charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, body)
	}
}
