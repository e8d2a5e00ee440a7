package fs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"replicatefs/api"
	"replicatefs/cache/catalog"
	"replicatefs/fs/tree"
)

// An order is what a save on a desk runs, and the rules for its input.
type order struct {
	target api.Target
	rules  func() (*rules, error)
}

// A runner makes out the order of a desk, asking the API where it must, or in
// any case if it is to be fresh.
type runner func(ctx context.Context, fresh bool) (order, error)

// plainText is a text without what only marks its beginning and its end: the
// sign that some editors put before UTF-8, and the final newline.
func plainText(content []byte) []byte {
	text, ended := bytes.CutSuffix(bytes.TrimPrefix(content, []byte("\ufeff")), []byte("\n"))
	if ended {
		text = bytes.TrimSuffix(text, []byte("\r"))
	}
	return text
}

// promptInput makes an input of the text of prompt.txt. A file of nothing but
// its final newline is empty, and runs nothing.
func promptInput(content []byte) (json.RawMessage, error) {
	text := plainText(content)
	switch {
	case len(text) == 0:
		return nil, nil
	case !utf8.Valid(text):
		return nil, refuse("prompt.txt is not text: it has bytes that are not UTF-8. Pictures go into input.json, as data: URIs.")
	}
	return encode(map[string]string{"prompt": string(text)})
}

// jsonInput takes the text of input.json as the input.
func jsonInput(content []byte) (json.RawMessage, error) {
	content = bytes.TrimSpace(plainText(content))
	if len(content) == 0 {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(content, &object); err != nil {
		return nil, refuse(badJSON(content, err))
	}
	return json.RawMessage(content), nil
}

// badJSON says where the JSON of an input is wrong.
func badJSON(content []byte, err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		before := content[:min(syntax.Offset, int64(len(content)))]
		row := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n') - 1
		return fmt.Sprintf("input.json is not valid JSON: line %d, column %d: %v.", row, column, err)
	case errors.As(err, &kind):
		return fmt.Sprintf(`input.json must be an object like {"prompt": "a lion"}, not a %s.`, kind.Value)
	}
	return fmt.Sprintf("input.json is not valid JSON: %v.", err)
}

// encode is json.Marshal without its habit of escaping < > and &.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// A sheet is what a save gives a run. Input makes of it what is checked: the
// rules, nil where there are none, tell text from numbers and files. Sent is
// what is sent in the end, after what had to be uploaded is.
type sheet interface {
	input(r *rules) (json.RawMessage, error)
	sent(ctx context.Context) (json.RawMessage, error)
}

// given is a sheet that is the input as it is.
type given json.RawMessage

func (w given) input(*rules) (json.RawMessage, error)         { return json.RawMessage(w), nil }
func (w given) sent(context.Context) (json.RawMessage, error) { return json.RawMessage(w), nil }

// trigger does what saving a trigger means: it runs the model with what was
// written, once, if that is anything.
func (d *desk) trigger(ctx context.Context, name string, content []byte) error {
	in, err := triggers[name](content)
	switch {
	case err != nil:
		d.end(d.begin(nil), err)
		return err
	case in == nil:
		return nil
	}
	return d.save(ctx, given(in), nil)
}

// save runs a sheet, and waits for the outcome as Options.Wait says. The error
// is the result of close(); its sentence is in error.txt.
func (d *desk) save(ctx context.Context, what sheet, keep scribe) error {
	s := d.begin(keep)
	err := d.fs.run(ctx, d, s, what)
	d.end(s, err)
	return err
}

func (d *desk) end(s *save, err error) {
	s.end(err)
	d.fs.notify(tree.Change{Node: d.ino(), Content: true})
}

