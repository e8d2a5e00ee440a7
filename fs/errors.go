package fs

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"strings"

	"replicatefs/api"
	"replicatefs/fs/tree"
)

// A refusal is an error with a sentence for the person who saved, and the
// kind that close() returns. Err keeps the cause for errors.Is and the log.
type refusal struct {
	sentence string
	kind     error // what the refusal is to errors.Is, beside its cause
	cause    error
}

func (r *refusal) Error() string { return r.sentence }

func (r *refusal) Unwrap() []error {
	if r.cause == nil {
		return []error{r.kind}
	}
	return []error{r.kind, r.cause}
}

// refuse is an input that was refused before anything was sent.
func refuse(sentence string) error { return &refusal{sentence: sentence, kind: iofs.ErrInvalid} }

// errRunFailed is a prediction that ended without success.
var errRunFailed = errors.New("the run did not succeed")

// translate gives errors of the API the kinds that the tree knows and api
// does not: its own package says what 404 means, but not what a quota is.
func translate(err error) error {
	var answer *api.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Status {
	case http.StatusPaymentRequired:
		return fmt.Errorf("%w: %w", tree.ErrQuota, err)
	case http.StatusTooManyRequests:
		return fmt.Errorf("%w: %w", tree.ErrBusy, err)
	case http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %w", tree.ErrTooLarge, err)
	}
	return err
}

// explain makes the sentence of error.txt from what stopped a run before it
// was accepted, and says what to do. Its kind becomes the result of close().
func (f *FS) explain(err error, where string) error {
	var known *refusal
	if errors.As(err, &known) {
		return known
	}
	err = translate(err)
	say := func(kind error, format string, args ...any) error {
		return &refusal{sentence: fmt.Sprintf(format, args...), kind: kind, cause: err}
	}
	var answer *api.Error
	errors.As(err, &answer)
	switch {
	case errors.Is(err, api.ErrAmbiguous):
		return say(errAmbiguous, "%v\nLook into predictions/ before saving again: the run may have started, and would be paid for twice.", err)
	case errors.Is(err, tree.ErrQuota):
		return say(tree.ErrQuota, "Replicate wants payment first: %s", answer.Detail)
	case errors.Is(err, tree.ErrTooLarge):
		return say(tree.ErrTooLarge, "Nothing was run: %v", err)
	case errors.Is(err, tree.ErrBusy) && answer != nil:
		return say(tree.ErrBusy, "Replicate limits how often this account may run models, and the wait (--wait %v) was too short: %s", f.o.Wait, answer.Detail)
	case errors.Is(err, tree.ErrBusy):
		return say(tree.ErrBusy, "%v", err)
	case errors.Is(err, context.Canceled):
		return say(context.Canceled, "Interrupted before it was sent: nothing was run.")
	case errors.Is(err, context.DeadlineExceeded):
		return say(tree.ErrBusy, "Nothing was sent: its turn did not come within %v. Save again, or mount with a longer --wait.", f.o.Wait)
	case errors.Is(err, iofs.ErrInvalid) && answer != nil:
		return say(iofs.ErrInvalid, "%s", invalid(answer))
	case errors.Is(err, iofs.ErrPermission):
		return say(iofs.ErrPermission, "Replicate refused the token for this: %v. Check it with replicatefs login.", err)
	case errors.Is(err, iofs.ErrNotExist):
		return say(iofs.ErrNotExist, "Replicate knows no such model, or does not let this account run it: %s (%v)", where, err)
	case errors.Is(err, api.ErrUnreachable):
		return say(api.ErrUnreachable, "Nothing was run: %v", err)
	}
	return say(errRunFailed, "Nothing was run: %v", err)
}

// errAmbiguous is a run of which nobody knows whether it was started.
var errAmbiguous = errors.New("it is not known whether the run was started")

// invalid says which fields the API refused, and why, one to a line.
func invalid(answer *api.Error) string {
	if len(answer.Fields) == 0 {
		return "Replicate refused the input: " + strings.TrimSpace(answer.Detail)
	}
	var b strings.Builder
	b.WriteString("Replicate refused the input:")
	for _, field := range answer.Fields {
		name := strings.TrimPrefix(strings.TrimPrefix(field.Field, "input"), ".")
		if name != "" {
			name += ": "
		}
		b.WriteString("\n- " + name + field.Description)
	}
	return b.String()
}
