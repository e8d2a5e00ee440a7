package sim

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
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
	s.c, s.api = &http.Client{Transport: tr}, v.BaseURL()
	return s, v
}

func TestServeTwoHosts(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s, v := serve(t, Options{Speed: Instant, TLS: secure})
		made := s.create(flux, `{"prompt":"x"}`)
		get := made["urls"].(map[string]any)["get"].(string)
		if !strings.HasPrefix(get, v.BaseURL()+"/predictions/") {
			t.Errorf("urls.get: got %s, want it below %s", get, v.BaseURL())
		}
		p := s.want(200, "GET", get, "")
		out := p["output"].([]any)[0].(string)
		u, err := url.Parse(out)
		if err != nil || u.Host != v.OutputHost() {
			t.Errorf("output: got %s, want it at %s", out, v.OutputHost())
		}
		if a := s.do("GET", out, ""); a.status != 200 {
			t.Errorf("output: got %d, want 200", a.status)
		}
		if a := s.do("GET", v.URL()+u.Path, "", "Authorization", "Bearer "+DemoToken); a.status != 404 {
			t.Errorf("output at the API host: got %d, want 404", a.status)
		}
		if secure && s.Requests()[0].Proto != "HTTP/2.0" {
			t.Errorf("got %s, want HTTP/2.0", s.Requests()[0].Proto)
		}
	}
}

// Close ends what waits, and nothing comes after it.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		s.Inject(Fault{Host: Delivery, StallAfter: 10})
		u := s.put(NewFile("a.bin", make([]byte, 1000)))[0]
		slow := `{"version":"` + s.models.named("acme/slow").versions[0].id + `","input":{"seconds":600}}`
		ended := make(chan error, 4)
		for _, ask := range []func() (*answered, error){
			func() (*answered, error) { return s.try("GET", u, "") },
			func() (*answered, error) { return s.try("POST", "/predictions", slow, "Prefer", "wait") },
			func() (*answered, error) { return s.try("GET", streamOf(s.create("acme/puppet", "{}")), "") },
		} {
			go func() {
				a, err := ask()
				if err == nil && a.status < 300 {
					err = errors.ErrUnsupported
				}
				ended <- err
			}()
		}
		synctest.Wait()
		s.Close()
		for range 3 {
			if err := <-ended; err == errors.ErrUnsupported {
				t.Error("a request was answered in full")
			}
		}
		if _, err := s.try("GET", "/account", ""); err == nil {
			t.Error("the world answers after Close")
		}
	})
}

func TestCloseListeners(t *testing.T) {
	s, v := serve(t, Options{})
	s.want(200, "GET", "/account", "")
	s.Close()
	if _, err := s.try("GET", "/account", ""); err == nil {
		t.Error("the API answers after Close")
	}
	if _, err := s.try("GET", "http://"+v.OutputHost()+"/", ""); err == nil {
		t.Error("the delivery host answers after Close")
	}
	if _, err := s.Serve(t.Context(), "127.0.0.1:0"); err == nil {
		t.Error("Serve works after Close")
	}
	ctx, cancel := context.WithCancel(t.Context())
	o := New(Options{})
	defer o.Close()
	w, err := o.Serve(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	w.wg.Wait() // the end of ctx ends the listeners
}
