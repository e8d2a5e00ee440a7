package sim

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The endpoint table of the API: 37 operations. What is created on the way is
// used by those that come later.
func TestEveryEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: 20})
		trainer := s.models.named("ostris/flux-dev-lora-trainer").versions[0].id
		upscaler := s.models.named("acme/upscaler").versions[0].id
		training := s.want(200, "GET", "/trainings", "")["results"].([]any)[0].(map[string]any)
		dest := strings.SplitN(training["output"].(map[string]any)["version"].(string), ":", 2)
		file := s.upload("cat.png", "image/png", "bytes")
		id := file["id"].(string)
		until := time.Now().Add(time.Hour).Unix()
		sign := strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(s.SignDownload("demo", id, until))
		made := s.create("acme/slow", `{"seconds":600}`)["id"].(string)

		rows := []struct {
			status           int
			method, path, in string
		}{
			{200, "GET", "/account", ""},
			{200, "GET", "/collections", ""},
			{200, "GET", "/collections/text-to-image", ""},
			{200, "POST", "/deployments", `{"name":"mine","model":"acme/upscaler","version":"` + upscaler + `","hardware":"gpu-l40s","min_instances":0,"max_instances":1}`},
			{200, "GET", "/deployments", ""},
			{200, "GET", "/deployments/demo/mine", ""},
			{200, "PATCH", "/deployments/demo/mine", `{"max_instances":3}`},
			{201, "POST", "/deployments/demo/mine/predictions", `{"input":{"image":"` + tinyPNG + `"}}`},
			{204, "DELETE", "/deployments/demo/upscale-fast", ""},
			{200, "GET", "/files", ""},
			{200, "GET", "/files/" + id, ""},
			{200, "GET", fmt.Sprintf("/files/%s/download?owner=demo&expiry=%d&signature=%s", id, until, sign), ""},
			{204, "DELETE", "/files/" + id, ""},
			{200, "GET", "/hardware", ""},
			{200, "GET", "/models", ""},
			{201, "POST", "/models", `{"owner":"demo","name":"new","visibility":"private","hardware":"cpu"}`},
			{200, "QUERY", "/models", "upscale"},
			{200, "GET", "/models/demo/new", ""},
			{200, "PATCH", "/models/demo/new", `{"description":"mine"}`},
			{204, "DELETE", "/models/demo/new", ""},
			{200, "GET", "/models/" + flux + "/examples", ""},
			{201, "POST", "/models/" + flux + "/predictions", `{"input":{"prompt":"x"}}`},
			{200, "GET", "/models/" + flux + "/readme", ""},
			{200, "GET", "/models/acme/upscaler/versions", ""},
			{200, "GET", "/models/acme/upscaler/versions/" + upscaler, ""},
			{201, "POST", "/models/ostris/flux-dev-lora-trainer/versions/" + trainer + "/trainings", `{"destination":"demo/sketches","input":{"input_images":"https://example.com/a.zip"}}`},
			{202, "DELETE", "/models/" + dest[0] + "/versions/" + dest[1], ""},
			{200, "GET", "/predictions", ""},
			{201, "POST", "/predictions", `{"version":"` + upscaler + `","input":{"image":"` + tinyPNG + `"}}`},
			{200, "GET", "/predictions/" + made, ""},
			{200, "POST", "/predictions/" + made + "/cancel", ""},
			{200, "GET", "/search?query=flux", ""},
			{200, "GET", "/trainings", ""},
			{200, "GET", "/trainings/" + training["id"].(string), ""},
			{200, "POST", "/trainings/" + training["id"].(string) + "/cancel", ""},
			{200, "GET", "/webhooks/default/secret", ""},
		}
		if got := len(rows) + 1; got != 37 { // POST /files is above
			t.Errorf("the table has %d rows, want 37", got)
		}
		for _, r := range rows {
			a := s.do(r.method, r.path, r.in)
			if a.status != r.status {
				t.Errorf("%s %s: got %d, want %d\n%.300s", r.method, r.path, a.status, r.status, a.body)
			}
			if strings.HasPrefix(a.header.Get("Content-Type"), "application/json") && !json.Valid(a.body) {
				t.Errorf("%s %s: not JSON: %.300s", r.method, r.path, a.body)
			}
		}
		if got := len(endpoints); got != 37 {
			t.Errorf("%d endpoints are served, want 37", got)
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		v := s.models.named("acme/upscaler").versions[0].id
		for _, c := range []struct {
			name               string
			method, path, body string
			header             []string
			status             int
			want               string // the body, without white space at the end
		}{
			{"no token", "GET", "/account", "", []string{"Authorization", ""}, 401,
				`{"title":"Unauthenticated","detail":"You did not pass an authentication token","status":401}`},
			{"wrong token", "GET", "/account", "", []string{"Authorization", "Bearer r8_wrong"}, 401,
				`{"title":"Unauthenticated","detail":"You did not pass a valid authentication token","status":401}`},
			{"unknown prediction", "GET", "/predictions/q3v7k9x2mdrmc0cw41s8t5hzna", "", nil, 404,
				`{"detail":"The requested resource could not be found.","status":404}`},
			{"unknown route", "GET", "/nonsense", "", nil, 404,
				`{"detail":"The requested resource could not be found.","status":404}`},
			{"deleting a prediction", "DELETE", "/predictions/q3v7k9x2mdrmc0cw41s8t5hzna", "", nil, 404,
				`{"detail":"The requested resource could not be found.","status":404}`},
			{"community model by name", "POST", "/models/acme/upscaler/predictions", `{"input":{}}`, nil, 404,
				`{"detail":"The requested resource could not be found.","status":404}`},
			{"unknown version", "POST", "/predictions", `{"version":"acme/upscaler:latest","input":{}}`, nil, 422,
				`{"title":"Invalid version or not permitted","detail":"The specified version does not exist (or perhaps you don't have permission to use it?)","status":422}`},
			{"community model without version", "POST", "/predictions", `{"version":"acme/upscaler","input":{}}`, nil, 422,
				`{"title":"Invalid version or not permitted","detail":"The specified version does not exist (or perhaps you don't have permission to use it?)","status":422}`},
			{"no version", "POST", "/predictions", `{"input":{},"modell":"x"}`, nil, 422,
				`{"title":"Input validation failed","detail":"- version is required\n- Additional property modell is not allowed\n","status":422,` +
					`"invalid_fields":[{"type":"required","field":"","description":"version is required"},` +
					`{"type":"additional_property_not_allowed","field":"","description":"Additional property modell is not allowed"}]}`},
			{"input", "POST", "/models/" + flux + "/predictions", `{"input":{"num_outputs":9,"seed":"7","output_format":"gif","unknown":1}}`, nil, 422,
				`{"title":"Input validation failed","detail":"- input: prompt is required\n- input.num_outputs: Must be less than or equal to 4\n` +
					`- input.seed: Invalid type. Expected: integer, given: string\n` +
					`- input.output_format: input.output_format must be one of the following: \"webp\", \"jpg\", \"png\"\n","status":422,"invalid_fields":[` +
					`{"type":"required","field":"input","description":"prompt is required"},` +
					`{"type":"number_lte","field":"input.num_outputs","description":"Must be less than or equal to 4"},` +
					`{"type":"invalid_type","field":"input.seed","description":"Invalid type. Expected: integer, given: string"},` +
					`{"type":"enum","field":"input.output_format","description":"input.output_format must be one of the following: \"webp\", \"jpg\", \"png\""}]}`},
			{"file input", "POST", "/predictions", `{"version":"` + v + `","input":{"image":"no uri"}}`, nil, 422,
				`{"title":"Input validation failed","detail":"- input.image: Does not match format 'uri'\n","status":422,` +
					`"invalid_fields":[{"type":"format","field":"input.image","description":"Does not match format 'uri'"}]}`},
			{"no JSON", "POST", "/predictions", `{"version":`, nil, 400, `{"title":"Bad request","detail":"The request body is not a valid JSON object","status":400}`},
			{"search without query", "GET", "/search", "", nil, 400, `{"detail":"Query parameter \"query\" is required"}`},
			{"training destination", "POST", "/models/ostris/flux-dev-lora-trainer/versions/" + s.models.named("ostris/flux-dev-lora-trainer").versions[0].id + "/trainings",
				`{"destination":"demo/none","input":{"input_images":"https://example.com/a.zip"}}`, nil, 404,
				`{"detail":"The specified training destination does not exist","status":404}`},
			{"unknown file", "GET", "/files/abc", "", nil, 404, `{"detail":"File not found"}`},
		} {
			a := s.do(c.method, c.path, c.body, c.header...)
			if got := strings.TrimSuffix(string(a.body), "\n"); a.status != c.status || got != c.want {
				t.Errorf("%s: got %d %s\nwant %d %s", c.name, a.status, got, c.status, c.want)
			}
		}
		for _, c := range [][2]string{
			{"Prefer", "wait=0"}, {"Prefer", "wait=x"}, {"Cancel-After", "4"}, {"Cancel-After", "25h"}, {"Cancel-After", "soon"}, {"Cancel-After", ""},
		} {
			if c[1] == "" {
				continue
			}
			s.want(422, "POST", "/models/"+flux+"/predictions", `{"input":{"prompt":"x"}}`, c[0], c[1])
		}
		if got := s.Creates(); got != 0 {
			t.Errorf("refused requests created %d predictions", got)
		}
	})
}

