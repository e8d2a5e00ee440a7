package sim

import (
	"bytes"
	"fmt"
	"image"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// part is a field of a form.
type part struct{ name, file, kind, body string }

func (s *tester) form(parts ...part) (body, kind string) {
	s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		d := fmt.Sprintf(`form-data; name=%q`, p.name)
		if p.file != "" {
			d += fmt.Sprintf(`; filename=%q`, p.file)
		}
		h.Set("Content-Disposition", d)
		if p.kind != "" {
			h.Set("Content-Type", p.kind)
		}
		f, err := w.CreatePart(h)
		if err != nil {
			s.t.Fatal(err)
		}
		f.Write([]byte(p.body))
	}
	w.Close()
	return b.String(), w.FormDataContentType()
}

func (s *tester) upload(name, kind, body string) map[string]any {
	s.t.Helper()
	form, t := s.form(part{"content", name, kind, body})
	return s.want(201, "POST", "/files", form, "Content-Type", t)
}

func TestUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		for _, c := range []struct {
			parts []part
			meta  string
		}{
			{[]part{{"content", "cat.png", "image/png", "meow"}}, "map[]"},
			{[]part{{"content", "blob", "", "meow"}, {"filename", "", "", "cat.png"}, {"type", "", "", "image/png"}, {"metadata", "", "", `{"k":{"n":1}}`}}, "map[k:map[n:1]]"},
			{[]part{{"content", "cat.png", "image/png", "meow"}, {"metadata", "blob", "application/json", `{"k":"v"}`}}, "map[k:v]"},
			{[]part{{"content", "cat.png", "image/png", "meow"}, {"metadata[k]", "", "", "v"}}, "map[k:v]"},
		} {
			form, kind := s.form(c.parts...)
			f := s.want(201, "POST", "/files", form, "Content-Type", kind)
			if f["name"] != "cat.png" || f["content_type"] != "image/png" || f["size"] != 4.0 || f["etag"] != "4a4be40c96ac6314e91d93f38043a634" {
				t.Errorf("got %v", f)
			}
			if got := fmt.Sprint(f["metadata"]); got != c.meta {
				t.Errorf("metadata: got %s, want %s", got, c.meta)
			}
			if d := parse(t, f["expires_at"].(string)).Sub(parse(t, f["created_at"].(string))); d != 24*time.Hour {
				t.Errorf("expires after %v, want 24h", d)
			}
		}
		f := s.upload("a.txt", "text/plain", "text")
		get := f["urls"].(map[string]any)["get"].(string)
		if got := s.want(200, "GET", get, ""); got["id"] != f["id"] {
			t.Errorf("urls.get: got %v", got)
		}
		if got := s.want(200, "GET", "/files", "")["results"].([]any); len(got) != 5 || got[0].(map[string]any)["id"] != f["id"] {
			t.Errorf("list: got %d files, want 5, the newest first", len(got))
		}
		form, kind := s.form(part{"filename", "", "", "x"})
		s.want(422, "POST", "/files", form, "Content-Type", kind)
		s.uploadLimit = 1000 // of a hundred million the test would take long
		form, kind = s.form(part{"content", "x", "", strings.Repeat("x", 1001)})
		s.want(413, "POST", "/files", form, "Content-Type", kind)

		id, until := f["id"].(string), time.Now().Add(time.Minute).Unix()
		path := func(owner, sign string) string {
			return fmt.Sprintf("/files/%s/download?owner=%s&expiry=%d&signature=%s", id, owner, until, strings.NewReplacer("+", "%2B", "/", "%2F").Replace(sign))
		}
		sign := s.SignDownload("demo", id, until)
		if a := s.do("GET", path("demo", sign), "", "Authorization", ""); a.status != 200 || string(a.body) != "text" {
			t.Errorf("download: got %d %q", a.status, a.body)
		}
		s.want(404, "GET", path("demo", "bad"), "")
		s.want(404, "GET", path("eve", sign), "")
		time.Sleep(2 * time.Minute)
		s.want(404, "GET", path("demo", sign), "")

		s.want(204, "DELETE", get, "")
		s.want(404, "GET", get, "")
		s.want(404, "DELETE", get, "")
		s.Advance(24 * time.Hour)
		if got := s.want(200, "GET", "/files", "")["results"].([]any); len(got) != 0 {
			t.Errorf("after a day: got %d files, want none", len(got))
		}
	})
}

// An upscaler takes a picture as a data: URI, as an upload, or as an output of
// another run.
func TestFileInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Speed: Instant})
		small, err := paint("a cat", 1, 80, 80, "png")()
		if err != nil {
			t.Fatal(err)
		}
		png := s.put(NewFile("cat.png", small))[0]
		up := s.upload("a.png", "image/png", string(s.do("GET", png, "").body))
		for _, c := range []struct {
			image string
			want  int
		}{{tinyPNG, 4}, {up["urls"].(map[string]any)["get"].(string), 320}, {png, 320}} {
			p := s.get(s.create("acme/upscaler", `{"image":"`+c.image+`","scale":4}`))
			if p["status"] != "succeeded" {
				t.Errorf("%.40s: got %v: %v", c.image, p["status"], p["error"])
				continue
			}
			m, _, err := image.DecodeConfig(bytes.NewReader(s.do("GET", p["output"].(string), "").body))
			if err != nil || m.Width != c.want {
				t.Errorf("%.40s: got width %d (%v), want %d", c.image, m.Width, err, c.want)
			}
		}
		for _, image := range []string{"https://example.com/a.png", "data:text/plain,hello", "https://api.replicate.com/v1/files/none"} {
			if p := s.get(s.create("acme/upscaler", `{"image":"`+image+`"}`)); p["status"] != "failed" || p["error"] == nil {
				t.Errorf("%s: got %v, want failed", image, p["status"])
			}
		}
		if got := s.get(s.create("acme/captioner", `{"image":"`+png+`"}`))["output"].(string); !strings.Contains(got, "square picture of 80 by 80") {
			t.Errorf("caption: got %q", got)
		}
	})
}