// run sends one prediction and waits for it. It returns nil when it went well
// or when the waiting ended first: then the run goes on.
func (f *FS) run(ctx context.Context, d *desk, s *save, what sheet) error {
	limit := max(f.o.Wait, minSend)
	look, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	target, err := f.check(look, d, what)
	if err != nil {
		return f.explain(err, d.where)
	}
	// An upload takes its time, which is nobody's waiting for a run.
	before := f.now()
	in, err := what.sent(ctx)
	if err != nil {
		return f.explain(err, d.where)
	}
	begun := s.at.Add(f.now().Sub(before))
	turn, cancel := context.WithTimeout(ctx, f.o.Wait-f.now().Sub(begun))
	defer cancel()
	release, err := f.guard.enter(turn)
	if err != nil {
		return f.explain(err, d.where)
	}
	// What the API holds is let go before it is given up here: the answer to a
	// create that was given up must be looked for.
	prefer := max(0, min(f.o.PreferWait, f.o.Wait-f.now().Sub(begun)))
	send, cancel := context.WithTimeout(ctx, max(limit-f.now().Sub(begun), prefer+minSend))
	defer cancel()
	p, err := f.create(send, d.where, target, in, prefer, s.accept)
	if err != nil {
		release()
		return f.explain(err, d.where)
	}
	f.tally.start()
	f.log.Info("run started", "where", d.where, "prediction", p.ID)
	flight := f.follow(p, release)
	f.notify(tree.Change{Node: d.ino(), Content: true})

	if f.o.Wait <= 0 {
		return nil
	}
	timer := time.NewTimer(f.o.Wait - f.now().Sub(begun))
	defer timer.Stop()
	select {
	case <-flight.done:
		return flight.outcome()
	case <-timer.C:
		f.log.Info("run goes on after the wait", "prediction", p.ID, "waited", f.o.Wait)
	case <-ctx.Done():
		f.log.Info("run goes on after an interrupt", "prediction", p.ID)
	}
	return nil
}

// minSend is how long a save may take to be accepted, however short the wait
// for its end is: its error can only be told before close() returns.
const minSend = 10 * time.Second

// create sends one prediction, never twice; the API may hold the request for as
// long as prefer says. The intent is on disk before the
// request leaves and the id right after, so that a crash between the two can
// be looked into at the next start, which then does what accepted does.
func (f *FS) create(ctx context.Context, where string, target api.Target, in json.RawMessage, prefer time.Duration, accepted func(id string)) (*api.Prediction, error) {
	intent := catalog.Run{
		ID: strconv.FormatInt(f.now().UnixNano(), 36) + "-" + strconv.FormatUint(f.sends.Add(1), 36), Started: f.now(),
		Model: target.Model, Version: target.Version, Deployment: target.Deployment, Input: in, Note: where,
	}
	if err := f.catalog.PutRun(ctx, intent); err != nil {
		return nil, fmt.Errorf("write down the run before sending it: %w", err)
	}
	done := f.claims.sending(runKey(intent))
	p, err := f.api.Create(ctx, target, in, api.CreateOptions{PreferWait: prefer, CancelAfter: f.o.CancelAfter})
	if err == nil {
		f.claims.take(p.ID)
	}
	done()
	if errors.Is(err, api.ErrAmbiguous) {
		p, err = f.adopt(context.WithoutCancel(ctx), intent, err)
	}
	// From here on nothing may be forgotten because somebody stopped waiting.
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		if !errors.Is(err, api.ErrAmbiguous) {
			f.forget(ctx, intent.ID)
			return nil, err
		}
		err = f.explain(err, where)
		f.told(ctx, intent, err)
		return nil, err
	}
	intent.Prediction = p.ID
	if err := f.catalog.PutRun(ctx, intent); err != nil {
		f.log.Error("the id of a run could not be written down", "prediction", p.ID, "err", err)
	}
	noted := f.note(ctx, p)
	accepted(p.ID)
	if noted == nil { // else the next mount does it
		f.forget(ctx, intent.ID)
	}
	return p, nil
}

// forget takes a run off the list of those in flight: it was refused, or its
// prediction is in the catalog, which is where it is followed from.
func (f *FS) forget(ctx context.Context, run string) {
	if err := f.catalog.DeleteRun(ctx, run); err != nil {
		f.log.Warn("a finished run stays on the list", "run", run, "err", err)
	}
}
