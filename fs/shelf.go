package fs

import (
	"context"
	iofs "io/fs"
	"path"
	"strings"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// A shelf is where predictions of one kind are known from: those of the
// account's list, its trainings, the examples of models. Their folders are
// made by the same nodes, which know a prediction by its id; that of one which
// is not in the list is its path, and so has a slash.
type shelf interface {
	// about is what is known of one without reading or asking.
	about(id string) (catalog.Prediction, bool)

	// recall reads the whole of it from what is kept here.
	recall(ctx context.Context, id string) (*api.Prediction, error)

	// ask has the API tell it, and take writes down what was told.
	ask(ctx context.Context, id string) (*api.Prediction, error)
	take(ctx context.Context, id string, p *api.Prediction) error

	// wanted says that somebody reads one that has not ended.
	wanted(id string)

	cancel(ctx context.Context, id string) (*api.Prediction, error)
}

func (f *FS) shelf(id string) shelf {
	switch {
	case strings.HasPrefix(id, trainingsDir):
		return f.trainings
	case strings.Contains(id, "/"):
		return examples{f}
	}
	return listed{f}
}

// about is what is known of a prediction on whatever shelf.
func (f *FS) about(id string) (catalog.Prediction, bool) { return f.shelf(id).about(id) }

// refresh asks for one prediction.
func (f *FS) refresh(ctx context.Context, id string) error {
	s := f.shelf(id)
	p, err := s.ask(ctx, id)
	if err != nil {
		return translate(err)
	}
	return s.take(ctx, id, p)
}

// placeOf is where in the mount a prediction is.
func placeOf(id string) string {
	switch {
	case !strings.Contains(id, "/"):
		return "predictions/" + id
	case strings.HasPrefix(id, trainingsDir):
		return id
	}
	return path.Dir(id)
}

// isExample tells whether a node is the folder of an example.
func isExample(n tree.Node) bool {
	d, ok := n.(*predictionDir)
	if !ok {
		return false
	}
	_, ok = d.fs.shelf(d.id).(examples)
	return ok
}

// listed are the predictions of the account's list, which are in the catalog.
type listed struct{ *FS }

func (l listed) about(id string) (catalog.Prediction, bool) { return l.catalog.Prediction(id) }

func (l listed) ask(ctx context.Context, id string) (*api.Prediction, error) {
	return l.api.Prediction(ctx, id)
}

func (l listed) take(ctx context.Context, _ string, p *api.Prediction) error {
	return l.store(ctx, l.record(p))
}

func (l listed) wanted(string) {} // flights and polls follow them

func (l listed) cancel(ctx context.Context, id string) (*api.Prediction, error) {
	return l.api.Cancel(ctx, id)
}

// examples are the runs that models show on their pages. They are told with
// the model, and belong to its owner: nobody else can ask for one by its id.
type examples struct{ *FS }

// exampleID is the id here of the example of a model. It has the prediction's
// own in it: another example is another folder.
func exampleID(model string, p *api.Prediction) string {
	return "models/" + model + "/example/" + p.ID
}

// find returns the example of that id, if the model still shows it.
func (e examples) find(ctx context.Context, id string, model func(context.Context, string) (*modelDoc, error)) (*api.Prediction, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(id, "models/"), "/example/")
	m, err := model(ctx, name)
	if err != nil {
		return nil, err
	}
	if m.DefaultExample == nil || exampleID(name, m.DefaultExample) != id {
		return nil, iofs.ErrNotExist
	}
	return m.DefaultExample, nil
}

func (e examples) about(id string) (catalog.Prediction, bool) {
	p, err := e.find(e.life, id, e.docs.known)
	if err != nil {
		return catalog.Prediction{}, false
	}
	known := e.record(p).Prediction
	known.ID, known.Full, known.Layout = id, true, "" // nobody tells more of it
	return known, true
}

func (e examples) recall(ctx context.Context, id string) (*api.Prediction, error) {
	return e.find(ctx, id, e.docs.known)
}

func (e examples) ask(ctx context.Context, id string) (*api.Prediction, error) {
	return e.find(ctx, id, e.docs.fetch)
}

func (e examples) take(context.Context, string, *api.Prediction) error { return nil } // kept with its model
func (e examples) wanted(string)                                       {}

func (e examples) cancel(context.Context, string) (*api.Prediction, error) {
	return nil, iofs.ErrPermission
}
