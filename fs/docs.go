package fs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"strings"
	"sync"
	"time"

	"replicatefs/api"
)

// docs are what the API says of models, kept in the catalog so that it is
// there at once and offline. Looking at it asks for what is not known, once.
// Only reading asks again for what is old: a walk over everything, which looks
// at much and reads nothing, must not cost a request for each model.
type docs struct {
	fs *FS

	mu       sync.Mutex // guards what follows
	fetched  map[string]time.Time
	parsed   map[string]*modelDoc
	versions map[string]*versionDoc
}

// A modelDoc is a model as last told, and when what it says last changed.
type modelDoc struct {
	*api.Model
	changed time.Time
	rules   func() (*rules, error) // of its latest version, made once
}

const (
	docLife    = 5 * time.Minute // how old a description may be before it is asked for again
	maxParsed  = 1024            // models at hand in memory
	maxFetched = 10_000          // documents of which it is known when they were asked for

	readmeKey = "readme/"
)

func newDocs(f *FS) *docs {
	return &docs{fs: f, fetched: map[string]time.Time{}, parsed: map[string]*modelDoc{}, versions: map[string]*versionDoc{}}
}

// model returns what is known of owner/name: at once if anything is, however
// old.
func (d *docs) model(ctx context.Context, name string) (*modelDoc, error) {
	m, err := d.known(ctx, name)
	if errors.Is(err, iofs.ErrNotExist) {
		return d.fetch(ctx, name)
	}
	return m, err
}

// known is the model as the catalog has it.
func (d *docs) known(ctx context.Context, name string) (*modelDoc, error) {
	d.mu.Lock()
	m := d.parsed[name]
	d.mu.Unlock()
	if m != nil {
		return m, nil
	}
	raw, changed, err := d.fs.catalog.Doc(ctx, "model/"+name)
	if err != nil {
		return nil, err
	}
	if m, err = parseModel(raw, changed); err != nil {
		return nil, err
	}
	return d.hold(name, m, false), nil
}

func parseModel(raw []byte, changed time.Time) (*modelDoc, error) {
	parsed, err := api.ParseModel(raw)
	if err != nil {
		return nil, err
	}
	return &modelDoc{parsed, changed.Truncate(time.Second), sync.OnceValues(func() (*rules, error) {
		if parsed.LatestVersion == nil {
			return nil, nil
		}
		return newRules(parsed.LatestVersion.Schema)
	})}, nil
}

// hold has a model at hand from now on. Fresh is one that was just told; one
// that was read from the catalog is older than what may have come meanwhile.
func (d *docs) hold(name string, m *modelDoc, fresh bool) *modelDoc {
	d.mu.Lock()
	defer d.mu.Unlock()
	if held := d.parsed[name]; held != nil && !fresh {
		return held
	}
	if len(d.parsed) >= maxParsed {
		clear(d.parsed)
	}
	d.parsed[name] = m
	return m
}

// old tells, once per docLife, that a document should be asked for again.
func (d *docs) old(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.fs.now()
	if at, ok := d.fetched[key]; ok && now.Sub(at) < docLife {
		return false
	}
	if len(d.fetched) >= maxFetched {
		maps.DeleteFunc(d.fetched, func(_ string, at time.Time) bool { return now.Sub(at) >= docLife }) // as good as not there
	}
	d.fetched[key] = now
	return true
}

