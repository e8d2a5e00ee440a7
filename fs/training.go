package fs

import (
	"context"
	"encoding/json"
	"errors"
	iofs "io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// trainingsDir is the folder of trainings, and begins their ids here.
const trainingsDir = "trainings/"

// trainings are the trainings of the account. There are few of them, so all
// are held in memory, and kept as documents of the catalog: trainings is the
// list, training/<id> each as told.
//
// Their list is asked for when somebody looks, at most once in Options.Poll.
// One that has not ended is asked for with the polls of predictions, and a
// little more often while its files are being read.
type trainings struct {
	fs *FS

	writing sync.Mutex // held while what was told is compared and written down: the newest comes last

	mu       sync.Mutex // guards what follows
	known    map[string]training
	complete bool                 // the list was read to its end once
	last     time.Time            // when it was asked for
	stirred  map[string]time.Time // when one was asked for because somebody read it
}

// A training is what the list document says of one.
type training struct {
	catalog.Prediction
	Made string // owner/name of the model whose version it made
}

// A trainingList is the document of all that are known.
type trainingList struct {
	Complete  bool
	Trainings []training
}

func byID(a, b training) int { return strings.Compare(a.ID, b.ID) }

const (
	trainingsKey = "trainings"
	trainingKey  = "training/" // and the API's id
)

// newTrainings goes on with what the last mount knew.
func newTrainings(f *FS) *trainings {
	t := &trainings{fs: f, known: map[string]training{}, stirred: map[string]time.Time{}}
	raw, _, err := f.catalog.Doc(f.life, trainingsKey)
	var list trainingList
	if err == nil && json.Unmarshal(raw, &list) == nil {
		t.complete = list.Complete
		for _, one := range list.Trainings {
			t.known[one.ID] = one
		}
	}
	return t
}

// all returns the trainings that are known, sorted by id.
func (t *trainings) all() []training {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Values(t.known), byID)
}

// heard tells whether the list was read to its end once, by this mount or an
// earlier one.
func (t *trainings) heard() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.complete
}

// dir is trainings/.
func (t *trainings) dir() tree.Dir {
	node := func(one training) tree.Entry {
		return tree.Entry{Name: strings.TrimPrefix(one.ID, trainingsDir), Node: &predictionDir{t.fs, one.ID}}
	}
	return &tree.Listing{
		Number: tree.Ino("folder", "trainings"),
		Told: func() tree.Info {
			at := t.fs.since
			for _, one := range t.all() {
				at = later(at, modTime(one.Prediction))
			}
			return folderInfo(at)
		},
		Entries: func(ctx context.Context) ([]tree.Entry, error) {
			t.news(ctx)
			var entries []tree.Entry
			for _, one := range t.all() {
				entries = append(entries, node(one))
			}
			return entries, nil
		},
		Named: func(ctx context.Context, name string) (tree.Node, error) {
			if !predictionID.MatchString(name) {
				return nil, iofs.ErrNotExist
			}
			id := trainingsDir + name
			if _, ok := t.about(id); !ok {
				if err := t.fs.misses.ask(ctx, id, func(ctx context.Context) error { return t.fs.refresh(ctx, id) }); err != nil {
					return nil, err
				}
			}
			return &predictionDir{t.fs, id}, nil
		},
	}
}

// news brings the list up to date, for who looks at it. Who looks waits a
// moment for it, and sees what is known if it does not come.
func (t *trainings) news(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstLimit)
	defer cancel()
	t.fs.asking.ask(ctx, trainingsKey, listLimit, func(ctx context.Context) (any, error) {
		if err := t.list(ctx); err != nil && t.fs.life.Err() == nil {
			t.fs.log.Warn("the list of trainings could not be read; what is known stays", "err", err)
		}
		return nil, nil
	})
}

// list reads the list, newest first, as far as it is not known, and at most
// once in Options.Poll.
func (t *trainings) list(ctx context.Context) error {
	t.mu.Lock()
	if t.fs.away() != nil || !t.last.IsZero() && t.fs.now().Sub(t.last) < t.fs.o.Poll {
		t.mu.Unlock()
		return nil
	}
	t.last = t.fs.now()
	complete := t.complete
	t.mu.Unlock()
	var told []*api.Prediction
	var err error
	for p, failed := range t.fs.api.Trainings(ctx) {
		if failed != nil {
			err = failed
			break
		}
		told = append(told, p)
		if known, ok := t.about(trainingsDir + p.ID); ok && known.Done && complete {
			break // and so are all older ones, but for those that are watched
		}
	}
	return errors.Join(err, t.put(ctx, err == nil, told...))
}

