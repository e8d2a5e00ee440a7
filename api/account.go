package api

import (
	"context"
	"encoding/json"
)

// Account is whom a token belongs to.
type Account struct {
	Type      string // "user" or "organization"
	Username  string
	Name      string
	GitHubURL string
	AvatarURL string
	Raw       json.RawMessage // exactly as received; nil inside a Deployment
}

type wireAccount struct {
	Type     maybe[string] `json:"type"`
	Username maybe[string] `json:"username"`
	Name     maybe[string] `json:"name"`
	GitHub   maybe[string] `json:"github_url"`
	Avatar   maybe[string] `json:"avatar_url"`
}

func (w wireAccount) account(raw []byte) *Account {
	return &Account{w.Type.v, w.Username.v, w.Name.v, w.GitHub.v, w.Avatar.v, keep(raw)}
}

// Account reads the account of the token. It is the cheapest check of a token: a
// refused one is iofs.ErrPermission.
func (c *Client) Account(ctx context.Context) (*Account, error) {
	return fetch(ctx, c, call{op: "read account", path: "/account"}, parseAccount)
}

func parseAccount(raw []byte) (*Account, error) {
	w, err := decode[wireAccount](raw)
	if err == nil && w.Username.v == "" {
		err = missing("username")
	}
	if err != nil {
		return nil, err
	}
	return w.account(raw), nil
}
