package sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// heard is a webhook that arrived.
type heard struct {
	at     time.Time
	header http.Header
	body   []byte
}

// webhookServer stands for the server of a webhook.
type webhookServer struct {
	mu    sync.Mutex
	heard []heard
	deny  int // how many it refuses
}

func (e *webhookServer) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, heard{time.Now(), r.Header, b})
	status := 204
	if e.deny > 0 {
		e.deny--
		status = 503
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: http.NoBody, Request: r}, nil
}

func TestWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &webhookServer{}
		s := open(t, Options{WebhookClient: &http.Client{Transport: e}})
		secret := s.want(200, "GET", "/webhooks/default/secret", "")["key"].(string)
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		s.want(201, "POST", "/models/"+flux+"/predictions",
			`{"input":{"prompt":"x"},"webhook":"https://example.com/hook?id=7","webhook_events_filter":["start","output","completed"]}`)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		var status []string
		for _, h := range e.heard {
			var p map[string]any
			if err := json.Unmarshal(h.body, &p); err != nil {
				t.Fatal(err)
			}
			status = append(status, p["status"].(string))
			m := hmac.New(sha256.New, key)
			io.WriteString(m, h.header.Get("Webhook-Id")+"."+h.header.Get("Webhook-Timestamp")+"."+string(h.body))
			if want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)); h.header.Get("Webhook-Signature") != want {
				t.Errorf("signature: got %s, want %s", h.header.Get("Webhook-Signature"), want)
			}
			if p["webhook"] != "https://example.com/hook?id=7" {
				t.Errorf("got webhook %v", p["webhook"])
			}
		}
		if n := len(status); n < 2 || status[0] != "starting" || status[n-1] != "succeeded" {
			t.Errorf("heard %v, want starting to succeeded", status)
		}
		for i := 1; i < len(e.heard)-1; i++ {
			if d := e.heard[i].at.Sub(e.heard[i-1].at); d < 500*time.Millisecond {
				t.Errorf("two within %v", d)
			}
		}

		// The end is told again until it is heard, in the same message.
		e.heard, e.deny = nil, 3
		s.want(201, "POST", "/models/"+flux+"/predictions", `{"input":{"prompt":"x"},"webhook":"https://example.com/hook","webhook_events_filter":["completed"]}`)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(e.heard) != 4 {
			t.Fatalf("told %d times, want 4", len(e.heard))
		}
		for i, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second} {
			if i == 0 {
				continue
			}
			if got := e.heard[i].at.Sub(e.heard[i-1].at); got != want || e.heard[i].header.Get("Webhook-Id") != e.heard[0].header.Get("Webhook-Id") {
				t.Errorf("try %d: after %v, want %v, of the same id", i+1, got, want)
			}
		}
		s.want(422, "POST", "/models/"+flux+"/predictions", `{"input":{"prompt":"x"},"webhook":"http://example.com/hook"}`)
		s.want(422, "POST", "/models/"+flux+"/predictions", `{"input":{"prompt":"x"},"webhook":"https://example.com","webhook_events_filter":["end"]}`)
	})
}
