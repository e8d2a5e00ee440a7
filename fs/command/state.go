package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"strings"

	"replicatefs/api"
	"replicatefs/cache"
	"replicatefs/cache/catalog"
	"replicatefs/fs"
)

// dirs are where local data lives. What must not be lost stays away from what
// a cleaner may empty.
type dirs struct{ data, cache string }

func dirsFrom(flag string) (dirs, error) {
	if flag != "" {
		dir, err := filepath.Abs(flag)
		return dirs{dir, dir}, err
	}
	data, err := homeFolder("XDG_DATA_HOME", ".local/share")
	if err != nil {
		return dirs{}, err
	}
	cacheDir, err := homeFolder("XDG_CACHE_HOME", ".cache")
	return dirs{data, cacheDir}, err
}

// configDir is where the configuration file and the tokens are.
func configDir() (string, error) { return homeFolder("XDG_CONFIG_HOME", ".config") }

// homeFolder is our folder in the one that a variable names, or in the home of
// the user. The same names hold on every system, so that the manual does.
func homeFolder(variable, otherwise string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) { // the XDG specification ignores others
		return filepath.Join(dir, "replicatefs"), nil
	}
	home, err := home()
	if err != nil {
		return "", fmt.Errorf("no place for local data: %w; set HOME or pass --cache-dir DIR", err)
	}
	return filepath.Join(home, otherwise, "replicatefs"), nil
}

// home is the user's home, also where HOME is not set: services and mounts at
// boot have no such variable.
func home() (string, error) {
	if dir, err := os.UserHomeDir(); err == nil {
		return dir, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	if u.HomeDir == "" {
		return "", errors.New("the user has no home")
	}
	return u.HomeDir, nil
}

// A state is everything that stands behind the tree of one account at one
// base URL.
type state struct {
	tree    *fs.FS
	account *api.Account
	store   string         // the account's folder among the caches
	closers []func() error // in the order of opening
}

// open brings up the tree of the account that the token belongs to. Nothing
// local is shared between accounts, or between base URLs.
func (cfg config) open(ctx context.Context) (_ *state, err error) {
	s := new(state)
	defer func() {
		if err != nil {
			s.close(cfg.log)
		}
	}()
	for _, dir := range []string{cfg.dirs.data, cfg.dirs.cache} {
		if err := ourOwn(dir); err != nil {
			return nil, err
		}
	}
	client, err := api.New(cfg.api)
	if err != nil {
		return nil, err
	}
	s.after(func() error { client.Close(); return nil })
	content, err := api.NewContent(cfg.content)
	if err != nil {
		return nil, err
	}
	s.after(func() error { content.Close(); return nil })
	if s.account, err = cfg.account(ctx, client, s.after); err != nil {
		return nil, err
	}
	name, err := place(client.Base(), s.account.Username)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(cfg.dirs.data, name)
	if err := cache.MakeDir(data); err != nil {
		return nil, fmt.Errorf("make the folder of the account: %w", err)
	}
	known, err := catalog.Open(ctx, data, catalog.Options{Log: cfg.log})
	if err != nil {
		return nil, fmt.Errorf("open the catalog: %w", err)
	}
	s.after(known.Close)
	holdMemory(cfg.cache.Memory, known.Len())
	s.store = filepath.Join(cfg.dirs.cache, name)
	chunks, err := cache.New(storeOptions(cfg.cache, cfg.dirs, name))
	if err != nil {
		return nil, fmt.Errorf("open the cache: %w", err)
	}
	s.after(chunks.Close)
	s.tree, err = fs.New(fs.Backend{API: client, Content: content, Cache: chunks, Catalog: known, Account: s.account, Dir: data}, cfg.tree)
	if err != nil {
		return nil, err
	}
	s.after(func() error { s.tree.Close(); return nil })
	return s, nil
}

// chunksIn is where the chunks of an account are in its folder.
func chunksIn(dir string) string { return filepath.Join(dir, "chunks") }

// storeOptions are those of the cache of an account.
func storeOptions(o cache.Options, d dirs, name string) cache.Options {
	o.Dir = chunksIn(filepath.Join(d.cache, name))
	o.KeptDir = filepath.Join(d.data, name, "kept")
	return o
}

func (s *state) after(f func() error) { s.closers = append(s.closers, f) }

// close ends everything, last opened first.
func (s *state) close(log *slog.Logger) {
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i](); err != nil {
			log.Error("not everything could be closed", "err", err)
		}
	}
	s.closers = nil
}

// place is the folder name of an account at a base URL: readable, and never
// the same for two.
func place(base, username string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(base + "\x00" + username))
	return plain(u.Hostname()) + "-" + plain(username) + "-" + hex.EncodeToString(sum[:4]), nil
}

// plain is a word as every file system takes it.
func plain(word string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, word)
}

// holdMemory has the garbage collector keep the program near what its chunks
// may take: left alone it lets twice as much pile up. What is not chunks is 40
// MiB, and some 256 bytes for each known prediction. GOMEMLIMIT takes precedence.
func holdMemory(chunks int64, predictions int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(chunks + 40<<20 + int64(predictions)*256)
	}
}
