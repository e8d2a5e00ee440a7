package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// order is a request to run something, checked.
type order struct {
	model      *model
	version    string
	deployment string
	input      json.RawMessage
	files      inputs
	webhook    string
	events     []string
	after      time.Duration // Cancel-After; 0 is none
	wait       time.Duration // Prefer: wait; 0 is none
	dest       *model        // of a training; nil makes a prediction
}

func createByVersion(c *call) (*reply, *problem) {
	body, p := c.object()
	if p != nil {
		return nil, p
	}
	o, in, p := c.order(body, "version")
	if p != nil {
		return nil, p
	}
	var v string
	if json.Unmarshal(body["version"], &v) != nil {
		return nil, invalid([]issue{{"invalid_type", "version", "Invalid type. Expected: string, given: " + jsonType(decode(body["version"]))}})
	}
	if o.model, o.version = c.s.models.resolve(v); o.model == nil {
		return nil, errVersion
	}
	return c.create(o, in)
}

// createByModel is for official models only: others must be asked for by
// version.
func createByModel(c *call) (*reply, *problem) {
	m := c.s.models.named(c.r.PathValue("owner") + "/" + c.r.PathValue("name"))
	if m == nil || !m.official {
		return nil, errNotFound
	}
	body, p := c.object()
	if p != nil {
		return nil, p
	}
	o, in, p := c.order(body)
	if p != nil {
		return nil, p
	}
	o.model, o.version = m, m.latest()
	return c.create(o, in)
}

// order reads what all creates have in common. The keys in need must be in
// the body beside input; unknown ones must not.
func (c *call) order(body map[string]json.RawMessage, need ...string) (*order, map[string]json.RawMessage, *problem) {
	var bad []issue
	for _, k := range append(need, "input") {
		if _, ok := body[k]; !ok {
			bad = append(bad, issue{"required", "", k + " is required"})
		}
	}
	known := append([]string{"input", "webhook", "webhook_events_filter", "stream"}, need...)
	for _, k := range sortedKeys(body) {
		if !slices.Contains(known, k) {
			bad = append(bad, issue{"additional_property_not_allowed", "", fmt.Sprintf("Additional property %s is not allowed", k)})
		}
	}
	var in map[string]json.RawMessage
	if raw, ok := body["input"]; ok && (json.Unmarshal(raw, &in) != nil || in == nil) {
		bad = append(bad, issue{"invalid_type", "input", "Invalid type. Expected: object, given: " + jsonType(decode(raw))})
	}
	o := &order{input: body["input"]}
	if raw, ok := body["webhook"]; ok && string(raw) != "null" {
		if json.Unmarshal(raw, &o.webhook) != nil || !webhookURL(o.webhook) {
			bad = append(bad, issue{"format", "webhook", "webhook must be an HTTPS URL"})
		}
	}
	if raw, ok := body["webhook_events_filter"]; ok {
		if json.Unmarshal(raw, &o.events) != nil {
			bad = append(bad, issue{"invalid_type", "webhook_events_filter", "Invalid type. Expected: array, given: " + jsonType(decode(raw))})
		}
		for i, e := range o.events {
			if !slices.Contains([]string{"start", "output", "logs", "completed"}, e) {
				f := fmt.Sprintf("webhook_events_filter.%d", i)
				bad = append(bad, issue{"enum", f, f + ` must be one of the following: "start", "output", "logs", "completed"`})
			}
		}
	}
	if p := invalid(bad); p != nil {
		return nil, nil, p
	}
	var p *problem
	if o.wait, p = preferWait(c.r.Header); p != nil {
		return nil, nil, p
	}
	if h := c.r.Header.Get("Cancel-After"); h != "" {
		if o.after, p = cancelAfter(h); p != nil {
			return nil, nil, p
		}
	}
	return o, in, nil
}

// webhookURL accepts https, and plain http to this machine: the world may be
// a demo.
func webhookURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()))
}

var (
	waitForm  = regexp.MustCompile(`^wait(=([1-9]|[1-9][0-9]|60))?$`) // as in the API description
	afterForm = regexp.MustCompile(`^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$`)
)