func TestOldScheme(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Token: "r8_mine", Account: "ada"})
		for _, auth := range []string{"Bearer r8_mine", "Token r8_mine", "bearer r8_mine"} {
			if got := s.want(200, "GET", "/account", "", "Authorization", auth)["username"]; got != "ada" {
				t.Errorf("%s: got user %v, want ada", auth, got)
			}
		}
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Limits: Limits{Create: 6, Burst: 1, LowCredit: true}})
		path, body := "/models/"+flux+"/predictions", `{"input":{"prompt":"x"}}`
		a := s.do("POST", path, body)
		if a.status != 201 || a.header.Get("Ratelimit-Remaining") != "0" || a.header.Get("Ratelimit-Reset") != "1" {
			t.Errorf("first: got %d with %q left", a.status, a.header.Get("Ratelimit-Remaining"))
		}
		m := s.want(429, "POST", path, body)
		if m["retry_after"] != 10.0 || !strings.Contains(m["detail"].(string), "resets in ~10s.") {
			t.Errorf("second: got %v, want to be told to wait 10 s", m)
		}
		time.Sleep(10 * time.Second)
		s.want(201, "POST", path, body)
		s.SetLimits(Limits{})
		if a := s.do("POST", path, body); a.header.Get("Ratelimit-Remaining") != "599" {
			t.Errorf("usual limit: got %q left, want 599", a.header.Get("Ratelimit-Remaining"))
		}
		if a := s.do("GET", "/account", ""); a.header.Get("Ratelimit-Remaining") != "2999" {
			t.Errorf("usual limit: got %q left, want 2999", a.header.Get("Ratelimit-Remaining"))
		}
		s.SetCredit(false)
		if m := s.want(402, "POST", path, body); m["title"] != "Insufficient credit" {
			t.Errorf("without credit: got %v", m)
		}
		if got := s.Creates(); got != 3 {
			t.Errorf("got %d creates, want 3", got)
		}
	})
}

func TestSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{})
		m := s.want(200, "GET", "/search?query=upscale&limit=1", "")
		models := m["models"].([]any)
		if len(models) != 1 || m["query"] != "upscale" {
			t.Fatalf("got %d models for %v, want 1", len(models), m["query"])
		}
		if got := models[0].(map[string]any)["model"].(map[string]any)["name"]; got != "upscaler" {
			t.Errorf("got %v first, want upscaler", got)
		}
		for _, body := range []string{"fastest image", `"fastest image"`} {
			found := s.want(200, "QUERY", "/models", body)["results"].([]any)
			if len(found) == 0 || found[0].(map[string]any)["name"] != "flux-schnell" {
				t.Errorf("QUERY %s: got %d models, want flux-schnell first", body, len(found))
			}
		}
		s.want(400, "GET", "/search?query=x&limit=51", "")
	})
}

func TestModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Past: 5})
		seen := make(map[string]bool)
		for _, p := range s.walk("/models", "next") {
			if len(p) > 25 {
				t.Errorf("a page has %d models, want at most 25", len(p))
			}
			for _, m := range p {
				seen[m["owner"].(string)+"/"+m["name"].(string)] = true
			}
		}
		if len(seen) < 26 || !seen[flux] || !seen["acme/upscaler"] || seen["demo/sketches"] {
			t.Errorf("got %d models, want more than a page, and not the private one", len(seen))
		}
		own := s.want(200, "GET", "/models/demo/sketches", "")
		if own["visibility"] != "private" || own["latest_version"] == nil {
			t.Errorf("the trained model: got %v with version %v", own["visibility"], own["latest_version"])
		}
		m := s.want(200, "GET", "/models/"+flux, "")
		if m["is_official"] != true {
			t.Errorf("flux-schnell is not official")
		}
		if got := s.want(200, "GET", "/models/"+flux+"/versions", "")["results"].([]any); len(got) != 0 {
			t.Errorf("an official model shows %d versions, want none", len(got))
		}
		for _, u := range []string{m["cover_image_url"].(string), m["default_example"].(map[string]any)["output"].([]any)[0].(string)} {
			if a := s.do("GET", u, ""); a.status != 200 || a.header.Get("Content-Type") != "image/webp" {
				t.Errorf("%s: got %d %s", u, a.status, a.header.Get("Content-Type"))
			}
		}
		schemas := m["latest_version"].(map[string]any)["openapi_schema"].(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any)
		format := schemas["Input"].(map[string]any)["properties"].(map[string]any)["output_format"].(map[string]any)
		ref := format["allOf"].([]any)[0].(map[string]any)["$ref"]
		if ref != "#/components/schemas/output_format" || format["default"] != "webp" || schemas["output_format"].(map[string]any)["enum"] == nil {
			t.Errorf("output_format: got %v", format)
		}
	})
}

