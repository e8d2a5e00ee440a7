package api

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// Deployment is a model that somebody keeps ready on hardware of their choice.
type Deployment struct {
	Owner, Name string
	Release     Release
	Raw         json.RawMessage // exactly as received
}

// Release is what a deployment runs now.
type Release struct {
	Number                     int64
	Model                      string // owner/name
	Version                    string
	Created                    time.Time
	By                         *Account // nil when not told
	Hardware                   string   // SKU
	MinInstances, MaxInstances int64
}

// Deployments iterates over the deployments of the account.
func (c *Client) Deployments(ctx context.Context) iter.Seq2[*Deployment, error] {
	return all(ctx, c, listing[*Deployment]{"list deployments", "/deployments", nil, parseDeployment})
}

// Deployment reads one deployment.
func (c *Client) Deployment(ctx context.Context, owner, name string) (*Deployment, error) {
	if !validName(owner) || !validName(name) {
		return nil, notExist("read deployment", owner+"/"+name)
	}
	return fetch(ctx, c, call{op: "read deployment", path: "/deployments/" + owner + "/" + name}, parseDeployment)
}

func parseDeployment(raw []byte) (*Deployment, error) {
	w, err := decode[struct {
		Owner   maybe[string] `json:"owner"`
		Name    maybe[string] `json:"name"`
		Release maybe[struct {
			Number  maybe[float64]     `json:"number"`
			Model   maybe[string]      `json:"model"`
			Version maybe[string]      `json:"version"`
			Created when               `json:"created_at"`
			By      maybe[wireAccount] `json:"created_by"`
			Config  maybe[struct {
				Hardware maybe[string]  `json:"hardware"`
				Min      maybe[float64] `json:"min_instances"`
				Max      maybe[float64] `json:"max_instances"`
			}] `json:"configuration"`
		}] `json:"current_release"`
	}](raw)
	if err == nil && (!validName(w.Owner.v) || !validName(w.Name.v)) {
		err = errors.New("no usable owner and name")
	}
	if err != nil {
		return nil, err
	}
	r := w.Release.v
	d := &Deployment{Owner: w.Owner.v, Name: w.Name.v, Raw: keep(raw), Release: Release{
		Number:       whole(r.Number.v),
		Model:        r.Model.v,
		Version:      r.Version.v,
		Created:      r.Created.t,
		Hardware:     r.Config.v.Hardware.v,
		MinInstances: whole(r.Config.v.Min.v),
		MaxInstances: whole(r.Config.v.Max.v),
	}}
	if r.By.ok {
		d.Release.By = r.By.v.account(nil)
	}
	return d, nil
}
