package api

import (
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"testing"
)

func TestTokenPrintsRedacted(t *testing.T) {
	type holder struct {
		T Token
		P *Token
	}
	tok := testToken
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%20s"} {
		for _, v := range []any{tok, &tok, []Token{tok}, map[Token]Token{tok: tok}, Options{Token: tok}, &Options{Token: tok}, holder{T: tok, P: &tok}} {
			got := fmt.Sprintf(verb, v)
			noSecret(t, verb, got)
			noSecret(t, verb+" unhexed", unhex(got))
		}
	}
	var rec record
	rec.logger().Info("x", "token", tok, "options", Options{Token: tok}, "err", fmt.Errorf("bad %v", tok))
	noSecret(t, "log", rec.String())
	js, err := json.Marshal(map[string]any{"t": tok, "p": &tok, string("k"): holder{T: tok}})
	if err != nil {
		t.Fatal(err)
	}
	noSecret(t, "JSON", string(js))
	for got, want := range map[string]string{
		fmt.Sprint(tok):                 "REDACTED",
		fmt.Sprintf("%x", tok):          "REDACTED",
		fmt.Sprintf("%q", tok):          `"REDACTED"`,
		fmt.Sprintf("%#v", tok):         `api.Token("REDACTED")`,
		fmt.Sprint(Token("")):           "",
		tok.GoString():                  `api.Token("REDACTED")`,
		tok.LogValue().String():         "REDACTED",
		fmt.Sprintf("%s", []Token{tok}): "[REDACTED]",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func unhex(s string) string {
	var b []byte
	for i := 0; i+1 < len(s); i += 2 {
		var c byte
		if _, err := fmt.Sscanf(s[i:i+2], "%02x", &c); err == nil {
			b = append(b, c)
		}
	}
	return string(b)
}

func TestClientPrintsNoToken(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{"username":"u"}`) })
	c := n.client(Options{})
	if _, err := c.Account(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
		noSecret(t, verb, fmt.Sprintf(verb, c))
		noSecret(t, verb, fmt.Sprintf(verb, *c))
		noSecret(t, verb, unhex(fmt.Sprintf(verb, *c)))
	}
}

func TestTokenForm(t *testing.T) {
	for _, tok := range []Token{"r8_a\n", "a b", "a\x00b", "tökén"} {
		if _, err := New(Options{Token: tok}); err == nil {
			t.Errorf("token %q was accepted", string(tok))
		}
	}
}

// A token that was renewed on disk is found after a 401, for a create too: what
// was refused had no effect.
func TestTokenRenewed(t *testing.T) {
	var accepted []string
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			answer(w, 401, `{"title":"Unauthenticated","detail":"You did not pass a valid authentication token","status":401}`)
			return
		}
		accepted = append(accepted, r.Method)
		answer(w, 201, `{"id":"abc","status":"starting"}`)
	})
	tokens := []Token{"old", "new"}
	reads := 0
	c := n.client(Options{TokenSource: func() (Token, error) {
		tok := tokens[min(reads, 1)]
		reads++
		return tok, nil
	}})
	if _, err := c.Create(t.Context(), Target{Model: "a/b"}, []byte(`{}`), CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Prediction(t.Context(), "abc"); err != nil {
		t.Fatal(err)
	}
	if reads != 2 || len(accepted) != 2 {
		t.Errorf("reads of the token: %d, want 2; accepted calls: %v, want 2", reads, accepted)
	}
}

func TestTokenRefused(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) {
		// An answer that echoes what it got.
		answer(w, 401, `{"title":"Unauthenticated","detail":"bad `+r.Header.Get("Authorization")+`","invalid_fields":[{"description":"`+r.Header.Get("Authorization")+`"}]}`)
	})
	reads := 0
	c := n.client(Options{TokenSource: func() (Token, error) { reads++; return testToken, nil }})
	_, err := c.Account(t.Context())
	if !errors.Is(err, iofs.ErrPermission) {
		t.Errorf("got %v, want a permission error", err)
	}
	noSecret(t, "error", fmt.Sprintf("%v %+v %#v", err, err, err))
	if got := len(n.requests()); got != 1 || reads != 2 {
		t.Errorf("%d requests and %d reads of the same token, want 1 and 2", got, reads)
	}
}

func TestTokenSourceFails(t *testing.T) {
	n := newNetwork(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a request without a token") })
	c := n.client(Options{TokenSource: func() (Token, error) { return "", iofs.ErrPermission }})
	if _, err := c.Account(t.Context()); !errors.Is(err, iofs.ErrPermission) {
		t.Errorf("got %v, want the error of the source", err)
	}
}

func TestBaseURL(t *testing.T) {
	for _, tt := range []struct {
		in, want string // want "" means refused
	}{
		{"", "https://api.replicate.com/v1"},
		{"https://API.replicate.com/v1/", "https://api.replicate.com/v1"},
		{"http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"},
		{"http://[::1]:8080/v1", "http://[::1]:8080/v1"},
		{"http://localhost:8080/v1//", "http://localhost:8080/v1"},
		{"https://gateway.example/replicate/v1", "https://gateway.example/replicate/v1"},
		{"http://api.replicate.com/v1", ""},
		{"http://localhost.example/v1", ""},
		{"http://127.0.0.1.example/v1", ""},
		{"https://user:secret@api.replicate.com/v1", ""},
		{"https://api.replicate.com/v1?x=1", ""},
		{"https://api.replicate.com/v1#x", ""},
		{"ftp://api.replicate.com/v1", ""},
		{"api.replicate.com/v1", ""},
		{"https:///v1", ""},
		{"https://:443/v1", ""},
		{"https://%zz/v1", ""},
		{"/v1", ""},
	} {
		c, err := New(Options{BaseURL: tt.in})
		if err != nil {
			if tt.want != "" {
				t.Errorf("New(%q): %v", tt.in, err)
			}
			continue
		}
		if got := c.Base(); got != tt.want {
			t.Errorf("New(%q).Base() = %q, want %q", tt.in, got, tt.want)
		}
	}
}
