package sim

import (
	"net/http"
	"slices"
	"time"
)

// modelShape is a model as the API shows it.
type modelShape struct {
	URL      string  `json:"url"`
	Owner    string  `json:"owner"`
	Name     string  `json:"name"`
	About    *string `json:"description"`
	Visible  string  `json:"visibility"`
	Official bool    `json:"is_official"`
	GitHub   *string `json:"github_url"`
	Paper    *string `json:"paper_url"`
	License  *string `json:"license_url"`
	Weights  *string `json:"weights_url"`
	Runs     int     `json:"run_count"`
	Cover    *string `json:"cover_image_url"`
	Example  any     `json:"default_example"`
	Latest   any     `json:"latest_version"`
	Created  string  `json:"created_at"`
}

// versionShape is a version as the API shows it.
type versionShape struct {
	ID      string         `json:"id"`
	Created string         `json:"created_at"`
	Cog     string         `json:"cog_version"`
	Schema  map[string]any `json:"openapi_schema"`
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// modelShape is called with the catalog locked.
func (s *Sim) modelShape(m *model, b bases) *modelShape {
	v := &modelShape{
		URL: "https://replicate.com/" + m.fullName(), Owner: m.owner, Name: m.name, About: orNull(m.about), Visible: "public",
		Official: m.official, GitHub: orNull(m.github), Paper: orNull(m.paper), License: orNull(m.license), Weights: orNull(m.weights),
		Runs: m.runs, Created: rowTime(m.made),
	}
	if m.private {
		v.Visible = "private"
	}
	if f := s.coverOf(m); f != nil {
		u := b.url(f)
		v.Cover = &u
	}
	if m.example != nil {
		v.Example = s.example(m, b)
	}
	if len(m.versions) > 0 {
		v.Latest = m.shape(&m.versions[0])
	}
	return v
}

func (m *model) shape(v *version) *versionShape {
	return &versionShape{ID: v.id, Created: rowTime(v.created), Cog: v.cog, Schema: document(m.fields, m.out, m.train)}
}

// model finds the model that the path names.
func (c *call) model() (*model, *problem) {
	m := c.s.models.named(c.r.PathValue("owner") + "/" + c.r.PathValue("name"))
	if m == nil {
		return nil, errNotFound
	}
	return m, nil
}

func oneModel(c *call) (*reply, *problem) {
	c.s.settleTrainings()
	m, p := c.model()
	if p != nil {
		return nil, p
	}
	return success(c.s.lockedShape(m, c.bases))
}

// lockedShape locks the catalog.
func (s *Sim) lockedShape(m *model, b bases) *modelShape {
	s.models.mu.Lock()
	defer s.models.mu.Unlock()
	return s.modelShape(m, b)
}

// public are the models that everybody sees.
func (c *catalog) public() []*model {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.list), func(m *model) bool { return m.private || m.gone })
}

// listModels shows the public models, the one with the newest version first.
func listModels(c *call) (*reply, *problem) {
	q := c.r.URL.Query()
	by, dir := q.Get("sort_by"), q.Get("sort_direction")
	if by != "" && by != "latest_version_created_at" && by != "model_created_at" {
		return nil, refused("sort_by must be latest_version_created_at or model_created_at")
	}
	if dir != "" && dir != "asc" && dir != "desc" {
		return nil, refused("sort_direction must be asc or desc")
	}
	when := func(m *model) time.Time {
		if by == "model_created_at" || len(m.versions) == 0 {
			return m.made
		}
		return m.versions[0].created
	}
	list := c.s.models.public()
	cat := c.s.models
	cat.mu.Lock()
	defer cat.mu.Unlock()
	slices.SortStableFunc(list, func(a, b *model) int {
		if dir == "asc" {
			a, b = b, a
		}
		return when(b).Compare(when(a))
	})
	return c.paged(len(list), 25, func(i int) any { return c.s.modelShape(list[i], c.bases) })
}

// paged is a page of a short list that is there as a whole.
func (c *call) paged(n, size int, item func(int) any) (*reply, *problem) {
	cur, good := parseCursor(c.r.URL.Query().Get("cursor"))
	if !good || cur.reverse || !cur.position.IsZero() {
		return nil, &problem{Detail: "Invalid cursor", Status: http.StatusNotFound}
	}
	from := min(cur.offset, n)
	to := min(from+size, n)
	out := page{Results: make([]any, 0, to-from)}
	for i := from; i < to; i++ {
		out.Results = append(out.Results, item(i))
	}
	if to < n {
		out.Next = c.pageURL(&cursor{offset: to})
	}
	if from > 0 {
		out.Previous = c.pageURL(&cursor{offset: max(0, from-size)})
	}
	return success(out)
}

// listVersions is empty for official models: they hide theirs.
func listVersions(c *call) (*reply, *problem) {
	c.s.settleTrainings()
	m, p := c.model()
	if p != nil {
		return nil, p
	}
	c.s.models.mu.Lock()
	defer c.s.models.mu.Unlock()
	n := len(m.versions)
	if m.official {
		n = 0
	}
	return c.paged(n, 25, func(i int) any { return m.shape(&m.versions[i]) })
}

func oneVersion(c *call) (*reply, *problem) {
	c.s.settleTrainings()
	m, p := c.model()
	if p != nil {
		return nil, p
	}
	c.s.models.mu.Lock()
	defer c.s.models.mu.Unlock()
	v := m.version(c.r.PathValue("id"))
	if v == nil || m.official {
		return nil, errNotFound
	}
	return success(m.shape(v))
}

func modelReadme(c *call) (*reply, *problem) {
	m, p := c.model()
	if p != nil {
		return nil, p
	}
	c.s.models.mu.Lock()
	defer c.s.models.mu.Unlock()
	if m.readme == "" {
		return nil, errNotFound
	}
	return &reply{status: http.StatusOK, text: m.readme}, nil
}

func modelExamples(c *call) (*reply, *problem) {
	m, p := c.model()
	if p != nil {
		return nil, p
	}
	n := 0
	if m.example != nil {
		n = 1
	}
	c.s.models.mu.Lock()
	defer c.s.models.mu.Unlock()
	return c.paged(n, pageSize, func(int) any { return c.s.example(m, c.bases) })
}
