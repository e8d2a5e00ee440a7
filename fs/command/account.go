package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"replicatefs/api"
	"replicatefs/cache"
)

const (
	// accountLimit is how long the first mount of an account waits to learn
	// whose the token is.
	accountLimit = 15 * time.Second

	// accountPatience is how long later ones do. A refused token is told so in
	// most cases, and a slow API holds nobody up.
	accountPatience = 500 * time.Millisecond
)

// account tells whose the token is. Where the API does not answer at once, it
// is whose it was when last seen, and the answer is looked at when it comes.
// After takes what has to be done at the end.
func (cfg config) account(ctx context.Context, client *api.Client, after func(func() error)) (*api.Account, error) {
	seen, err := cfg.seenFile()
	if err != nil {
		return nil, err
	}
	last, lastErr := readSeen(seen)
	patience := accountPatience
	if lastErr != nil {
		patience = accountLimit
	}

	asking, stop := context.WithTimeout(ctx, accountLimit)
	var account *api.Account
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		account, err = client.Account(asking)
	}()
	after(func() error { stop(); <-answered; return nil })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
		if lastErr != nil {
			return nil, fmt.Errorf("read account: %w after %v\nThe first use of an account needs the API; later ones do not", api.ErrUnreachable, patience)
		}
		checked := make(chan struct{})
		go func() {
			defer close(checked)
			<-answered
			cfg.late(last, account, err, seen)
		}()
		after(func() error { stop(); <-checked; return nil })
		return last, nil
	}
	switch {
	case err == nil:
		return account, writeSeen(seen, account)
	case refused(err):
		return nil, tokenError(err.Error())
	case lastErr != nil:
		return nil, fmt.Errorf("%w\nThe first use of an account needs the API; later ones do not", err)
	}
	cfg.log.Warn("the API cannot be reached; showing the account as it was last seen", "account", last.Username, "err", err)
	return last, nil
}

// late looks at an answer that came after the mount was there.
func (cfg config) late(last, account *api.Account, err error, seen string) {
	switch {
	case err == nil && account.Username != last.Username:
		cfg.log.Error("the token belongs to another account now; mount again to see it", "account", account.Username, "mounted", last.Username)
	case err == nil:
		if err := writeSeen(seen, account); err != nil {
			cfg.log.Warn("the account could not be written down", "err", err)
		}
	case refused(err):
		cfg.log.Error("the token is refused; nothing new will be seen or run with it", "err", err)
	case errors.Is(err, context.Canceled): // the mount ended first
	default:
		cfg.log.Warn("the API cannot be reached; showing the account as it was last seen", "account", last.Username, "err", err)
	}
}

// seenFile is where the account of this token at this base URL is remembered,
// by a hash, so that the token itself is in no file name.
func (cfg config) seenFile() (string, error) {
	token := cfg.api.Token
	if cfg.api.TokenSource != nil {
		t, err := cfg.api.TokenSource()
		if err != nil {
			return "", err
		}
		token = t
	}
	sum := sha256.Sum256([]byte(cfg.api.BaseURL + "\x00" + string(token)))
	return filepath.Join(cfg.dirs.data, "accounts", hex.EncodeToString(sum[:16])+".json"), nil
}

func writeSeen(file string, account *api.Account) error {
	b, err := json.Marshal(account)
	if err != nil {
		return err
	}
	if err := cache.MakeDir(filepath.Dir(file)); err != nil {
		return fmt.Errorf("write down the account: %w; pass --cache-dir DIR for another place", err)
	}
	return renameio.WriteFile(file, b, 0o600) // another mount may be reading it
}

func readSeen(file string) (*api.Account, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	account := new(api.Account)
	if err := json.Unmarshal(b, account); err != nil {
		return nil, err
	}
	if account.Username == "" {
		return nil, errors.New("no account in it")
	}
	return account, nil
}
