package command

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/urfave/cli/v2"
)

// logFlags say what is logged, how and where.
func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error", Value: "info", EnvVars: env("log-level")},
		&cli.StringFlag{Name: "log-format", Usage: "text or json", Value: "text", EnvVars: env("log-format")},
		&cli.StringFlag{Name: "log-file", Usage: "append the log to `FILE` and not to standard error; SIGHUP opens it anew", EnvVars: env("log-file")},
	}
}

// journal is where log lines go: to a file or to standard error, and the
// newest of them into memory, where the mount shows them.
type journal struct {
	path string // "": standard error

	mu     sync.Mutex // guards what follows
	to     io.Writer
	file   *os.File // nil for standard error
	stderr bool     // the file is standard error, too
	bar    bool     // there is a bar on standard error
	recent []byte   // whole lines, the newest last
}

// maxRecent is how much of the log the mount shows.
const maxRecent = 64 << 10

// newLog returns the log that the flags ask for, and what it is written to. A
// file that cannot be written is an error now, not when there is something to
// say.
func newLog(c *cli.Context, errOut io.Writer) (*slog.Logger, *journal, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log-level"))); err != nil {
		return nil, nil, wrong(c, "log-level", "want debug, info, warn or error")
	}
	j := &journal{to: errOut}
	o := &slog.HandlerOptions{Level: level}
	var lines slog.Handler
	switch c.String("log-format") {
	case "text":
		lines = slog.NewTextHandler(j, o)
	case "json":
		lines = slog.NewJSONHandler(j, o)
	default:
		return nil, nil, wrong(c, "log-format", "want text or json")
	}
	if file := c.String("log-file"); file != "" {
		path, err := filepath.Abs(file)
		if err != nil {
			return nil, nil, err
		}
		j.path = path
		if err := j.reopen(); err != nil {
			return nil, nil, fmt.Errorf("--log-file: %w", err)
		}
	}
	return slog.New(lines), j, nil
}

// hush is for commands of a moment: what goes well shows by itself.
func hush(c *cli.Context) error {
	if c.IsSet("log-level") || c.IsSet("log-file") {
		return nil
	}
	return c.Set("log-level", "warn")
}

// Write takes one line. A log that cannot be written stops nothing.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.recent = append(j.recent, line...)
	if len(j.recent) > 2*maxRecent {
		rest := j.recent[len(j.recent)-maxRecent:]
		j.recent = append([]byte{}, rest[bytes.IndexByte(rest, '\n')+1:]...)
	}
	if j.bar && j.file == nil {
		line = slices.Concat([]byte("\r\x1b[K"), line) // in the place of the bar, which comes again below
	}
	return j.to.Write(line)
}

// beside tells whether there is a bar where the lines may go.
func (j *journal) beside(bar bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bar = bar
}

// tail is the newest of what was logged.
func (j *journal) tail() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Clone(j.recent)
}

// reopen begins with the file anew, under its name: logrotate has moved the
// old one away. If that fails, the old one goes on.
func (j *journal) reopen() error {
	if j.path == "" {
		return nil
	}
	f, err := os.OpenFile(j.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		j.file.Close()
	}
	j.to, j.file = f, f
	if j.stderr {
		return replace(2, f)
	}
	return nil
}

// takeStderr makes the file standard error as well, now and after each reopen.
// Without a file it does nothing.
func (j *journal) takeStderr() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	j.stderr = true
	return replace(2, j.file)
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	j.to = io.Discard
	err := j.file.Close()
	j.file = nil
	return err
}
