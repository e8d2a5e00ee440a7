package fs

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"replicatefs/api"
	"replicatefs/fs/tree"
)

// A Run is a prediction and what has become of it.
type Run struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"` // of a run that failed, in the words of its model
}

func runOf(p *api.Prediction, id string) Run {
	r := Run{ID: id, Status: p.Status}
	if p.Status != api.Succeeded {
		r.Error = strings.TrimSpace(p.Error)
	}
	return r
}

// Failure says in a sentence that a run did not succeed; "" if it did.
func (r Run) Failure() string {
	if r.Status == api.Succeeded {
		return ""
	}
	why := r.Error
	if why == "" {
		why = "its logs.txt may tell more."
	}
	return fmt.Sprintf("The run %s ended as %s: %s", r.ID, r.Status, why)
}

// ErrNoRun is in the error for a path behind which there is no run.
var ErrNoRun = errors.New("no run")

// WaitFor waits until the run that a path leads to has ended: that of a
// prediction's folder, of a file in it, or the newest of a folder in which
// models are run. A save that was refused started no run: that is an error
// with its sentence.
func (f *FS) WaitFor(ctx context.Context, name string) (Run, error) {
	id, err := f.runAt(ctx, name)
	for errors.Is(err, errSending) && f.pause(ctx, sendingPause) {
		id, err = f.runAt(ctx, name)
	}
	if err != nil {
		return Run{}, err
	}
	if err := f.know(ctx, id); err != nil {
		return Run{}, err
	}
	p, err := f.waitFor(ctx, id)
	if err != nil {
		return Run{}, err
	}
	return runOf(p, id), nil
}

// waitFor waits for a prediction or training.
func (f *FS) waitFor(ctx context.Context, id string) (*api.Prediction, error) {
	shelf := f.shelf(id)
	p, err := shelf.recall(ctx, id)
	if err != nil || p.Done() {
		return p, err
	}
	if _, ok := shelf.(listed); !ok { // one that has no flights
		p, err = f.api.Wait(ctx, p, nil)
		if err == nil {
			err = shelf.take(ctx, id, p)
		}
		return p, err
	}
	flight := f.follow(p, func() {})
	select {
	case <-flight.done:
		return flight.last, flight.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errSending says that a save has not been accepted yet, nor refused.
var errSending = errors.New("the newest save is still being sent")

// sendingPause is the time between looks at such a save.
const sendingPause = 50 * time.Millisecond

func (f *FS) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// runAt is the id of the run that a path leads to.
func (f *FS) runAt(ctx context.Context, name string) (string, error) {
	root := f.Root()
	name = path.Clean("/" + name)[1:]
	node, err := tree.Resolve(ctx, root, name)
	if err == nil {
		if _, folder := node.(tree.Dir); !folder { // a file is that of its folder
			if i := strings.LastIndexByte(name, '/'); i >= 0 {
				name = name[:i]
				node, err = tree.Resolve(ctx, root, name)
			}
		}
	}
	if err != nil {
		return "", err
	}
	if p, ok := node.(*predictionDir); ok {
		return p.id, nil
	}
	if d, ok := node.(interface{ desktop() *desk }); ok {
		if s := d.desktop().last(); s != nil {
			switch id, status, sentence := s.told(); {
			case id == "" && status == api.Starting:
				return "", errSending
			case id == "":
				return "", fmt.Errorf("%w: the newest save was refused: %s", ErrNoRun, sentence)
			}
		}
	}
	if node, err = tree.Resolve(ctx, root, path.Join(name, "latest")); err == nil {
		if p, ok := node.(*predictionDir); ok {
			return p.id, nil
		}
	}
	return "", fmt.Errorf("%w here: want the folder of a prediction, a file in it, or a folder in which a model is run", ErrNoRun)
}

// A URL is where Replicate has an output.
type URL struct {
	Path    string `json:"path"` // of the file, in the mount
	URL     string `json:"url"`
	Expired bool   `json:"expired,omitempty"` // Replicate has deleted what was there
}

// URLs are those of the file that a path leads to, or of all outputs in a
// folder. Where the hour of a prediction is over, the API is asked whether
// they still hold.
func (f *FS) URLs(ctx context.Context, name string) ([]URL, error) {
	name = path.Clean("/" + name)[1:]
	outputs, err := f.withURLs(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	urls := []URL{}
	for _, o := range outputs {
		u, err := f.url(ctx, o)
		if err != nil {
			return nil, err
		}
		urls = append(urls, u)
	}
	if len(urls) == 0 {
		return nil, fmt.Errorf("%s: no output with a URL is here", name)
	}
	return urls, nil
}

// withURLs are the files behind a path that have a URL, also those that are
// not listed any more because Replicate has deleted them.
func (f *FS) withURLs(ctx context.Context, name string) ([]*output, error) {
	node, err := tree.Resolve(ctx, f.Root(), name)
	made := func(name string) bool { return strings.HasPrefix(name, "output") } // not given, as input-*
	switch node := node.(type) {
	case *predictionDir:
		return node.outputs(ctx, made)
	case tree.Dir:
		all, err := f.outputsAt(ctx, name)
		return slices.DeleteFunc(all, func(o *output) bool { return !made(o.name) }), err
	case *output:
		return []*output{node}, nil
	}
	if err == nil {
		err = errors.New("it has no URL: only files on an output host have")
	}
	if errors.Is(err, iofs.ErrNotExist) || node != nil {
		dir, base := path.Split(name)
		if p, again := tree.Resolve(ctx, f.Root(), path.Clean(dir)); again == nil {
			if p, ok := p.(*predictionDir); ok {
				some, again := p.outputs(ctx, func(name string) bool { return name == base })
				if len(some) > 0 || again != nil {
					return some, again
				}
			}
		}
	}
	return nil, err
}

// outputs are the files of a prediction that have a URL and such a name.
func (d *predictionDir) outputs(ctx context.Context, named func(string) bool) ([]*output, error) {
	known, err := d.fs.folder(ctx, d.id)
	if err != nil {
		return nil, err
	}
	var some []*output
	for _, it := range known.all {
		if (it.kind == remote || it.kind == embedded) && named(it.name) {
			some = append(some, &output{d.fs, d.id, it.name})
		}
	}
	return some, nil
}

func (f *FS) url(ctx context.Context, o *output) (URL, error) {
	p, _ := f.about(o.id)
	if p.Done && !p.Removed && p.Source == "api" && f.now().Sub(p.Completed) > retention {
		if err := f.refresh(ctx, o.id); err != nil {
			f.log.Debug("it is not known whether a URL still holds", "prediction", o.id, "err", err)
		}
		p, _ = f.about(o.id)
	}
	known, err := f.folder(ctx, o.id)
	if err != nil {
		return URL{}, err
	}
	it, ok := known.item(o.name)
	if !ok {
		return URL{}, fmt.Errorf("%s: %w", o.path(), iofs.ErrNotExist)
	}
	facts, err := f.catalog.Outputs(ctx, o.id)
	return URL{Path: o.path(), URL: it.text, Expired: it.kind == remote && (p.Removed || facts[o.name].Gone)}, err
}
