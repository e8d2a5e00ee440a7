package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// call is a request to the API on its way through a handler.
type call struct {
	s *Sim
	r *http.Request
	bases
	header http.Header // of the answer
}

// reply is what a handler answers: v as JSON, or text, or bytes, or nothing.
type reply struct {
	status int
	v      any
	text   string
	data   []byte
}

// endpoint is a row of the API: what is asked and who answers. A handler
// answers a *problem as error and nothing else.
type endpoint struct {
	pattern string // method and path below /v1
	handle  func(*call) (*reply, *problem)
	create  bool // counts against the limit of creates
	open    bool // needs no token
}

var endpoints = []endpoint{
	{pattern: "GET /account", handle: account},
	{pattern: "GET /collections", handle: listCollections},
	{pattern: "GET /collections/{slug}", handle: oneCollection},
	{pattern: "GET /deployments", handle: listDeployments},
	{pattern: "POST /deployments", handle: createDeployment},
	{pattern: "GET /deployments/{owner}/{name}", handle: oneDeployment},
	{pattern: "PATCH /deployments/{owner}/{name}", handle: updateDeployment},
	{pattern: "DELETE /deployments/{owner}/{name}", handle: deleteDeployment},
	{pattern: "POST /deployments/{owner}/{name}/predictions", handle: createByDeployment, create: true},
	{pattern: "GET /files", handle: listFiles},
	{pattern: "POST /files", handle: createFile},
	{pattern: "GET /files/{id}", handle: oneFile},
	{pattern: "DELETE /files/{id}", handle: deleteFile},
	{pattern: "GET /files/{id}/download", handle: downloadFile, open: true},
	{pattern: "GET /hardware", handle: hardware},
	{pattern: "GET /predictions", handle: listPredictions},
	{pattern: "POST /predictions", handle: createByVersion, create: true},
	{pattern: "GET /predictions/{id}", handle: onePrediction},
	{pattern: "POST /predictions/{id}/cancel", handle: cancelPrediction},
	{pattern: "GET /models", handle: listModels},
	{pattern: "POST /models", handle: createModel},
	{pattern: "QUERY /models", handle: queryModels},
	{pattern: "GET /models/{owner}/{name}", handle: oneModel},
	{pattern: "PATCH /models/{owner}/{name}", handle: updateModel},
	{pattern: "DELETE /models/{owner}/{name}", handle: deleteModel},
	{pattern: "POST /models/{owner}/{name}/predictions", handle: createByModel, create: true},
	{pattern: "GET /models/{owner}/{name}/versions", handle: listVersions},
	{pattern: "GET /models/{owner}/{name}/versions/{id}", handle: oneVersion},
	{pattern: "DELETE /models/{owner}/{name}/versions/{id}", handle: deleteVersion},
	{pattern: "POST /models/{owner}/{name}/versions/{id}/trainings", handle: createTraining, create: true},
	{pattern: "GET /models/{owner}/{name}/readme", handle: modelReadme},
	{pattern: "GET /models/{owner}/{name}/examples", handle: modelExamples},
	{pattern: "GET /search", handle: searchAll},
	{pattern: "GET /trainings", handle: listTrainings},
	{pattern: "GET /trainings/{id}", handle: oneTraining},
	{pattern: "POST /trainings/{id}/cancel", handle: cancelTraining},
	{pattern: "GET /webhooks/default/secret", handle: webhookSecret},
}

// apiRoutes is the API. What is in no row, or in one with another method, is
// an unknown route and answers 404.
func (s *Sim) apiRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range endpoints {
		method, path, _ := strings.Cut(e.pattern, " ")
		mux.HandleFunc(method+" /v1"+path, func(w http.ResponseWriter, r *http.Request) {
			s.answerAPI(w, r, e)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.answerAPI(w, r, endpoint{handle: func(*call) (*reply, *problem) { return nil, errNotFound }})
	})
	return mux
}

