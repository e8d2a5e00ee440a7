package sim

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// serve has a world listen on loopback.
func serve(t *testing.T, o Options) (*tester, *Server) {
	t.Helper()
	s := open(t, o)
	v, err := s.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	tr := &http.Transport{}
	if v.Roots() != nil {
		tr = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: v.Roots()}, ForceAttemptHTTP2: true}
	}
	t.Cleanup(tr.CloseIdleConnections)
	s.c = &http.Client{Transport: tr}
	return s, v
}

func TestServeTwoHosts(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s, v := serve(t, Options{Speed: Instant, TLS: secure})
		auth := []string{"Authorization", "Bearer " + DemoToken}
		made := s.want(201, "POST", v.BaseURL()+"/models/"+flux+"/predictions", `{"input":{"prompt":"x"}}`, auth...)
		get := made["urls"].(map[string]any)["get"].(string)
		if !strings.HasPrefix(get, v.BaseURL()+"/predictions/") {
			t.Errorf("urls.get: got %s, want it below %s", get, v.BaseURL())
		}
		p := s.want(200, "GET", get, "", auth...)
		out := p["output"].([]any)[0].(string)
		u, err := url.Parse(out)
		if err != nil || u.Host != v.OutputHost() {
			t.Errorf("output: got %s, want it at %s", out, v.OutputHost())
		}
		if a := s.do("GET", out, ""); a.status != 200 {
			t.Errorf("output: got %d, want 200", a.status)
		}
		if a := s.do("GET", v.URL()+u.Path, "", auth...); a.status != 404 {
			t.Errorf("output at the API host: got %d, want 404", a.status)
		}
		if secure && s.Requests()[0].Proto != "HTTP/2.0" {
			t.Errorf("got %s, want HTTP/2.0", s.Requests()[0].Proto)
		}
	}
}
