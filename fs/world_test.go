package fs

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/api"
	"replicatefs/api/sim"
	"replicatefs/cache"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// A world is a tree on a simulated account, all in this process.
type world struct {
	*FS
	t   testing.TB
	sim *sim.Sim
	dir string
}

const (
	painter  = "models/black-forest-labs/flux-schnell"
	talker   = "models/meta/meta-llama-3-8b-instruct"
	broken   = "models/acme/broken"
	slow     = "models/acme/slow"
	blob     = "models/acme/blob"
	official = "black-forest-labs/flux-schnell"
)

// newWorld makes one on an account with what w says.
func newWorld(t testing.TB, so sim.Options, o Options) *world {
	t.Helper()
	s := sim.New(so)
	t.Cleanup(func() {
		s.Close()
		if leaks := s.Leaks(); len(leaks) > 0 {
			t.Errorf("the token reached other hosts: %v", leaks)
		}
	})
	return mountWorld(t, s, t.TempDir(), o)
}

// mountWorld makes a tree on a simulated account, with local data in dir.
func mountWorld(t testing.TB, s *sim.Sim, dir string, o Options) *world {
	t.Helper()
	transport := &http.Transport{DialContext: s.Dial, DialTLSContext: s.DialTLS}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := api.New(api.Options{Token: sim.DemoToken, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	content, err := api.NewContent(api.ContentOptions{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	chunks, err := cache.New(cache.Options{Memory: 32 << 20, Dir: filepath.Join(dir, "chunks"), KeptDir: filepath.Join(dir, "kept")})
	if err != nil {
		t.Fatal(err)
	}
	known, err := catalog.Open(t.Context(), dir, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	account, err := client.Account(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Backend{client, content, chunks, known, account, dir}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		chunks.Close()
		known.Close()
		content.Close()
		client.Close()
	})
	return &world{f, t, s, dir}
}

// at returns the node of a path, following links.
func (w *world) at(path string) (tree.Node, error) {
	return tree.Resolve(w.t.Context(), w.Root(), strings.Trim(path, "/"))
}

// read returns what a file says, and checks that its size was told right.
func (w *world) read(path string) string {
	w.t.Helper()
	node, err := w.at(path)
	if err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	info, err := node.Info(w.t.Context())
	if err != nil {
		w.t.Fatalf("stat %s: %v", path, err)
	}
	h, err := node.(tree.File).Open(w.t.Context())
	if err != nil {
		w.t.Fatalf("open %s: %v", path, err)
	}
	defer h.Close()
	b := make([]byte, info.Size+1)
	n, err := h.ReadAt(w.t.Context(), b, 0)
	if int64(n) != info.Size {
		w.t.Errorf("%s: size is told as %d, and %d bytes are read, %v", path, info.Size, n, err)
	}
	return string(b[:n])
}

// names lists a folder.
func (w *world) names(path string) string {
	w.t.Helper()
	node, err := w.at(path)
	if err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	entries, err := node.(tree.Dir).List(w.t.Context())
	if err != nil {
		w.t.Fatalf("list %s: %v", path, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
		found, err := node.(tree.Dir).Lookup(w.t.Context(), e.Name)
		if err != nil {
			w.t.Errorf("%s/%s is listed and not found: %v", path, e.Name, err)
		} else if found.Ino() != e.Node.Ino() {
			w.t.Errorf("%s/%s has one number when listed and another when found", path, e.Name)
		}
	}
	return strings.Join(names, " ")
}

// save writes a file and closes it, and returns the result of close().
func (w *world) save(path, content string) error {
	w.t.Helper()
	return w.saveIn(w.t.Context(), path, content)
}

func (w *world) saveIn(ctx context.Context, path, content string) error {
	w.t.Helper()
	node, err := w.at(path)
	if err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	d, err := node.(tree.Saver).Save(w.t.Context())
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.WriteAt(w.t.Context(), []byte(content), 0); err != nil {
		w.t.Fatal(err)
	}
	return d.Commit(ctx)
}

// creates checks how many predictions were paid for.
func (w *world) creates(want int) {
	w.t.Helper()
	if got := w.sim.Creates(); got != want {
		w.t.Errorf("%d predictions were made, want %d", got, want)
	}
}

func raw(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