func (s *Sim) answerAPI(w http.ResponseWriter, r *http.Request, e endpoint) {
	h := w.Header()
	h.Set("Server", "cloudflare")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cf-Cache-Status", "DYNAMIC")
	h.Set("Strict-Transport-Security", "max-age=15552000")
	if !e.open {
		if p := s.authorize(r); p != nil {
			p.send(w)
			return
		}
		left, p := s.limiter.take(e.create, s.now())
		if left >= 0 {
			h.Set("Ratelimit-Remaining", fmt.Sprint(left))
			h.Set("Ratelimit-Reset", "1")
		}
		if p != nil {
			p.send(w)
			return
		}
	}
	out, p := e.handle(&call{s: s, r: r, bases: basesFrom(r), header: h})
	switch {
	case p != nil:
		p.send(w)
	case out == nil: // the client has left
		panic(http.ErrAbortHandler)
	case out.v != nil:
		s.sendJSON(w, r, out)
	case out.text != "":
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(out.status)
		io.WriteString(w, out.text)
	case out.data != nil:
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Length", fmt.Sprint(len(out.data)))
		w.WriteHeader(out.status)
		w.Write(out.data)
	default:
		w.WriteHeader(out.status)
	}
}

// authorize accepts the old scheme Token beside Bearer.
func (s *Sim) authorize(r *http.Request) *problem {
	auth := r.Header.Get("Authorization")
	if auth == "" {
		return errNoToken
	}
	scheme, token, _ := strings.Cut(auth, " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Token") || strings.TrimSpace(token) != s.opt.Token {
		return errBadToken
	}
	return nil
}

func (s *Sim) sendJSON(w http.ResponseWriter, r *http.Request, out *reply) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out.v); err != nil {
		s.log.Error("answer is not JSON", "path", r.URL.Path, slog.Any("err", err))
		(&problem{Title: "Internal server error", Detail: "Internal server error", Status: 500}).send(w)
		return
	}
	body := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if len(body) > 1024 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var z bytes.Buffer
		zw, _ := gzip.NewWriterLevel(&z, gzip.BestSpeed)
		zw.Write(body)
		zw.Close()
		body = z.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(out.status)
	w.Write(body)
}

func success(v any) (*reply, *problem) { return &reply{status: http.StatusOK, v: v}, nil }

// object reads the JSON object in the body. The values stay as they were
// sent: big integers, order of keys.
func (c *call) object() (map[string]json.RawMessage, *problem) {
	b, err := io.ReadAll(io.LimitReader(c.r.Body, 64<<20))
	if err != nil {
		return nil, errNotJSON
	}
	if bytes.Contains(b, []byte(c.s.opt.Token)) {
		c.s.journal.leak("api: " + c.r.Method + " " + c.r.URL.Path + " with the token in the body")
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil || m == nil {
		return nil, errNotJSON
	}
	return m, nil
}

func account(c *call) (*reply, *problem) {
	return success(c.s.user())
}

// user is the account as the API shows it.
func (s *Sim) user() any {
	return struct {
		Type     string `json:"type"`
		Username string `json:"username"`
		Name     string `json:"name"`
		GitHub   string `json:"github_url"`
		Avatar   string `json:"avatar_url"`
	}{"user", s.opt.Account, s.opt.Account, "https://github.com/" + s.opt.Account, "https://github.com/" + s.opt.Account + ".png"}
}

func hardware(c *call) (*reply, *problem) {
	type sku struct {
		Name string `json:"name"`
		SKU  string `json:"sku"`
	}
	var all []sku
	for _, h := range skus {
		all = append(all, sku{h[0], h[1]})
	}
	return success(all)
}

var skus = [][2]string{
	{"CPU", "cpu"},
	{"Nvidia T4 GPU", "gpu-t4"},
	{"Nvidia L40S GPU", "gpu-l40s"},
	{"2x Nvidia L40S GPU", "gpu-l40s-2x"},
	{"Nvidia A100 (80GB) GPU", "gpu-a100-large"},
	{"2x Nvidia A100 (80GB) GPU", "gpu-a100-large-2x"},
	{"Nvidia H100 GPU", "gpu-h100"},
}
