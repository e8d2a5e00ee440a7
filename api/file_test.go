package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const fileJSON = `{"id":"aB+/cD==","name":"cat.png","content_type":"image/png","size":1234,"etag":"abc","checksums":{"sha256":"s","md5":"m"},"metadata":{"k":1},
	"created_at":"2026-03-04T05:06:07.89Z","expires_at":"2026-03-05T05:06:07.89Z","urls":{"get":"https://api.replicate.com/v1/files/x"}}`

func TestFileCalls(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.RequestURI {
		case "GET /base/v1/files":
			answer(w, 200, `{"next":null,"results":[`+fileJSON+`,{"id":"y"}]}`)
		case "GET /base/v1/files/aB+%2FcD==":
			answer(w, 200, fileJSON)
		case "DELETE /base/v1/files/aB+%2FcD==":
			w.WriteHeader(204)
		default:
			answer(w, 404, `{"detail":"File not found"}`)
		}
	})
	c, ctx := n.client(Options{}), t.Context()
	list, err := collect(c.Files(ctx))
	if err != nil || len(list) != 2 || list[1].Size != -1 {
		t.Errorf("Files: %+v, %v", list, err)
	}
	f, err := c.File(ctx, "aB+/cD==")
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "cat.png" || f.Type != "image/png" || f.Size != 1234 || f.ETag != "abc" || f.SHA256 != "s" || f.MD5 != "m" || string(f.Metadata) != `{"k":1}` ||
		f.Expires.Sub(f.Created) != 24*time.Hour || f.URL != "https://api.replicate.com/v1/files/x" {
		t.Errorf("File: %+v", f)
	}
	if err := c.DeleteFile(ctx, f.ID); err != nil {
		t.Error(err)
	}
	if err := c.DeleteFile(ctx, "gone"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("deleting what is not there: %v, want not-exist", err)
	}
}

func TestDeleteFileAnswerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, script(cuts, says(404, `{"detail":"File not found"}`)))
		if err := n.client(Options{}).DeleteFile(t.Context(), "x"); err != nil {
			t.Errorf("deleted, the answer lost: %v", err)
		}
	})
}

func TestUpload(t *testing.T) {
	content := strings.Repeat("0123456789", 100_000)
	var got string
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength <= int64(len(content)) || len(r.TransferEncoding) > 0 {
			t.Errorf("length %d, %v; want it known", r.ContentLength, r.TransferEncoding)
		}
		mr, err := r.MultipartReader()
		if err != nil {
			t.Error(err)
			return
		}
		var b strings.Builder
		for {
			p, err := mr.NextPart()
			if err != nil {
				break
			}
			data, err := io.ReadAll(p)
			if err != nil {
				break
			}
			if p.FormName() == "content" {
				if string(data) != content {
					t.Errorf("content of %d bytes, want %d", len(data), len(content))
				}
				data = nil
			}
			b.WriteString(p.FormName() + "|" + p.FileName() + "|" + p.Header.Get("Content-Type") + "|" + string(data) + "\n")
		}
		got = b.String()
		answer(w, 201, fileJSON)
	})
	c := n.client(Options{})
	name := `a "quoted" ü.png`
	f, err := c.Upload(t.Context(), name, "image/png\r\nX: y", strings.NewReader(content), int64(len(content)))
	if err != nil || f.ID != "aB+/cD==" {
		t.Errorf("Upload: %+v, %v", f, err)
	}
	if want := "filename|||" + name + "\ntype|||image/png\r\nX: y\ncontent|" + name + "|image/pngX: y|\n"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	// Without Seek too, and empty.
	if _, err := c.Upload(t.Context(), "x", "", io.MultiReader(strings.NewReader(content)), int64(len(content))); err != nil {
		t.Error(err)
	}
	if !strings.Contains(got, "content|x|application/octet-stream|") {
		t.Errorf("sent %q, want the default type", got)
	}
	content = ""
	if _, err := c.Upload(t.Context(), "x", "", strings.NewReader(""), 0); err != nil {
		t.Error(err)
	}
}

func TestUploadRefusesLocally(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a request") })
	c := n.client(Options{})
	up := func(name string, size int64) error {
		_, err := c.Upload(t.Context(), name, "", strings.NewReader(""), size)
		return err
	}
	for _, err := range []error{up("", 0), up(strings.Repeat("x", 256), 0), up("\xff", 0), up("x", -1)} {
		if !errors.Is(err, iofs.ErrInvalid) {
			t.Errorf("%v, want invalid", err)
		}
	}
	var e *Error
	if err := up("x", MaxUpload+1); !errors.As(err, &e) || e.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%v, want status 413", err)
	}
}

