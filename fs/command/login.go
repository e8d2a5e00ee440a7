package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"replicatefs/api"
)

func loginCommand() *cli.Command {
	return &cli.Command{
		Name:  "login",
		Usage: "check a token and store it for the other commands",
		Description: "Asks for the token on a terminal, without showing it, or reads it from a pipe. Never give it as an\n" +
			"argument: others on this machine see those, and the shell writes them down.\n\n" +
			"   replicatefs login\n" +
			"   pass show replicate | replicatefs login",
		Flags: connectionFlags()[:1],
		Action: func(c *cli.Context) error {
			if c.Args().Present() { // and is not repeated
				return usage{"replicatefs login takes no argument, and a token in particular is seen by everybody there: run it alone and paste the token, or pipe it in.\nIf that was your token, it is better to make a new one at https://replicate.com/account/api-tokens"}
			}
			return login(c)
		},
	}
}

func login(c *cli.Context) error {
	file, err := storedToken(c.String("base-url"))
	if err != nil {
		return err
	}
	token, err := askToken(c, c.String("base-url"))
	if err != nil {
		return err
	}
	client, err := api.New(api.Options{BaseURL: c.String("base-url"), Token: token, UserAgent: agent()})
	if err != nil {
		return tokenError(err.Error())
	}
	defer client.Close()
	ctx, stop := context.WithTimeout(c.Context, accountLimit)
	defer stop()
	account, err := client.Account(ctx)
	switch {
	case refused(err):
		return tokenError(err.Error())
	case err != nil:
		return fmt.Errorf("the token could not be checked, and is not stored: %w", err)
	}
	_, missing := os.Stat(file)
	if err := storeToken(file, token); err != nil {
		return fmt.Errorf("store the token: %w", err)
	}
	in := "Logged in"
	if missing == nil {
		in = "The stored token is replaced. Logged in"
	}
	say(c.App.Writer, "%s as %s. The token is in %s, for you alone.", in, account.Username, file)
	if env := envToken(); env != "" && env != token {
		say(c.App.ErrWriter, "Note that REPLICATE_API_TOKEN holds another token, which comes before the stored one.")
	}
	return nil
}

// maxToken is more than any token has.
const maxToken = 4 << 10

// askToken reads a token from a terminal, without showing it, or from a pipe.
func askToken(c *cli.Context, base string) (api.Token, error) {
	in, ok := c.App.Reader.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		b, err := io.ReadAll(io.LimitReader(c.App.Reader, maxToken))
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		return checkForm(string(b))
	}
	// The terminal is mute before it asks: what is pasted at the sight of the prompt must not be shown.
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(in.Fd()), before)
	screen := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, c.App.ErrWriter}, "")
	say(screen, "Get a token at https://replicate.com/account/api-tokens and paste it here; it is not shown.")
	type answer struct {
		line string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		line, err := screen.ReadPassword(fmt.Sprintf("Token for %s: ", base))
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		switch {
		case errors.Is(a.err, io.EOF): // Ctrl-C or Ctrl-D
			fmt.Fprint(c.App.ErrWriter, "\r\n")
			return "", errors.New("interrupted")
		case a.err != nil && !errors.Is(a.err, term.ErrPasteIndicator):
			fmt.Fprint(c.App.ErrWriter, "\r\n")
			return "", fmt.Errorf("read the token: %w", a.err)
		}
		return checkForm(a.line)
	case <-c.Context.Done():
		fmt.Fprint(c.App.ErrWriter, "\r\n")
		return "", c.Context.Err()
	}
}

// checkForm finds what can be no token before it is sent.
func checkForm(s string) (api.Token, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", tokenError("nothing was given")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", tokenError("what was given is not one word")
	}
	return api.Token(s), nil
}

func logoutCommand() *cli.Command {
	return &cli.Command{
		Name:        "logout",
		Usage:       "forget the stored token",
		Description: "What is known locally of the account stays, and a mount goes on with the token it has.",
		Flags:       connectionFlags()[:1],
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, 0, "flags only"); err != nil {
				return err
			}
			file, err := storedToken(c.String("base-url"))
			if err != nil {
				return err
			}
			switch err := os.Remove(file); {
			case errors.Is(err, iofs.ErrNotExist):
				say(c.App.Writer, "No token is stored for %s.", c.String("base-url"))
			case err != nil:
				return fmt.Errorf("forget the token: %w", err)
			default:
				say(c.App.Writer, "The token for %s is forgotten here. To make it useless everywhere, delete it at https://replicate.com/account/api-tokens", c.String("base-url"))
			}
			if envToken() != "" {
				say(c.App.ErrWriter, "Note that REPLICATE_API_TOKEN still holds one.")
			}
			return nil
		},
	}
}
