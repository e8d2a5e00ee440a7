package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// Stat asks for the facts of a file: by HEAD, and where that is refused or tells
// no length, by reading its first byte. It repeats on 429, 5xx and network trouble.
func (c *Content) Stat(ctx context.Context, rawurl string) (ContentInfo, error) {
	var info ContentInfo
	err := c.again(ctx, func() error {
		r, err := c.fetch(ctx, ask{op: "stat output", method: http.MethodHead, url: rawurl})
		var e *ContentError
		switch {
		case err == nil:
			info = infoOf(r.resp)
			r.Close()
			// Some servers tell 0 because a HEAD has no body; real empty files are rare.
			if info.Size > 0 && r.resp.StatusCode == http.StatusOK && plainEncoding(r.resp) {
				return nil
			}
		case !errors.As(err, &e), e.Temporary(), e.Status < 400, e.Status == http.StatusNotFound, e.Status == http.StatusGone:
			return err
		}
		info, err = c.statByRange(ctx, rawurl)
		return err
	})
	return info, err
}

func (c *Content) statByRange(ctx context.Context, rawurl string) (ContentInfo, error) {
	r, err := c.fetch(ctx, ask{op: "stat output", url: rawurl, rng: "bytes=0-0", empty: true})
	if err != nil {
		return ContentInfo{}, err
	}
	info := infoOf(r.resp)
	switch r.resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		info.Size = -1
		if cr, ok := parseContentRange(r.resp.Header.Get("Content-Range")); ok {
			info.Size = cr.total
		}
	case http.StatusRequestedRangeNotSatisfiable:
		// Nothing has a first byte: the file is empty, if the server says so.
		cr, ok := parseContentRange(r.resp.Header.Get("Content-Range"))
		r.Close()
		if !ok || cr.total != 0 {
			return ContentInfo{}, r.wrong("a strange answer to a range")
		}
		return ContentInfo{Size: 0, ETag: info.ETag, Modified: info.Modified}, nil
	default:
		return ContentInfo{}, r.refuse("a strange answer to a range")
	}
	if !plainEncoding(r.resp) {
		info.Size = -1 // a length, but of something else
	}
	r.Close()
	return info, nil
}

func infoOf(resp *http.Response) ContentInfo {
	i := ContentInfo{Size: resp.ContentLength, Type: resp.Header.Get("Content-Type"), ETag: resp.Header.Get("ETag")}
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		i.Modified = t
	}
	return i
}

// plainEncoding reports whether the bytes are those of the file.
func plainEncoding(resp *http.Response) bool {
	e := resp.Header.Get("Content-Encoding")
	return !resp.Uncompressed && (e == "" || strings.EqualFold(e, "identity"))
}
