package command

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"replicatefs/api"
)

// A token comes from --token-file, else from REPLICATE_API_TOKEN, else from a
// token-file of the settings, else from what login has stored for the base
// URL. Files are read again when the token is refused, so that it can be
// renewed under a mount.

// errToken is a missing or refused token.
var errToken = errors.New("no usable token")

// tokenError says what is wrong with the token and where to get one.
func tokenError(why string) error {
	return fmt.Errorf("%w: %s\nGet one at https://replicate.com/account/api-tokens and store it with replicatefs login,\nor pass it as REPLICATE_API_TOKEN or with --token-file FILE", errToken, why)
}

// refused tells whether the API did not take the token.
func refused(err error) bool { return errors.Is(err, iofs.ErrPermission) }

// tokenFrom returns where the token comes from.
func tokenFrom(c *cli.Context) (func() (api.Token, error), error) {
	file := c.String("token-file")
	fromSettings := origins(c)["token-file"] != ""
	if file != "" && !fromSettings {
		return tokenIn(file)
	}
	if token := envToken(); token != "" {
		return func() (api.Token, error) { return token, nil }, nil
	}
	if file != "" {
		return tokenIn(file)
	}
	stored, err := storedToken(c.String("base-url"))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(stored); errors.Is(err, iofs.ErrNotExist) {
		return nil, tokenError("REPLICATE_API_TOKEN is not set, and nobody has logged in")
	}
	return tokenIn(stored)
}

func envToken() api.Token { return api.Token(strings.TrimSpace(os.Getenv("REPLICATE_API_TOKEN"))) }

// tokenIn reads the token from a file, each time anew.
func tokenIn(file string) (func() (api.Token, error), error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	return func() (api.Token, error) {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", tokenError(err.Error())
		}
		token := api.Token(strings.TrimSpace(string(b)))
		if token == "" {
			return "", tokenError(file + " is empty")
		}
		return token, nil
	}, nil
}

// storedToken is where login keeps the token for a base URL.
func storedToken(base string) (file string, err error) {
	client, err := api.New(api.Options{BaseURL: base})
	if err != nil {
		return "", usage{err.Error()}
	}
	defer client.Close()
	u, err := url.Parse(client.Base()) // in its one form
	if err != nil {
		return "", err
	}
	dir, err := configDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(u.String()))
	return filepath.Join(dir, "tokens", plain(u.Hostname())+"-"+hex.EncodeToString(sum[:4])), nil
}

// storeToken writes it for its owner alone, whole or not at all.
func storeToken(file string, token api.Token) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(file, []byte(string(token)+"\n"), 0o600)
}
