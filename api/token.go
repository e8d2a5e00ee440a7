package api

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// redacted is what a Token shows of itself.
const redacted = "REDACTED"

// Token is a Replicate API token. However it is printed, formatted, logged or
// marshaled it shows REDACTED; only a conversion to string reveals it, and only
// the request builder does that.
type Token string

// String returns REDACTED, or "" for the empty token, so that "no token" can be told.
func (t Token) String() string {
	if t == "" {
		return ""
	}
	return redacted
}

// GoString returns what %#v prints.
func (t Token) GoString() string { return `api.Token("` + t.String() + `")` }

// Format answers every verb, also %x and %d, which would pass by String. Only %p
// never asks; go vet refuses it for a string.
func (t Token) Format(f fmt.State, verb rune) {
	s := t.String()
	switch {
	case verb == 'v' && f.Flag('#'):
		s = t.GoString()
	case verb == 'q':
		s = `"` + s + `"`
	}
	io.WriteString(f, s)
}

// LogValue makes slog handlers print what String returns.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText makes JSON, YAML and XML encoders print what String returns.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// valid reports whether t can travel in a header at all. A stray newline from a
// token file would otherwise surface as a puzzling transport error.
func (t Token) valid() bool {
	return strings.IndexFunc(string(t), func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

var errTokenForm = errors.New("the API token contains spaces or control characters: check for line breaks where it is stored")

// auth holds the token behind a pointer: fmt prints pointers inside structs as
// addresses, so even a Client printed with %+v shows nothing.
type auth struct {
	source func() (Token, error)

	mu    sync.Mutex // guards the fields below
	token Token
	read  bool // token is set, from Options or source
}

// current returns the token to send; empty means none is configured.
func (a *auth) current() (Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.read || a.source == nil {
		return a.token, nil
	}
	return a.token, a.loadLocked()
}

// renew asks the source again after old was refused and reports whether there is
// now another token to try. A token that someone else renewed meanwhile counts.
func (a *auth) renew(old Token) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token != old {
		return true
	}
	if a.source == nil || a.loadLocked() != nil {
		return false
	}
	return a.token != old
}

func (a *auth) loadLocked() error {
	t, err := a.source()
	if err != nil {
		return fmt.Errorf("read the API token: %w", err)
	}
	if !t.valid() {
		return errTokenForm
	}
	a.token, a.read = t, true
	return nil
}

// scrub removes the token from text that came from outside: a server or proxy
// that echoes the request must not put the token into an error message.
func (a *auth) scrub(s string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.token) < 4 {
		return s // no secret, and replacing single letters would only mangle the text
	}
	return strings.ReplaceAll(s, string(a.token), redacted)
}
