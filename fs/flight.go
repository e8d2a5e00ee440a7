package fs

import (
	"context"
	"fmt"

	"replicatefs/api"
	"replicatefs/fs/tree"
)

// A flight is a prediction that has not ended yet and is being watched. There
// is one per prediction however many wait for it, and it outlives them all:
// only the end of the run or of the mount ends it.
type flight struct {
	id     string
	speech *speech // nil of a run that had ended before

	done chan struct{}
	last *api.Prediction // set before done is closed
	err  error           // likewise
}

// follow watches a prediction until it has ended. Over is called then.
func (f *FS) follow(p *api.Prediction, over func()) *flight {
	f.mu.Lock()
	fl := f.flights[p.ID]
	if fl != nil || p.Done() {
		f.mu.Unlock()
		if fl == nil {
			fl = &flight{id: p.ID, done: make(chan struct{}), last: p}
			close(fl.done)
			f.tally.end(p.Status)
			over()
			return fl
		}
		f.tasks.Go(func() {
			<-fl.done
			over()
		})
		return fl
	}
	fl = &flight{id: p.ID, speech: newSpeech(p, f.content.Allowed), done: make(chan struct{}), last: p}
	f.flights[p.ID] = fl
	f.mu.Unlock()

	f.tasks.Go(func() {
		defer over()
		ctx := f.life
		last, err := f.api.Follow(ctx, p, func(p *api.Prediction) {
			fl.speech.hold(p)
			f.note(ctx, p)
		}, func(data string) bool { return f.hear(fl, data) })
		if err == nil {
			f.note(context.WithoutCancel(ctx), last)
			fl.last = last
			f.tally.end(last.Status)
		}
		fl.err = err
		f.mu.Lock()
		delete(f.flights, p.ID)
		f.mu.Unlock()
		close(fl.done)
	})
	return fl
}

// hear takes what the stream of a run says, and tells whether that was enough.
func (f *FS) hear(fl *flight, data string) bool {
	text, begun := fl.speech.hear(data)
	if begun { // there is a name more
		f.notify(tree.Change{Node: tree.Ino("prediction", fl.id), Content: true})
	}
	return text
}

// outcome is the result of close() for a run that has ended.
func (fl *flight) outcome() error {
	if fl.err != nil {
		return &refusal{kind: errRunFailed, cause: fl.err,
			sentence: fmt.Sprintf("The run %s was started, but it can no longer be watched: %v", fl.id, fl.err)}
	}
	if sentence := runOf(fl.last, fl.id).Failure(); sentence != "" {
		return &refusal{kind: errRunFailed, sentence: sentence}
	}
	return nil
}
