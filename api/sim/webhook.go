package sim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Webhooks: a goroutine for each prediction that asked for them tells its
// changes to the URL, signed, until the end is delivered.

const (
	webhookEvery   = 500 * time.Millisecond // outputs and logs are told at most this often
	webhookTimeout = 10 * time.Second
	webhookTries   = 7 // of the end, the last about a minute after the first
)

// webhookKey is the account's secret.
func (s *Sim) webhookKey() []byte {
	h := sha256.Sum256(fmt.Appendf(nil, "webhook secret %d", s.opt.Seed))
	return h[:24]
}

func webhookSecret(c *call) (*reply, *problem) {
	return success(map[string]string{"key": "whsec_" + base64.StdEncoding.EncodeToString(c.s.webhookKey())})
}

// startWebhook tells the changes of p to its URL. Call from a request: Close
// waits for the goroutine.
func (s *Sim) startWebhook(p *prediction, b bases) {
	s.wg.Go(func() {
		h := &hook{s: s, p: p, bases: b}
		h.run(s.ctx)
	})
}

type hook struct {
	s *Sim
	p *prediction
	bases
	sent int // messages
}

// wants tells whether the filter has the event. Without a filter it is
// outputs and the end.
func (h *hook) wants(p *Prediction, event string) bool {
	if len(p.WebhookEvents) == 0 {
		return event == "output" || event == "completed"
	}
	return slices.Contains(p.WebhookEvents, event)
}

func (h *hook) run(ctx context.Context) {
	var told Prediction
	for {
		is, _ := h.s.await(ctx, h.p, h.s.now().Add(time.Hour), func(p *prediction) bool {
			return p.Status != told.Status || p.Logs != told.Logs || count(p.Output) != count(told.Output)
		})
		switch {
		case ctx.Err() != nil:
			return
		case is.Status.Terminal():
			if h.wants(&is, "completed") {
				h.end(ctx, &is)
			}
			return
		case told.Status == "" && h.wants(&is, "start"),
			is.Logs != told.Logs && h.wants(&is, "logs"),
			count(is.Output) != count(told.Output) && h.wants(&is, "output"):
			if err := h.send(ctx, &is, h.next()); err != nil {
				h.s.log.Debug("webhook is not told again", "id", is.ID, "err", err)
			}
			if !sleep(ctx, webhookEvery) {
				return
			}
		}
		told = is
	}
}

// count is how much output there is.
func count(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case []any:
		return 1 + len(v)
	case string:
		return 1 + len(v)
	}
	return 1
}

// end tells the end until it is heard.
func (h *hook) end(ctx context.Context, is *Prediction) {
	id := h.next()
	wait := time.Second
	for try := range webhookTries {
		if try > 0 {
			if !sleep(ctx, wait) {
				return
			}
			wait *= 2
		}
		err := h.send(ctx, is, id)
		if err == nil {
			return
		}
		h.s.log.Debug("webhook will be told again", "id", is.ID, "try", try+1, "err", err)
	}
}

// next is the id of a message; it stays the same when it is told again.
func (h *hook) next() string {
	h.sent++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", h.p.ID, h.sent))
	return "msg_" + base62(sum[:], 27)
}

func (h *hook) send(ctx context.Context, is *Prediction, id string) error {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	u := links{
		Cancel: h.api + "/v1/predictions/" + is.ID + "/cancel",
		Get:    h.api + "/v1/predictions/" + is.ID,
		Web:    "https://replicate.com/p/" + is.ID,
	}
	row := h.s.row(is, u, h.bases, h.s.now(), false)
	delete(row.Metrics, "total_time") // recorded ones have predict_time only
	body, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode webhook: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, is.Webhook, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	at := fmt.Sprint(h.s.now().Unix())
	mac := hmac.New(sha256.New, h.s.webhookKey())
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Webhooks/1.0 (replicatefs simulator)")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	res, err := h.s.opt.WebhookClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can serve again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("webhook answered %s", res.Status)
	}
	return nil
}
