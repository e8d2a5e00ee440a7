package api

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"iter"
	"net/http"
	"strings"
	"testing"
)

const modelJSON = `{"url":"https://replicate.com/acme/painter","owner":"acme","name":"painter","description":"Paints","visibility":"public","is_official":true,
	"github_url":null,"paper_url":"https://arxiv.org/x","license_url":null,"run_count":12345678901,"cover_image_url":"https://tjzk.replicate.delivery/c.png",
	"default_example":{"id":"ex","model":"acme/painter","status":"succeeded"},
	"latest_version":{"id":"5c7d5dc6","created_at":"2026-01-02T03:04:05.6Z","cog_version":"0.16.7","openapi_schema":{"components":{"x":9007199254740993}}}}`

func TestParseModel(t *testing.T) {
	m, err := parseModel([]byte(modelJSON))
	if err != nil {
		t.Fatal(err)
	}
	if m.Owner != "acme" || m.Name != "painter" || !m.Official || m.Runs != 12345678901 || m.PaperURL != "https://arxiv.org/x" || m.GitHubURL != "" {
		t.Errorf("got %+v", m)
	}
	if m.DefaultExample == nil || m.DefaultExample.ID != "ex" {
		t.Errorf("example %+v", m.DefaultExample)
	}
	if v := m.LatestVersion; v == nil || v.ID != "5c7d5dc6" || v.CogVersion != "0.16.7" || string(v.Schema) != `{"components":{"x":9007199254740993}}` || v.Created.IsZero() {
		t.Errorf("version %+v", v)
	}
	for _, in := range []string{
		`{"owner":"a","name":"b"}`, `{"owner":"a","name":"b","default_example":null,"latest_version":null}`,
		`{"owner":"a","name":"b","default_example":{},"latest_version":{},"run_count":"many","is_official":null,"description":7}`,
		`{"owner":"a","name":"b","default_example":"x","latest_version":[],"run_count":-3.5}`,
	} {
		m, err := parseModel([]byte(in))
		if err != nil || m.DefaultExample != nil || m.LatestVersion != nil || m.Runs != 0 {
			t.Errorf("parseModel(%s) = %+v, %v", in, m, err)
		}
	}
	for _, in := range []string{``, `{}`, `{"owner":"a"}`, `{"owner":"a","name":".."}`, `{"owner":"a/b","name":"c"}`, `[]`} {
		if m, err := parseModel([]byte(in)); err == nil {
			t.Errorf("parseModel(%s) = %+v, want an error", in, m)
		}
	}
}

func collect[T any](seq iter.Seq2[T, error]) (list []T, err error) {
	for v, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
	return list, nil
}

