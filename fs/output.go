package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"strings"
	"time"

	"replicatefs/api"
	"replicatefs/cache"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// An output is a file that Replicate's delivery host has: an output of a
// prediction, or a file of its input. What is known of it, its size above
// all, is learned by one HEAD ever and stays in the catalog.
type output struct {
	fs       *FS
	id, name string
}

func (o *output) Ino() uint64 { return tree.Ino("prediction", o.id, o.name) }

func (o *output) Peek() (tree.Info, bool) {
	facts, _ := o.fs.catalog.Recent(o.id)
	fact, ok := facts[o.name]
	if !ok || fact.Gone {
		return tree.Info{}, false
	}
	return o.info(fact), true
}

func (o *output) Info(ctx context.Context) (tree.Info, error) {
	fact, err := o.fs.fact(ctx, o.id, o.name)
	if err != nil {
		return tree.Info{}, err
	}
	return o.info(fact), nil
}

// info may be kept while the run goes on: a file that is listed is complete.
// Only its time may still move, to the end of the run.
func (o *output) info(fact catalog.Output) tree.Info {
	p, _ := o.fs.about(o.id)
	info := tree.Info{Mode: tree.FileMode, Size: fact.Size, ModTime: modTime(p)}
	if p.Done {
		info.Valid = tree.Final
	}
	return info
}

func (o *output) Open(ctx context.Context) (tree.Handle, error) {
	fact, err := o.fs.fact(ctx, o.id, o.name)
	if err != nil {
		return nil, err
	}
	known, err := o.fs.folder(ctx, o.id)
	if err != nil {
		return nil, err
	}
	it, ok := known.item(o.name)
	if !ok {
		return nil, iofs.ErrNotExist
	}
	return &reading{Reader: o.fs.cache.Open(&source{o.fs, o.id, o.name, it.text, fact})}, nil
}

// key names the bytes of an output for the cache: never by the URL, which may
// be another one tomorrow.
func key(id, name string, fact catalog.Output) string {
	version := fact.ETag
	switch {
	case version != "" && !strings.HasPrefix(version, "W/"):
	case fact.Spooled: // the length was not known when it was fetched
		version = "spooled"
	default:
		version = fmt.Sprintf("%d-%d", fact.Size, fact.Modified.Unix())
	}
	return id + "/" + name + "@" + version
}

// A source is where the cache gets the bytes of an output.
type source struct {
	fs       *FS
	id, name string
	url      string
	fact     catalog.Output
}

func (s *source) Key() string  { return key(s.id, s.name, s.fact) }
func (s *source) Size() int64  { return s.fact.Size }
func (s *source) ETag() string { return s.fact.ETag }

func (s *source) Fetch(ctx context.Context, off, n int64, bulk bool) (io.ReadCloser, error) {
	want := api.ContentInfo{Size: s.fact.Size, Type: s.fact.Type, ETag: s.fact.ETag, Modified: s.fact.Modified}
	if err := s.fs.reach.try(s.url); err != nil {
		return nil, err
	}
	body, err := s.fs.content.Range(ctx, s.url, want, off, n)
	if err = s.fs.reach.note(s.url, err); !errors.Is(err, api.ErrGone) {
		return body, err
	}
	url, again := s.fs.renew(ctx, s.id, s.name, s.url)
	if errors.Is(again, cache.ErrGone) {
		return nil, fmt.Errorf("%w: %w", again, err)
	}
	if again != nil { // without what err is: nobody knows yet whether it is gone
		return nil, fmt.Errorf("%w: %v", again, err)
	}
	return s.fs.content.Range(ctx, url, want, off, n)
}

// Prepare opens connections to the delivery host, unless it does not answer.
func (s *source) Prepare(n int) {
	if s.fs.reach.try(s.url) == nil {
		s.fs.content.Prepare(s.url, n)
	}
}