// put writes down what was told of trainings; to the end says that there are
// no others.
func (t *trainings) put(ctx context.Context, toTheEnd bool, told ...*api.Prediction) error {
	var fresh []string
	for _, p := range told {
		news, err := t.learn(ctx, p)
		if err != nil {
			return err
		}
		if news {
			fresh = append(fresh, trainingsDir+p.ID)
		}
	}
	t.mu.Lock()
	same := len(fresh) == 0 && (!toTheEnd || t.complete)
	t.mu.Unlock()
	if same {
		return nil
	}
	err := t.writeDown(ctx, toTheEnd)
	t.fs.changes.Add(uint64(len(fresh)))
	for _, id := range fresh {
		t.fs.folders.Remove(id)
		t.fs.changed(ctx, id)
	}
	t.fs.notify(tree.Change{Node: tree.Ino("folder", "trainings"), Content: true})
	return err
}

// learn writes down what was told of one training, if that is more than is
// known. Answers may come in another order than they were given.
func (t *trainings) learn(ctx context.Context, p *api.Prediction) (news bool, err error) {
	t.writing.Lock()
	defer t.writing.Unlock()
	id := trainingsDir + p.ID
	known, ok := t.about(id)
	object := p.Raw
	next := t.fs.record(p).Prediction
	next.ID, next.Layout = id, ""
	switch {
	case !ok:
	case p.DataRemoved && !known.Removed:
		old, err := t.recall(ctx, id)
		if err != nil {
			return false, err
		}
		object, next.Full = old.Raw, known.Full
		if !known.Done {
			object, next.Full = withData(p.Raw, old), old.HasLogs
		}
	case known.Removed || known.Done && (!p.Done() || known.Full || !p.HasLogs) || !p.Done() && !p.HasLogs:
		return false, nil
	}
	if _, err := t.fs.catalog.PutDoc(ctx, trainingKey+p.ID, object); err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[id] = training{next, madeBy(p, t.known[id].Made)}
	return true, nil
}

// writeDown keeps the list for the next mount.
func (t *trainings) writeDown(ctx context.Context, toTheEnd bool) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	t.complete = t.complete || toTheEnd
	list := trainingList{t.complete, slices.SortedFunc(maps.Values(t.known), byID)}
	t.mu.Unlock()
	raw, err := json.Marshal(list)
	if err == nil {
		_, err = t.fs.catalog.PutDoc(ctx, trainingsKey, raw)
	}
	return err
}

// withData is the end of a training as told after Replicate has deleted its
// data, with the data that was seen before.
func withData(told json.RawMessage, known *api.Prediction) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(told, &members) != nil {
		return known.Raw
	}
	members["input"], members["output"], members["data_removed"] = known.Input, known.Output, json.RawMessage("false")
	if known.HasLogs {
		members["logs"], _ = encode(known.Logs)
	}
	object, err := encode(members)
	if err != nil {
		return known.Raw
	}
	return object
}

// madeBy is the model whose version a training made: its output names both.
func madeBy(p *api.Prediction, before string) string {
	var output struct {
		Version string `json:"version"`
	}
	if json.Unmarshal(p.Output, &output) != nil {
		return before
	}
	if model, _, ok := strings.Cut(output.Version, ":"); ok {
		return model
	}
	return before
}

// models are those that were trained, or came of it, as owner/name.
func (t *trainings) models() []string {
	var names []string
	for _, one := range t.all() {
		names = append(names, one.Model, one.Made)
	}
	return names
}

// poll asks for those that have not ended.
func (t *trainings) poll(ctx context.Context) error {
	for _, one := range t.all() {
		if one.Done || !t.fs.due(one.Prediction) {
			continue
		}
		if err := t.fs.again(ctx, one.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t *trainings) about(id string) (catalog.Prediction, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.known[id]
	return one.Prediction, ok
}

func (t *trainings) recall(ctx context.Context, id string) (*api.Prediction, error) {
	raw, _, err := t.fs.catalog.Doc(ctx, trainingKey+strings.TrimPrefix(id, trainingsDir))
	if err != nil {
		return nil, err
	}
	return api.ParsePrediction(raw)
}

func (t *trainings) ask(ctx context.Context, id string) (*api.Prediction, error) {
	return t.fs.api.Training(ctx, strings.TrimPrefix(id, trainingsDir))
}

func (t *trainings) take(ctx context.Context, _ string, p *api.Prediction) error {
	return t.put(ctx, false, p)
}

// wanted asks for a training that somebody reads, behind the reader's back,
// and not more often than it would have news.
func (t *trainings) wanted(id string) {
	now := t.fs.now()
	t.mu.Lock()
	due := now.Sub(t.stirred[id]) >= quickPoll
	if due {
		t.stirred[id] = now
	}
	t.mu.Unlock()
	if !due {
		return
	}
	t.fs.tasks.Go(func() {
		if err := t.fs.refresh(t.fs.life, id); err != nil && t.fs.life.Err() == nil {
			t.fs.log.Debug("a training could not be asked for", "training", id, "err", err)
		}
	})
}

func (t *trainings) cancel(ctx context.Context, id string) (*api.Prediction, error) {
	return t.fs.api.CancelTraining(ctx, strings.TrimPrefix(id, trainingsDir))
}