// A file that changes while it is sent must not arrive cut or cut off.
func TestUploadWrongSize(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			answer(w, 201, fileJSON)
		}
	})
	c := n.client(Options{Retry: Retry{Tries: 1}})
	if _, err := c.Upload(t.Context(), "x", "", strings.NewReader("abc"), 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("shorter: %v, want unexpected EOF", err)
	}
	if _, err := c.Upload(t.Context(), "x", "", strings.NewReader("abcdefg"), 5); !errors.Is(err, iofs.ErrInvalid) {
		t.Errorf("longer: %v, want invalid", err)
	}
}

func TestUploadRepeats(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	want := strings.Repeat("abc", 1<<18)
	if err := os.WriteFile(path, []byte("skipped"+want), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, fault := range map[string]func(w http.ResponseWriter, r *http.Request){
		"429": says(429, `{"retry_after":3}`), "503": says(503, ``), "cut": cuts, "truncated": truncated,
		"refused early": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			answer(w, 503, ``)
		},
	} {
		var bodies []string
		serve := func(w http.ResponseWriter, r *http.Request) {
			if len(bodies) == 0 && name == "refused early" {
				bodies = append(bodies, "")
				fault(w, r)
				return
			}
			b, _ := io.ReadAll(r.Body)
			bodies = append(bodies, string(b))
			if len(bodies) == 1 {
				fault(w, r)
				return
			}
			answer(w, 201, fileJSON)
		}
		synctest.Test(t, func(t *testing.T) {
			bodies = nil
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			f.Seek(7, io.SeekStart)
			n := newNetwork(t, serve)
			if _, err := n.client(Options{}).Upload(t.Context(), "x", "", f, int64(len(want))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if len(bodies) != 2 || !strings.Contains(bodies[1], "\r\n\r\n"+want+"\r\n--") {
				t.Errorf("%s: %d uploads, the last not whole", name, len(bodies))
			}
			time.Sleep(time.Second) // net/http's server lingers that long on an unread body
		})
		if name == "refused early" {
			continue // the rest is about bodies that were read
		}
		// What can be read once only is sent once only.
		synctest.Test(t, func(t *testing.T) {
			bodies = nil
			n := newNetwork(t, serve)
			if _, err := n.client(Options{}).Upload(t.Context(), "x", "", io.MultiReader(strings.NewReader(want)), int64(len(want))); err == nil || len(bodies) != 1 {
				t.Errorf("%s, a pipe: %v after %d uploads, want an error after 1", name, err, len(bodies))
			}
			time.Sleep(time.Second)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, script(says(201, fileJSON)))
		n.fault = firstDials(2, refused)
		if _, err := n.client(Options{}).Upload(t.Context(), "x", "", io.MultiReader(strings.NewReader("abc")), 3); err != nil {
			t.Errorf("a pipe that is untouched: %v", err)
		}
	})
}

// Nothing reads the file any more when Upload has returned.
func TestUploadLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		n.fault = func(int64) (net.Conn, error) {
			client, server := net.Pipe() // nobody reads it
			context.AfterFunc(t.Context(), func() { server.Close() })
			return client, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := &guarded{r: bytes.NewReader(make([]byte, 8<<20))}
		_, err := n.client(Options{}).Upload(ctx, "x", "", r, 8<<20)
		r.over = true // a race with Read, if there were one
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	})
}

type guarded struct {
	r    io.Reader
	over bool
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.over {
		panic("read after Upload returned")
	}
	return g.r.Read(p)
}

// A slow line is no reason to give up, a dead one is.
func TestUploadStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 64<<10)
			for {
				time.Sleep(20 * time.Second)
				if _, err := io.ReadFull(r.Body, buf); err != nil {
					break
				}
			}
			answer(w, 201, fileJSON)
		})
		start := time.Now()
		_, err := n.client(Options{}).Upload(t.Context(), "x", "", bytes.NewReader(make([]byte, 1<<20)), 1<<20)
		if took := time.Since(start); err != nil || took < 5*time.Minute {
			t.Errorf("a slow upload: %v after %v, want success after minutes", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Hour) })
		_, err := n.client(Options{Retry: Retry{Tries: 1}}).Upload(t.Context(), "x", "", bytes.NewReader(make([]byte, 1<<20)), 1<<20)
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("a dead line: %v, want unreachable", err)
		}
		time.Sleep(time.Hour) // lets the handler end
	})
}