// renew asks the API, once, for the URL of an output that the delivery host
// does not give: it may have moved, or be gone for good. If it is neither, the
// delivery host is mistaken, and may be right again later.
func (f *FS) renew(ctx context.Context, id, name, old string) (string, error) {
	r, err := f.renewal(ctx, id)
	switch {
	case err != nil:
		return "", err
	case r.urls[name] != "" && r.urls[name] != old:
		return r.urls[name], nil
	case r.expired:
		return "", cache.ErrGone
	}
	return "", &finalError{errors.New("the output host does not give it, although Replicate lists it")}
}

// A renewal is what the API says of the files of a prediction now: asked once
// for all of them, of which there may be ten thousand.
type renewal struct {
	at      time.Time
	urls    map[string]string // by name
	expired bool              // they may be deleted by now
}

const (
	renewalLife = 30 * time.Second
	maxRenewals = 16
)

func (f *FS) renewal(ctx context.Context, id string) (renewal, error) {
	if r, ok := f.renewals.Get(id); ok && f.now().Sub(r.at).Abs() < renewalLife {
		return r, nil
	}
	r, err := f.asking.ask(ctx, "urls/"+id, askDeadline, func(ctx context.Context) (any, error) {
		shelf := f.shelf(id)
		p, err := shelf.ask(ctx, id)
		if err != nil {
			return nil, translate(err)
		}
		r := renewal{at: f.now(), urls: map[string]string{}, expired: p.DataRemoved || f.expired(p)}
		if p.DataRemoved {
			shelf.take(ctx, id, p)
		} else {
			for _, it := range plan(p, f.content.Allowed) {
				if it.kind == remote {
					r.urls[it.name] = it.text
				}
			}
		}
		f.renewals.Add(id, r)
		return r, nil
	})
	if err != nil {
		return renewal{}, err
	}
	return r.(renewal), nil
}

// expired tells whether the files of a prediction may be deleted by now. One
// whose age is not told is not old.
func (f *FS) expired(p *api.Prediction) bool {
	made := p.Created
	if p.Completed.After(made) {
		made = p.Completed
	}
	return p.DataRemoved || p.Source != "web" && !made.IsZero() && f.now().Sub(made) >= retention
}

// siblings is how many outputs of one prediction learn their sizes together:
// who asks for one will ask for the next.
const siblings = 64

// fact returns what is known of an output, asking the delivery host for it
// and for its next siblings if it has to.
func (f *FS) fact(ctx context.Context, id, name string) (catalog.Output, error) {
	facts, err := f.catalog.Outputs(ctx, id)
	if err != nil {
		return catalog.Output{}, err
	}
	if fact, ok := facts[name]; ok && !fact.Gone {
		return fact, nil
	}
	learned, err := f.learn(ctx, id, name)
	if err != nil {
		return catalog.Output{}, err
	}
	fact, ok := learned[name]
	switch {
	case !ok:
		return fact.Output, iofs.ErrNotExist
	case fact.err != nil:
		return fact.Output, fact.err
	case fact.Gone:
		return fact.Output, errDeleted
	}
	return fact.Output, nil
}

// A learned fact is one that was just asked for; err says that it was not
// told.
type learnedFact struct {
	catalog.Output
	err error
}

// learn asks for the facts of an output and its siblings, once for all who
// want them at this moment.
func (f *FS) learn(ctx context.Context, id, name string) (map[string]learnedFact, error) {
	known, err := f.folder(ctx, id)
	if err != nil {
		return nil, err
	}
	it, ok := known.item(name)
	if !ok || it.kind != remote {
		return nil, iofs.ErrNotExist
	}
	if err := f.reach.try(it.text); err != nil {
		return nil, err
	}
	// Blocks of siblings are fixed, so that all who ask for one of a block
	// share its requests.
	block := known.index()[name] / siblings
	ask := slices.DeleteFunc(slices.Clone(known.all[block*siblings:min(len(known.all), (block+1)*siblings)]), func(it item) bool { return it.kind != remote })
	question := fmt.Sprintf("sizes/%s/%d", id, block)
	// Whoever walks over files that are refused would ask for all of a block
	// for each of its names.
	if r, ok := f.untold.Get(question); ok && f.now().Sub(r.at).Abs() < untoldLife && r.facts[name].err != nil {
		return r.facts, nil
	}
	facts, err := f.asking.ask(ctx, question, statTimeout, func(ctx context.Context) (any, error) {
		facts := f.stat(ctx, id, ask)
		for _, fact := range facts {
			if fact.err != nil {
				f.untold.Add(question, untoldSizes{f.now(), facts})
				break
			}
		}
		return facts, nil
	})
	if err != nil {
		return nil, err
	}
	return facts.(map[string]learnedFact), nil
}