func TestModelCalls(t *testing.T) {
	page := func(entries string) func(w http.ResponseWriter, r *http.Request) {
		return says(200, `{"next":null,"previous":null,"results":[`+entries+`]}`)
	}
	routes := map[string]func(w http.ResponseWriter, r *http.Request){
		"GET /account":                         says(200, `{"type":"organization","username":"acme","name":"Acme","github_url":"https://github.com/acme","avatar_url":null,"x":1}`),
		"GET /models":                          page(modelJSON),
		"GET /models/acme/painter":             says(200, modelJSON),
		"GET /models/acme/painter/readme":      says(200, "# Painter\n", "Content-Type", "text/plain"),
		"GET /models/acme/painter/versions":    page(`{"id":"v2"},{"bad":1},{"id":"v1","openapi_schema":null}`),
		"GET /models/acme/painter/versions/v1": says(200, `{"id":"v1"}`),
		"GET /collections":                     page(`{"slug":"upscalers","name":"Upscalers","description":"x"}`),
		"GET /collections/upscalers":           says(200, `{"slug":"upscalers","name":"Upscalers","description":"x","full_description":"# y","models":[`+modelJSON+`,{"owner":1}]}`),
		"GET /deployments":                     page(`{"owner":"acme","name":"fast"}`),
		"GET /deployments/acme/fast": says(200, `{"owner":"acme","name":"fast","current_release":{"number":3,"model":"acme/painter","version":"5c","created_at":"2026-01-02T03:04:05Z",
			"created_by":{"type":"user","username":"jo"},"configuration":{"hardware":"gpu-t4","min_instances":1,"max_instances":5.0}}}`),
		"GET /trainings": page(`{"id":"t1","status":"succeeded"}`),
		"GET /search": func(w http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); q.Get("query") != "nano & co" || q.Get("limit") != "50" {
				t.Errorf("search query %v", q)
			}
			answer(w, 200, `{"query":"x","models":[{"model":`+modelJSON+`,"metadata":{"score":1.2}},{"model":null},5],"collections":[],"pages":null}`)
		},
	}
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		f := routes[r.Method+" "+strings.TrimPrefix(r.URL.Path, "/base/v1")]
		if f == nil {
			f = says(404, `{"detail":"The requested resource could not be found.","status":404}`)
		}
		f(w, r)
	})
	c, ctx := n.client(Options{}), t.Context()
	check := func(what string, ok bool, v any, err error) {
		t.Helper()
		if err != nil || !ok {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
	a, err := c.Account(ctx)
	check("Account", err == nil && a.Type == "organization" && a.Username == "acme" && a.GitHubURL != "" && strings.Contains(string(a.Raw), `"x":1`), a, err)
	ms, err := collect(c.Models(ctx))
	check("Models", len(ms) == 1 && ms[0].Name == "painter", ms, err)
	m, err := c.Model(ctx, "acme", "painter")
	check("Model", err == nil && m.Owner == "acme", m, err)
	readme, err := c.Readme(ctx, "acme", "painter")
	check("Readme", readme == "# Painter\n", readme, err)
	vs, err := collect(c.Versions(ctx, "acme", "painter"))
	check("Versions", len(vs) == 2 && vs[1].ID == "v1" && vs[1].Schema == nil, vs, err)
	v, err := c.Version(ctx, "acme", "painter", "v1")
	check("Version", err == nil && v.ID == "v1", v, err)
	cs, err := collect(c.Collections(ctx))
	check("Collections", len(cs) == 1 && cs[0].Slug == "upscalers", cs, err)
	col, err := c.Collection(ctx, "upscalers")
	check("Collection", err == nil && len(col.Models) == 1 && col.FullDescription == "# y", col, err)
	ds, err := collect(c.Deployments(ctx))
	check("Deployments", len(ds) == 1 && ds[0].Release.By == nil, ds, err)
	d, err := c.Deployment(ctx, "acme", "fast")
	check("Deployment", err == nil && d.Release.Number == 3 && d.Release.By.Username == "jo" && d.Release.Hardware == "gpu-t4" && d.Release.MaxInstances == 5 && !d.Release.Created.IsZero(), d, err)
	ts, err := collect(c.Trainings(ctx))
	check("Trainings", ids(ts) == "t1", ts, err)
	found, err := c.Search(ctx, "nano & co")
	check("Search", len(found) == 1 && found[0].Name == "painter", found, err)

	before := len(n.requests())
	for name, err := range map[string]error{
		"Model .":      second(c.Model(ctx, ".git", "x")),
		"Model ..":     second(c.Model(ctx, "..", "x")),
		"Model slash":  second(c.Model(ctx, "a/b", "x")),
		"Model empty":  second(c.Model(ctx, "a", "")),
		"Model space":  second(c.Model(ctx, "a", "b c")),
		"Readme":       second(c.Readme(ctx, "a", "%2e")),
		"Version":      second(c.Version(ctx, "a", "b", "../c")),
		"Collection":   second(c.Collection(ctx, ".hidden")),
		"Deployment":   second(c.Deployment(ctx, "a", "b?c")),
		"Versions":     second(collect(c.Versions(ctx, "", "b"))),
		"File":         second(c.File(ctx, "..")),
		"File control": second(c.File(ctx, "a\n")),
		"DeleteFile":   c.DeleteFile(ctx, ""),
	} {
		if !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("%s: %v, want not-exist", name, err)
		}
	}
	if _, err := c.Search(ctx, " "); !errors.Is(err, iofs.ErrInvalid) {
		t.Errorf("empty search: %v, want invalid", err)
	}
	if got := len(n.requests()) - before; got != 0 {
		t.Errorf("%d requests for names that cannot be", got)
	}
	if _, err := c.Model(ctx, "acme", "nope"); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("unknown model: %v, want not-exist", err)
	}
}

func second[T any](_ T, err error) error { return err }

// Where there is no /search, the older call with a method of its own is used.
func TestSearchFallsBack(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != "QUERY" || r.URL.Path != "/base/v1/models" {
			answer(w, 404, `{}`)
			return
		}
		if string(body) != "cats & dogs" || r.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("asked for %q as %s", body, r.Header.Get("Content-Type"))
		}
		answer(w, 200, `{"next":null,"results":[`+modelJSON+`]}`)
	})
	found, err := n.client(Options{}).Search(context.Background(), "cats & dogs")
	if err != nil || len(found) != 1 {
		t.Errorf("got %v, %v, want one model", found, err)
	}
}

func FuzzParseOthers(f *testing.F) {
	f.Add([]byte(modelJSON))
	f.Add([]byte(`{"slug":"x","models":[{}]}`))
	f.Add([]byte(`{"owner":"a","name":"b","current_release":{"configuration":7}}`))
	f.Add([]byte(`{"id":"x","size":1e99,"checksums":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if m, err := parseModel(raw); err == nil && (!validName(m.Owner) || m.Runs < 0) {
			t.Errorf("model %+v", m)
		}
		if v, err := parseFile(raw); err == nil && v.Size < -1 {
			t.Errorf("file %+v", v)
		}
		parseVersion(raw)
		parseCollection(raw)
		parseDeployment(raw)
		parseAccount(raw)
		parseSearch(raw)
	})
}
