package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// deployment is a model that an account keeps ready under a name of its own.
type deployment struct {
	name     string
	release  int
	model    *model
	version  string
	hardware string
	least    int // instances
	most     int
	released time.Time
	used     time.Time // when it was last created, changed or run
}

type deploymentShape struct {
	Owner   string       `json:"owner"`
	Name    string       `json:"name"`
	Current releaseShape `json:"current_release"`
}

type releaseShape struct {
	Number  int                `json:"number"`
	Model   string             `json:"model"`
	Version string             `json:"version"`
	Created string             `json:"created_at"`
	By      any                `json:"created_by"`
	Config  configurationShape `json:"configuration"`
}

type configurationShape struct {
	Hardware string `json:"hardware"`
	Least    int    `json:"min_instances"`
	Most     int    `json:"max_instances"`
}

func (s *Sim) deploymentShape(d *deployment) *deploymentShape {
	return &deploymentShape{s.opt.Account, d.name, releaseShape{
		Number: d.release, Model: d.model.fullName(), Version: d.version, Created: rowTime(d.released), By: s.user(),
		Config: configurationShape{d.hardware, d.least, d.most},
	}}
}

// idleBeforeDelete is how long a deployment must have done nothing.
const idleBeforeDelete = 15 * time.Minute

// deploymentBody is what create and update take; nil is what was not sent.
type deploymentBody struct {
	Name     *string `json:"name"`
	Model    *string `json:"model"`
	Version  *string `json:"version"`
	Hardware *string `json:"hardware"`
	Least    *int    `json:"min_instances"`
	Most     *int    `json:"max_instances"`
}

// deploymentBody reads and checks the body; in need are the required keys.
func (c *call) deploymentBody(need ...string) (*deploymentBody, *problem) {
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
	var b deploymentBody
	raw, _ := json.Marshal(body)
	if err := json.Unmarshal(raw, &b); err != nil {
		bad = append(bad, issue{"invalid_type", "", err.Error()})
	}
	within := func(key string, n *int, most int) {
		switch {
		case n == nil:
		case *n < 0:
			bad = append(bad, issue{"number_gte", key, "Must be greater than or equal to 0"})
		case *n > most:
			bad = append(bad, issue{"number_lte", key, fmt.Sprintf("Must be less than or equal to %d", most)})
		}
	}
	within("min_instances", b.Least, 5)
	within("max_instances", b.Most, 20)
	if b.Hardware != nil && !slices.ContainsFunc(skus, func(s [2]string) bool { return s[1] == *b.Hardware }) {
		bad = append(bad, issue{"enum", "hardware", "hardware must be one of the SKUs of GET /hardware"})
	}
	if p := invalid(bad); p != nil {
		return nil, p
	}
	return &b, nil
}

// deployment finds the one that the path names.
func (c *call) deployment() (*deployment, *problem) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	i := slices.IndexFunc(c.s.deploys, func(d *deployment) bool { return d.name == c.r.PathValue("name") })
	if i < 0 || c.r.PathValue("owner") != c.s.opt.Account {
		return nil, errNotFound
	}
	return c.s.deploys[i], nil
}

func listDeployments(c *call) (*reply, *problem) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	list := c.s.deploys
	return c.paged(len(list), pageSize, func(i int) any { return c.s.deploymentShape(list[i]) })
}

func oneDeployment(c *call) (*reply, *problem) {
	d, p := c.deployment()
	if p != nil {
		return nil, p
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return success(c.s.deploymentShape(d))
}

// createDeployment answers 200, not 201.
func createDeployment(c *call) (*reply, *problem) {
	b, p := c.deploymentBody("name", "model", "version", "hardware", "min_instances", "max_instances")
	if p != nil {
		return nil, p
	}
	m := c.s.models.named(*b.Model)
	if m == nil || !c.s.models.has(m, *b.Version) {
		return nil, errVersion
	}
	if !slug.MatchString(*b.Name) {
		return nil, invalid([]issue{{"pattern", "name", "Does not match pattern '" + slug.String() + "'"}})
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.deploys, func(d *deployment) bool { return d.name == *b.Name }) {
		return nil, refused("A deployment with that name and owner already exists")
	}
	d := &deployment{name: *b.Name, model: m, version: *b.Version, hardware: *b.Hardware, least: *b.Least, most: *b.Most}
	d.renew(s.now())
	s.deploys = append(s.deploys, d)
	return success(s.deploymentShape(d))
}

// renew makes another release.
func (d *deployment) renew(now time.Time) {
	d.release++
	d.released, d.used = now, now
}

func updateDeployment(c *call) (*reply, *problem) {
	d, p := c.deployment()
	if p != nil {
		return nil, p
	}
	b, p := c.deploymentBody()
	if p != nil {
		return nil, p
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Version != nil && !s.models.has(d.model, *b.Version) {
		return nil, errVersion
	}
	set(&d.version, b.Version)
	set(&d.hardware, b.Hardware)
	set(&d.least, b.Least)
	set(&d.most, b.Most)
	d.renew(s.now())
	return success(s.deploymentShape(d))
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func deleteDeployment(c *call) (*reply, *problem) {
	d, p := c.deployment()
	if p != nil {
		return nil, p
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(d.used.Add(idleBeforeDelete)) {
		return nil, &problem{Title: "Bad request", Status: http.StatusBadRequest,
			Detail: "Deployments can only be deleted when they have been offline and unused for at least 15 minutes."}
	}
	s.deploys = slices.DeleteFunc(s.deploys, func(o *deployment) bool { return o == d })
	return &reply{status: http.StatusNoContent}, nil
}

func createByDeployment(c *call) (*reply, *problem) {
	d, p := c.deployment()
	if p != nil {
		return nil, p
	}
	body, p := c.object()
	if p != nil {
		return nil, p
	}
	o, in, p := c.order(body)
	if p != nil {
		return nil, p
	}
	c.s.mu.Lock()
	d.used = c.s.now()
	o.model, o.version, o.deployment = d.model, d.version, c.s.opt.Account+"/"+d.name
	c.s.mu.Unlock()
	return c.create(o, in)
}