// preferWait reads the Prefer header. The description's pattern lets pass
// more than the 60 seconds that it allows; they count as 60.
func preferWait(h http.Header) (time.Duration, *problem) {
	for part := range strings.SplitSeq(h.Get("Prefer"), ",") {
		part = strings.TrimSpace(part)
		if !strings.HasPrefix(part, "wait") {
			continue // preferences that nobody knows are to be ignored
		}
		m := waitForm.FindStringSubmatch(part)
		if m == nil {
			return 0, refused("The Prefer header must be wait or wait=n with n from 1 to 60")
		}
		n := 60
		if m[2] != "" {
			n, _ = strconv.Atoi(m[2])
		}
		return time.Duration(min(n, 60)) * time.Second, nil
	}
	return 0, nil
}

func cancelAfter(h string) (time.Duration, *problem) {
	m := afterForm.FindStringSubmatch(strings.TrimSpace(h))
	if m == nil || m[0] == "" {
		return 0, refused("The Cancel-After header must be a duration such as 90, 90s, 5m or 1h30m45s")
	}
	var d time.Duration
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		n, _ := strconv.ParseInt("0"+m[i+1], 10, 64)
		d += time.Duration(min(n, math.MaxInt32)) * unit
	}
	if d < 5*time.Second || d > 24*time.Hour {
		return 0, refused("The Cancel-After header must be from 5 seconds to 24 hours")
	}
	return d, nil
}

// create starts the run and holds the answer as long as was asked for.
func (c *call) create(o *order, in map[string]json.RawMessage) (*reply, *problem) {
	if p := invalid(check(o.model.fields, in)); p != nil {
		return nil, p
	}
	s := c.s
	o.files = s.inputs(o.model.fields, o.input)
	p, first, bad := s.begin(o)
	if bad != nil {
		return nil, bad
	}
	s.log.Info("prediction created", "id", p.ID, "model", p.Model)
	if o.webhook != "" {
		s.startWebhook(p, c.bases)
	}
	if o.wait == 0 {
		return &reply{status: http.StatusCreated, v: s.shape(&first, p.stream, c.bases, false)}, nil
	}
	c.header.Set("Preference-Applied", c.r.Header.Get("Prefer"))
	now, done := s.await(c.r.Context(), p, first.CreatedAt.Add(o.wait), (*prediction).outputDoneLocked)
	if c.r.Context().Err() != nil {
		return nil, nil // the client has left; the run goes on
	}
	status := http.StatusCreated
	if !done {
		status = s.opt.WaitExpired
	}
	return &reply{status: status, v: s.shape(&now, p.stream, c.bases, false)}, nil
}

// begin buys a run. It answers also what it looked like at that moment.
func (s *Sim) begin(o *order) (*prediction, Prediction, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broke {
		return nil, Prediction{}, errNoCredit
	}
	if o.dest == nil {
		s.creates++
	}
	p := s.enterLocked(o, s.now())
	s.wakeLocked()
	return p, p.Prediction, nil
}

// enterLocked enters a run that was created at some time into the account.
func (s *Sim) enterLocked(o *order, at time.Time) *prediction {
	s.seq++
	p := &prediction{ref: ref{kind: kindLive, n: s.seq}, Prediction: Prediction{
		Model: o.model.fullName(), Version: o.version, Deployment: o.deployment,
		Source: "api", Status: Starting, Input: o.input, CreatedAt: at,
		Webhook: o.webhook, WebhookEvents: o.events, Streams: o.model.streams && o.dest == nil,
	}}
	if o.dest != nil {
		p.Training, p.dest, p.ref.kind = true, o.dest, kindTraining
	}
	p.ID = s.predictionID(p.ref)
	if o.after > 0 {
		p.Deadline = at.Add(o.after)
	}
	if o.dest != nil {
		p.script = trainingScript(s.job(o.model.train, p.ID, o.input, o.files, at), o.dest)
	} else {
		p.script = s.script(o.model, p.ID, o.input, o.files, at)
	}
	if !o.model.literal {
		p.script.speed(s.opt.Speed)
	}
	s.keepLocked(p)
	return p
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
