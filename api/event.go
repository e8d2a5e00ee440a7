package api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Event is one event of a prediction's stream.
type Event struct {
	Type string // "output", "logs", "error", "done"; others may come
	ID   string // the last id that was told, for going on after it
	Data string // lines joined by \n; chunks of text keep their spaces
}

// maxEvent bounds one event. Models that make files may stream them as data: URIs.
const maxEvent = 16 << 20

var errLongEvent = errors.New("an event is longer than 16 MiB")

// events reads server-sent events as the HTML standard describes them, with two
// differences that Replicate needs: an event without data counts (a bare "done"
// is one), and comments are handed out (the end of a stream is told in one).
type events struct {
	r      *bufio.Reader
	skipLF bool // the line before ended in \r, whose \n may follow
	begun  bool
	id     string
}

// next returns an event, or a comment, or an error. An event that is not followed
// by its blank line is incomplete and lost in the io.EOF.
func (e *events) next() (ev Event, comment string, err error) {
	var data strings.Builder
	var typ string
	var any bool
	size := 0
	for {
		line, err := e.line(maxEvent - size)
		if err != nil {
			return Event{}, "", err
		}
		if !e.begun {
			e.begun = true
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if line == "" {
			if !any {
				continue
			}
			return Event{Type: typ, ID: e.id, Data: strings.TrimSuffix(data.String(), "\n")}, "", nil
		}
		size += len(line)
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ") // one only: the rest belongs to the text
		switch name {
		case "":
			// Comments stand between events; inside of one nothing hangs on them.
			if !any {
				return Event{}, value, nil
			}
		case "event":
			typ, any = value, true
		case "data":
			data.WriteString(value)
			data.WriteByte('\n')
			any = true
		case "id":
			if !strings.Contains(value, "\x00") {
				e.id = value
			}
		}
	}
}

// line reads up to \n, \r or \r\n, without waiting for what follows.
func (e *events) line(most int) (string, error) {
	var long []byte
	for {
		if _, err := e.r.Peek(1); err != nil {
			return "", err
		}
		buf, _ := e.r.Peek(e.r.Buffered())
		if e.skipLF {
			e.skipLF = false
			if buf[0] == '\n' {
				e.r.Discard(1)
				continue
			}
		}
		i := bytes.IndexAny(buf, "\r\n")
		n := i
		if i < 0 {
			n = len(buf)
		}
		if len(long)+n > most {
			return "", errLongEvent
		}
		if i < 0 {
			long = append(long, buf...)
			e.r.Discard(n)
			continue
		}
		line := string(append(long, buf[:i]...))
		e.skipLF = buf[i] == '\r'
		e.r.Discard(i + 1)
		return line, nil
	}
}

func newEvents(r io.Reader, id string) *events {
	return &events{r: bufio.NewReaderSize(r, 32<<10), id: id}
}