// Whatever is sent, the answer is one that the API gives.
func FuzzBodies(f *testing.F) {
	for _, b := range []string{"", "null", "[]", "{}", `{"input":null}`, `{"version":null,"input":{}}`, `{"owner":null,"name":null,"visibility":null,"hardware":null}`,
		`{"name":null,"model":null,"version":null,"hardware":null,"min_instances":null,"max_instances":null}`, `{"min_instances":-1}`,
		`{"input":{"prompt":null,"seed":1e999}}`, `{"version":"a/b:c","input":{}}`, `{"destination":7,"input":{}}`, `{"webhook":7,"webhook_events_filter":7,"input":7}`} {
		for i := range endpoints {
			f.Add(uint8(i), b)
		}
	}
	s := New(Options{Past: 5, Limits: Limits{Create: -1, Other: -1}})
	f.Cleanup(func() { s.Close() })
	v := s.models.named("ostris/flux-dev-lora-trainer").versions[0].id
	fill := strings.NewReplacer("{owner}", "ostris", "{name}", "flux-dev-lora-trainer", "{slug}", "official")
	f.Fuzz(func(t *testing.T, i uint8, body string) {
		method, path, _ := strings.Cut(endpoints[int(i)%len(endpoints)].pattern, " ")
		id := v
		if strings.HasPrefix(path, "/predictions") {
			id = s.predictionID(ref{kind: kindPast, n: 1})
		}
		r := httptest.NewRequest(method, "/v1"+strings.ReplaceAll(fill.Replace(path), "{id}", id), strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+DemoToken)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code == 0 {
			t.Errorf("%s %s with %q: got %d %s", method, path, body, w.Code, w.Body)
		}
	})
}
