package fs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// Limits of what is read out of an input or output: a model may return
// anything. What is beyond them stays in output.json alone.
const (
	maxDepth = 32
	maxFiles = 10_000
)

// A member is one string inside a JSON value, with the keys and indexes that
// lead to it.
type member struct {
	path []string
	text string
}

// members returns the strings of a JSON value in the order in which they
// stand there, which decoding into a map would lose.
func members(raw json.RawMessage) []member {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	w := walker{dec: dec}
	w.value(nil)
	return w.found
}

type walker struct {
	dec   *json.Decoder
	found []member
}

// value reads one value at path; false ends the walk: the JSON is over or
// wrong, or there is enough of it.
func (w *walker) value(path []string) bool {
	token, err := w.dec.Token()
	if err != nil || len(path) > maxDepth || len(w.found) == maxFiles {
		return false
	}
	switch token := token.(type) {
	case string:
		w.found = append(w.found, member{slices.Clone(path), token})
	case json.Delim:
		return w.inside(path, token)
	}
	return true
}

// inside reads the members of an object or list up to its end.
func (w *walker) inside(path []string, open json.Delim) bool {
	for i := 0; w.dec.More(); i++ {
		key := strconv.Itoa(i)
		if open == '{' {
			token, err := w.dec.Token()
			if err != nil {
				return false
			}
			key = token.(string) // the decoder accepts nothing else as a key
		}
		if !w.value(append(path, key)) {
			return false
		}
	}
	_, err := w.dec.Token()
	return err == nil
}