// fetch asks the API for a model, once for all who want it now. A model that
// does not exist is remembered as such for a moment.
func (d *docs) fetch(ctx context.Context, name string) (*modelDoc, error) {
	err := d.fs.misses.ask(ctx, "model/"+name, func(ctx context.Context) error {
		owner, model, _ := strings.Cut(name, "/")
		m, err := d.fs.api.Model(ctx, owner, model)
		if err != nil {
			return err
		}
		changed, err := d.fs.catalog.PutDocTold(ctx, "model/"+name, withoutCounters(m.Raw), madeAt(m))
		if err != nil {
			return err
		}
		d.old("model/" + name)
		told, err := parseModel(withoutCounters(m.Raw), changed)
		if err == nil {
			d.hold(name, told, true)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.known(ctx, name)
}

// hear takes in a model that a list told, unless it was asked for by itself.
func (d *docs) hear(ctx context.Context, name string, m *api.Model) {
	if _, err := d.known(ctx, name); !errors.Is(err, iofs.ErrNotExist) {
		return
	}
	d.fs.misses.note("model/"+name, false)
	if _, err := d.fs.catalog.PutDocTold(ctx, "model/"+name, withoutCounters(m.Raw), madeAt(m)); err != nil && ctx.Err() == nil {
		d.fs.log.Warn("a model could not be written down", "model", name, "err", err)
	}
}

// madeAt is when a model says that it was made to what it is.
func madeAt(m *api.Model) time.Time {
	switch {
	case m.LatestVersion != nil && !m.LatestVersion.Created.IsZero():
		return m.LatestVersion.Created
	case !m.Created.IsZero():
		return m.Created
	}
	return written
}

// renew asks again behind the caller's back for what is known under a key, if
// it is old.
func (d *docs) renew(key string, ask func(context.Context) error) {
	if !d.old(key) {
		return
	}
	d.fs.tasks.Go(func() {
		if err := ask(d.fs.life); err != nil && d.fs.life.Err() == nil {
			d.fs.log.Debug("a document could not be asked for again", "key", key, "err", err)
		}
	})
}

// renewModel is renew of a model.
func (d *docs) renewModel(name string) {
	d.renew("model/"+name, func(ctx context.Context) error {
		_, err := d.fetch(ctx, name)
		return err
	})
}

// order is what a save in the folder of a model runs: official models by name,
// others by their latest version, which must not be an old one.
func (d *docs) order(ctx context.Context, name string, fresh bool) (order, error) {
	m, err := d.known(ctx, name)
	if err != nil || fresh || !m.Official && d.old("model/"+name) {
		told, fresher := d.fetch(ctx, name)
		switch {
		case fresher == nil:
			m = told
		case m == nil || fresh || errors.Is(fresher, iofs.ErrNotExist):
			return order{}, fresher
		}
	}
	if !m.Official && m.LatestVersion != nil {
		return order{api.Target{Version: m.LatestVersion.ID}, m.rules}, nil
	}
	return order{api.Target{Model: name}, m.rules}, nil
}

// readme is the model's own, or a short one of ours where it has none.
func (d *docs) readme(ctx context.Context, name string) ([]byte, time.Time, error) {
	return d.document(ctx, readmeKey+name, d.askReadme(name))
}

// renewReadme is renew of a readme.
func (d *docs) renewReadme(name string) { d.renew(readmeKey+name, d.askReadme(name)) }

func (d *docs) askReadme(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		m, err := d.model(ctx, name)
		if err != nil {
			return err
		}
		text, err := d.fs.api.Readme(ctx, m.Owner, m.Name)
		if errors.Is(err, iofs.ErrNotExist) {
			text, err = fmt.Sprintf("# %s\n\n%s\n", name, m.Description), nil
		}
		if err != nil {
			return err
		}
		_, err = d.fs.catalog.PutDocTold(ctx, readmeKey+name, []byte(text), madeAt(m.Model))
		return err
	}
}

// description is model.json: the API's object without its counters.
func (d *docs) description(ctx context.Context, name string) ([]byte, time.Time, error) {
	m, err := d.model(ctx, name)
	if err != nil {
		return nil, time.Time{}, err
	}
	return indent(m.Raw), m.changed, nil
}

// schema is schema.json: input and output of the latest version.
func (d *docs) schema(ctx context.Context, name string) ([]byte, time.Time, error) {
	m, err := d.model(ctx, name)
	if err != nil {
		return nil, time.Time{}, err
	}
	if m.LatestVersion == nil {
		return []byte("{}\n"), m.changed, nil
	}
	return indent(schemas(m.LatestVersion.Schema)), m.changed, nil
}

// document returns what is kept under a key, however old, or asks for it. Ask
// writes it down.
func (d *docs) document(ctx context.Context, key string, ask func(context.Context) error) ([]byte, time.Time, error) {
	raw, changed, err := d.fs.catalog.Doc(ctx, key)
	if errors.Is(err, iofs.ErrNotExist) {
		if err := d.fs.misses.ask(ctx, key, ask); err != nil {
			return nil, time.Time{}, err
		}
		d.old(key)
		raw, changed, err = d.fs.catalog.Doc(ctx, key)
	}
	return raw, changed.Truncate(time.Second), err
}

// withoutCounters takes off a model what changes with every run of anybody,
// so that model.json stays the same for as long as it says the same. Members
// come sorted: the API's order is not always the same.
func withoutCounters(raw json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return raw
	}
	delete(members, "run_count")
	clean, err := encode(members)
	if err != nil {
		return raw
	}
	return clean
}
