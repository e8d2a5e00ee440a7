package sim

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// model is a model and what it does.
type model struct {
	index       uint64 // in the catalog
	owner, name string
	about       string
	official    bool
	private     bool
	own         bool // made by the account
	gone        bool // deleted
	tags        []string
	fields      []field
	train       []field // inputs of its trainings; nil if it has none
	out         output
	streams     bool
	literal     bool      // its times are told by its input: Options.Speed leaves them alone
	versions    []version // newest first; official models show none
	runs        int
	made        time.Time
	github      string
	paper       string
	license     string
	weights     string
	readme      string
	example     map[string]any                  // input of the default example; nil is none
	sample      func(*rand.Rand) map[string]any // an input as somebody might have sent it
	run         func(*job) script
}

type version struct {
	id      string
	created time.Time
	cog     string
}

// job is one run on its way to becoming a script.
type job struct {
	s      *Sim
	id     string         // of the prediction
	input  map[string]any // with defaults
	files  inputs
	random *rand.Rand // the same for the same input and prediction
	now    time.Time
}

func (j *job) text(name string) string {
	t, _ := j.input[name].(string)
	return t
}

func (j *job) number(name string) float64 {
	switch n := j.input[name].(type) {
	case json.Number:
		f, _ := n.Float64()
		return f
	case float64:
		return n
	case int:
		return float64(n)
	}
	return 0
}

func (j *job) int(name string) int { return int(j.number(name)) }

// fullName is "owner/name".
func (m *model) fullName() string { return m.owner + "/" + m.name }

// latest is the version of new predictions: official models hide theirs.
func (m *model) latest() string {
	if m.official || len(m.versions) == 0 {
		return "hidden"
	}
	return m.versions[0].id
}

// defaults is an input with the defaults of the fields that it lacks.
func defaults(fields []field, in map[string]any) map[string]any {
	out := make(map[string]any, len(in)+len(fields))
	for _, f := range fields {
		if f.def != nil {
			out[f.name] = f.def
		}
	}
	for k, v := range in {
		out[k] = v
	}
	return out
}

// script has the model run on an input, whose files are there already.
func (s *Sim) script(m *model, id string, raw []byte, files inputs, now time.Time) *script {
	c := m.run(s.job(m.fields, id, raw, files, now))
	return &c
}

func (s *Sim) job(fields []field, id string, raw []byte, files inputs, now time.Time) *job {
	in, _ := decode(raw).(map[string]any)
	return &job{s: s, id: id, input: defaults(fields, in), files: files, now: now, random: random(s.number("run", id))}
}

// catalog is all models there are. The models themselves do not change, but
// for those of the account.
type catalog struct {
	mu     sync.Mutex // guards all below, and what can change of the models
	list   []*model
	byName map[string]*model
	byID   map[string]*model // by version id
}

func newCatalog(s *Sim) *catalog {
	c := &catalog{byName: make(map[string]*model), byID: make(map[string]*model)}
	for i, m := range builtin() {
		h := s.number("model", m.fullName())
		if m.made.IsZero() {
			m.made = s.start.AddDate(0, 0, -200-7*i).Add(-time.Duration(h % uint64(24*time.Hour))).Truncate(time.Microsecond)
		}
		m.runs = int(h>>40) * (1 + int(h%40))
		for k := range m.versions {
			v := &m.versions[k]
			v.id = hexID(m.fullName() + v.cog + string(rune('a'+k)))
			v.created = m.made.AddDate(0, 0, 30*(len(m.versions)-1-k))
		}
		c.addLocked(m)
	}
	return c
}

// addLocked enters a model; before anybody else knows c the lock is not
// needed.
func (c *catalog) addLocked(m *model) {
	m.index = uint64(len(c.list))
	c.list = append(c.list, m)
	c.byName[m.fullName()] = m
	for _, v := range m.versions {
		c.byID[v.id] = m
	}
}

func (c *catalog) named(name string) *model {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byName[name]
}

func (c *catalog) at(i uint64) *model {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i >= uint64(len(c.list)) {
		return nil
	}
	return c.list[i]
}

func (c *catalog) versionOf(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.byName[name]; m != nil {
		return m.latest()
	}
	return hexID(name)
}

// resolve finds the model that a version stands for: owner/name of an
// official one, owner/name:id, or id.
func (c *catalog) resolve(v string) (*model, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, id, long := strings.Cut(v, ":")
	if !long && strings.Contains(v, "/") {
		if m := c.byName[v]; m != nil && m.official {
			return m, "hidden"
		}
		return nil, ""
	}
	if !long {
		name, id = "", v
	}
	m := c.byID[id]
	if m == nil || long && m.fullName() != name {
		return nil, ""
	}
	return m, id
}

// versions are a model's, newest first.
func (c *catalog) versions(m *model) []version {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.versions
}

// has tells whether a model has a version.
func (c *catalog) has(m *model, version string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.version(version) != nil
}

// version is one of the model's versions; call with the catalog locked.
func (m *model) version(id string) *version {
	i := slices.IndexFunc(m.versions, func(v version) bool { return v.id == id })
	if i < 0 {
		return nil
	}
	return &m.versions[i]
}
