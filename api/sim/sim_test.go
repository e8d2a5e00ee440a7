package sim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	apiRoot = "https://api.replicate.com/v1"
	flux    = "black-forest-labs/flux-schnell"
	llama   = "meta/meta-llama-3-8b-instruct"
)

// tester asks a world through memory.
type tester struct {
	t *testing.T
	*Sim
	c   *http.Client
	api string // root of the API
}

func open(t *testing.T, o Options) *tester {
	t.Helper()
	s := New(o)
	t.Cleanup(func() {
		s.Close()
		if l := s.Leaks(); len(l) > 0 {
			t.Errorf("token leaked: %v", l)
		}
	})
	return &tester{t, s, s.Client(), apiRoot}
}

// answered is an answer that was read in full.
type answered struct {
	status int
	header http.Header
	body   []byte
}

func (a *answered) object(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.body, &m); err != nil {
		t.Fatalf("answer %d is not an object: %v\n%s", a.status, err, a.body)
	}
	return m
}

func (s *tester) try(method, url, body string, header ...string) (*answered, error) {
	s.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = s.api + url
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(url, s.api) {
		r.Header.Set("Authorization", "Bearer "+DemoToken)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := s.c.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return &answered{res.StatusCode, res.Header, b}, err
}

func (s *tester) do(method, url, body string, header ...string) *answered {
	s.t.Helper()
	a, err := s.try(method, url, body, header...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

// want asks and expects a status and an object.
func (s *tester) want(status int, method, url, body string, header ...string) map[string]any {
	s.t.Helper()
	a := s.do(method, url, body, header...)
	if a.status != status {
		s.t.Fatalf("%s %s: got %d, want %d\n%.300s", method, url, a.status, status, a.body)
	}
	if len(a.body) == 0 {
		return nil
	}
	return a.object(s.t)
}

func (s *tester) create(model, input string, header ...string) map[string]any {
	s.t.Helper()
	if m := s.models.named(model); !m.official {
		body := `{"version":"` + m.versions[0].id + `","input":` + input + `}`
		return s.want(201, "POST", "/predictions", body, header...)
	}
	return s.want(201, "POST", "/models/"+model+"/predictions", `{"input":`+input+`}`, header...)
}

func TestRunsByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		p := s.create(flux, `{"prompt":"a boat","num_outputs":2}`)
		if p["status"] != "starting" || p["output"] != nil {
			t.Fatalf("new prediction: got %v %v, want starting without output", p["status"], p["output"])
		}
		id := p["id"].(string)
		time.Sleep(400 * time.Millisecond)
		if p = s.want(200, "GET", "/predictions/"+id, ""); p["status"] != "processing" {
			t.Errorf("after 0.4 s: got %v, want processing", p["status"])
		}
		time.Sleep(2 * time.Second)
		p = s.want(200, "GET", "/predictions/"+id, "")
		out, _ := p["output"].([]any)
		if p["status"] != "succeeded" || len(out) != 2 {
			t.Fatalf("after 2.4 s: got %v with %d outputs, want succeeded with 2", p["status"], len(out))
		}
		a := s.do("GET", out[0].(string), "")
		if a.status != 200 || !bytes.HasPrefix(a.body, []byte("RIFF")) || a.header.Get("Content-Type") != "image/webp" {
			t.Errorf("output: got %d %s %.12q, want a WebP picture", a.status, a.header.Get("Content-Type"), a.body)
		}
		time.Sleep(time.Hour)
		p = s.want(200, "GET", "/predictions/"+id, "")
		if p["data_removed"] != true || p["output"] != nil {
			t.Errorf("after the hour: got removed %v, output %v, want the data gone", p["data_removed"], p["output"])
		}
		if a := s.do("GET", out[0].(string), ""); a.status != 404 {
			t.Errorf("output after the hour: got %d, want 404", a.status)
		}
		if got := s.Creates(); got != 1 {
			t.Errorf("got %d creates, want 1", got)
		}
	})
}

// tinyPNG is a picture of one point.
const tinyPNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
