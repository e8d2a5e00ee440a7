package sim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
)

// What can be done to models: those of the account.

// slug is what names of models and deployments may be.
var slug = regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*$`)

// texts reads the body as strings by key.
func (c *call) texts(need ...string) (map[string]*string, *problem) {
	body, p := c.object()
	if p != nil {
		return nil, p
	}
	var bad []issue
	for _, k := range need {
		if raw, ok := body[k]; !ok || string(raw) == "null" {
			bad = append(bad, issue{"required", "", k + " is required"})
		}
	}
	out := make(map[string]*string)
	for _, k := range sortedKeys(body) {
		var v *string
		if json.Unmarshal(body[k], &v) != nil {
			bad = append(bad, issue{"invalid_type", k, "Invalid type. Expected: string, given: " + jsonType(decode(body[k]))})
		} else if v != nil {
			out[k] = v
		}
	}
	return out, invalid(bad)
}

// own is the model that the path names, which must be the account's.
func (c *call) own() (*model, *problem) {
	m, p := c.model()
	if p == nil && m.owner != c.s.opt.Account {
		return nil, &problem{Title: "Forbidden", Detail: "You do not have permission to perform this action.", Status: http.StatusForbidden}
	}
	return m, p
}

func createModel(c *call) (*reply, *problem) {
	t, p := c.texts("owner", "name", "visibility", "hardware")
	if p != nil {
		return nil, p
	}
	var bad []issue
	if *t["owner"] != c.s.opt.Account {
		bad = append(bad, issue{"enum", "owner", "owner must be the account of the token"})
	}
	if !slug.MatchString(*t["name"]) {
		bad = append(bad, issue{"pattern", "name", "Does not match pattern '" + slug.String() + "'"})
	}
	if v := *t["visibility"]; v != "public" && v != "private" {
		bad = append(bad, issue{"enum", "visibility", `visibility must be one of the following: "public", "private"`})
	}
	if !slices.ContainsFunc(skus, func(s [2]string) bool { return s[1] == *t["hardware"] }) {
		bad = append(bad, issue{"enum", "hardware", "hardware must be one of the SKUs of GET /hardware"})
	}
	if p := invalid(bad); p != nil {
		return nil, p
	}
	m := &model{owner: *t["owner"], name: *t["name"], private: *t["visibility"] == "private", made: c.s.now(), out: urisOut,
		fields: fluxFields(50), run: runImages("out-%d"), sample: samplePrompt, own: true}
	m.edit(t)
	cat := c.s.models
	cat.mu.Lock()
	defer cat.mu.Unlock()
	if cat.byName[m.fullName()] != nil {
		return nil, refused("A model with that name and owner already exists")
	}
	cat.addLocked(m)
	return &reply{status: http.StatusCreated, v: c.s.modelShape(m, c.bases)}, nil
}

func updateModel(c *call) (*reply, *problem) {
	m, p := c.own()
	if p != nil {
		return nil, p
	}
	t, p := c.texts()
	if p != nil {
		return nil, p
	}
	c.s.models.mu.Lock()
	defer c.s.models.mu.Unlock()
	m.edit(t)
	return success(c.s.modelShape(m, c.bases))
}

func (m *model) edit(t map[string]*string) {
	set(&m.about, t["description"])
	set(&m.readme, t["readme"])
	set(&m.github, t["github_url"])
	set(&m.paper, t["paper_url"])
	set(&m.weights, t["weights_url"])
	set(&m.license, t["license_url"])
}

// deleteModel is for private models without versions.
func deleteModel(c *call) (*reply, *problem) {
	m, p := c.own()
	if p != nil {
		return nil, p
	}
	cat := c.s.models
	cat.mu.Lock()
	defer cat.mu.Unlock()
	if !m.private || len(m.versions) > 0 {
		return nil, &problem{Title: "Forbidden", Detail: "Only private models without versions can be deleted.", Status: http.StatusForbidden}
	}
	delete(cat.byName, m.fullName())
	m.gone = true // its place in the list keeps the numbers of the others
	return &reply{status: http.StatusNoContent}, nil
}

// deleteVersion answers 202: at Replicate the work is queued.
func deleteVersion(c *call) (*reply, *problem) {
	m, p := c.own()
	if p != nil {
		return nil, p
	}
	cat := c.s.models
	cat.mu.Lock()
	defer cat.mu.Unlock()
	v := m.version(c.r.PathValue("id"))
	if v == nil {
		return nil, errNotFound
	}
	if !m.private {
		return nil, &problem{Title: "Forbidden", Detail: "Only versions of private models can be deleted.", Status: http.StatusForbidden}
	}
	id := v.id
	delete(cat.byID, id)
	m.versions = slices.DeleteFunc(slices.Clone(m.versions), func(v version) bool { return v.id == id })
	return &reply{status: http.StatusAccepted}, nil
}
