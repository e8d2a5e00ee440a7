package fs

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"replicatefs/api"
)

// reach remembers which output hosts do not answer. A fault of a moment is
// mended by asking again, which takes seconds; without a network everybody who
// reads anything would wait for that, file after file.
type reach struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex // guards what follows
	hosts map[string]*silence
}

// A silence is a host that gave no answer lately.
type silence struct {
	times int // in a row
	first time.Time
	last  time.Time
	away  bool
	err   error
}

const (
	awayAfter = 4               // silences in a row
	awaySince = 3 * time.Second // from the first of them: many connections may break at one moment
	awayFor   = time.Second     // until somebody tries again
)

func newReach(log *slog.Logger, now func() time.Time) *reach {
	return &reach{log: log, now: now, hosts: map[string]*silence{}}
}

// try returns an error if the host of a URL is away and was asked just now.
func (r *reach) try(rawurl string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hosts[hostOf(rawurl)]
	if s == nil || !s.away || r.now().Sub(s.last) >= awayFor {
		return nil
	}
	return &awayError{s.err}
}

// note takes in how a request ended, and returns its error; with what shows
// that there is no use in repeating it, if the host is away.
func (r *reach) note(rawurl string, err error) error {
	host := hostOf(rawurl)
	var answer *api.ContentError
	silent := errors.As(err, &answer) && answer.Status == 0 && answer.Temporary()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hosts[host]
	if !silent {
		// Whoever stopped waiting learned nothing; any other outcome is an answer.
		if s != nil && (err == nil || answer != nil && answer.Status != 0) {
			delete(r.hosts, host)
			if s.away {
				r.log.Info("an output host answers again", "host", host)
			}
		}
		if errors.Is(err, api.ErrForbidden) || errors.Is(err, api.ErrChanged) {
			return &finalError{err} // a portal's redirect, or another file: the same each time
		}
		return err
	}
	if s == nil {
		s = &silence{first: r.now()}
		r.hosts[host] = s
	}
	s.times++
	s.last, s.err = r.now(), err
	if !s.away && s.times >= awayAfter && s.last.Sub(s.first) >= awaySince {
		s.away = true
		r.log.Warn("an output host does not answer; what is not here cannot be read", "host", host, "err", err)
	}
	if s.away {
		return &awayError{err}
	}
	return err
}

// An awayError is a request to a host that does not answer any more.
type awayError struct{ cause error }

func (e *awayError) Error() string   { return fmt.Sprintf("the host does not answer: %v", e.cause) }
func (e *awayError) Unwrap() error   { return e.cause }
func (e *awayError) Permanent() bool { return true } // to the cache: do not repeat it for this read

// A finalError is an answer that will be the same next time.
type finalError struct{ error }

func (e *finalError) Unwrap() error   { return e.error }
func (e *finalError) Permanent() bool { return true }

func hostOf(rawurl string) string {
	u, err := url.Parse(rawurl)
	if err != nil {
		return ""
	}
	return u.Host
}
