package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// controlLimit is how long a mount may take to say how it is. It asks nobody
// for that, so one that takes longer hangs.
const controlLimit = 10 * time.Second

// A question is what a command asks of a mount.
type question struct {
	route    string     // "GET /status"
	values   url.Values // may be nil
	progress func(json.RawMessage) error
}

// ask has a mount do something and decodes the result into result, which may
// be nil.
func (p post) ask(ctx context.Context, q question, result any) error {
	var method, path string
	fmt.Sscan(q.route, &method, &path)
	u := url.URL{Scheme: "http", Host: "mount", Path: path, RawQuery: q.values.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		name, done, err := shortened(p.Socket)
		if err != nil {
			return nil, err
		}
		defer done()
		return new(net.Dialer).DialContext(ctx, "unix", name)
	}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return p.silent(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the mount at %s is of version %s, which does not know %s: unmount it and mount it again", p.Dir, p.Version, q.route)
	}
	for lines := json.NewDecoder(resp.Body); ; {
		var r reply
		err := lines.Decode(&r)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("the mount at %s ended meanwhile", p.Dir)
		case err != nil:
			return p.silent(ctx, err)
		case r.Error != "":
			return told{r.Error, kinds[r.Kind]}
		case r.Progress != nil && q.progress != nil:
			if err := q.progress(r.Progress); err != nil {
				return err
			}
		case r.Progress != nil:
		case result == nil:
			return nil
		default:
			return json.Unmarshal(r.Result, result)
		}
	}
}

// silent is the error for a mount that does not answer.
func (p post) silent(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if ctx.Err() != nil {
		err = errors.New("no answer in time")
	}
	return fmt.Errorf("the mount at %s (pid %d) does not answer: %w", p.Dir, p.PID, err)
}

// told is an error in the words of the mount.
type told struct {
	what string
	kind error
}

func (t told) Error() string { return t.what }
func (t told) Unwrap() error { return t.kind }