// untoldSizes is a block of sizes of which some were not told.
type untoldSizes struct {
	at    time.Time
	facts map[string]learnedFact
}

const (
	untoldLife = 2 * time.Second
	maxUntold  = 64
)

// statTimeout bounds the learning of one block of sizes.
const statTimeout = time.Minute

// stat asks for those of items that are not known, several at once, and
// writes down what was told.
func (f *FS) stat(ctx context.Context, id string, items []item) map[string]learnedFact {
	facts, err := f.catalog.Outputs(ctx, id)
	if err != nil {
		facts = nil
	}
	all := make(map[string]learnedFact, len(items))
	type answer struct {
		name string
		fact learnedFact
	}
	answers := make(chan answer)
	waiting := 0
	for _, it := range items {
		if fact, ok := facts[it.name]; ok {
			all[it.name] = learnedFact{Output: fact}
			continue
		}
		waiting++
		go func() {
			fact, err := f.statOne(ctx, id, it)
			answers <- answer{it.name, learnedFact{fact, err}}
		}()
	}
	news := map[string]catalog.Output{}
	for range waiting {
		a := <-answers
		all[a.name] = a.fact
		if a.fact.err == nil {
			news[a.name] = a.fact.Output
		}
	}
	if len(news) > 0 {
		if err := f.catalog.PutOutputs(context.WithoutCancel(ctx), id, news); err != nil {
			f.log.Warn("sizes could not be written down", "prediction", id, "err", err)
		}
		f.catalog.Outputs(ctx, id) // at hand from now on
		for _, fact := range news {
			f.known.Add(fact.Size)
		}
	}
	return all
}

// statOne asks for one. What is gone is a fact as well; what could not be
// asked is none.
func (f *FS) statOne(ctx context.Context, id string, it item) (catalog.Output, error) {
	select {
	case f.stats <- struct{}{}:
		defer func() { <-f.stats }()
	case <-ctx.Done():
		return catalog.Output{}, ctx.Err()
	}
	url := it.text
	if err := f.reach.try(url); err != nil {
		return catalog.Output{}, err
	}
	info, err := f.content.Stat(ctx, url)
	if err = f.reach.note(url, err); errors.Is(err, api.ErrGone) {
		var again error
		if url, again = f.renew(ctx, id, it.name, url); errors.Is(again, cache.ErrGone) {
			return catalog.Output{Gone: true}, nil
		} else if again != nil {
			return catalog.Output{}, again
		}
		info, err = f.content.Stat(ctx, url)
	}
	if err != nil {
		return catalog.Output{}, err
	}
	fact := catalog.Output{Size: info.Size, Type: info.Type, ETag: info.ETag, Modified: info.Modified}
	if fact.Size < 0 {
		fact.Spooled = true
		fact.Size, err = f.spool(ctx, url, key(id, it.name, fact))
	}
	return fact, err
}

// maxSpool bounds what is fetched only to learn its length.
const maxSpool = 1 << 30

// spool fetches a whole output whose length nobody tells: programs trust the
// size, and one that is not known is worse than a wait.
func (f *FS) spool(ctx context.Context, url, key string) (int64, error) {
	body, _, err := f.content.Get(ctx, url)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return f.cache.Spool(ctx, key, body, maxSpool)
}
