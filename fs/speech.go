package fs

import (
	"bytes"
	"net/url"
	"strings"
	"sync"

	"replicatefs/api"
)

// spokenName is the file that shows a speech.
const spokenName = "output.txt"

// A speech is the text of a run under way. The event stream says it word by
// word, and each read of the prediction tells how far it has come. They agree,
// and then the longer of both is the newer one; where they do not, the stream
// has left something out, and what was read holds.
type speech struct {
	allowed func(string) bool // which texts are files on an output host

	mu   sync.Mutex // guards all below
	said []byte     // by the stream; only added to, so what was lent stays as it is
	told string     // by the last read
	mute bool       // the stream says no text, or not the right one
}

// newSpeech is that of a run whose stream may be text: those of files have an
// address of their own.
func newSpeech(p *api.Prediction, allowed func(string) bool) *speech {
	s := &speech{allowed: allowed}
	u, err := url.Parse(p.URLs.Stream)
	s.mute = err != nil || strings.Contains(u.Path, "/files/")
	s.hold(p)
	return s
}

// hear takes what the stream says. False: it is no text. Begun says that there
// was none before.
func (s *speech) hear(data string) (text, begun bool) {
	_, _, isFile := file(data, s.allowed)
	s.mu.Lock()
	defer s.mu.Unlock()
	if isFile {
		s.mute = true
	}
	if s.mute {
		return false, false
	}
	begun = len(s.said) == 0 && s.told == ""
	s.said = append(s.said, data...)
	return true, begun
}

// hold takes what a read tells.
func (s *speech) hold(p *api.Prediction) {
	text, ok := textOutput(p.Output, s.allowed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = text
	if !ok && !isNull(p.Output) {
		s.mute = true
	}
}

// text is what there is by now, nil for nothing. It is also what a read has
// just told, before the catalog has it: who follows the file must not see it
// shrink meanwhile. The caller must not change it.
func (s *speech) text() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := []byte(s.told)
	if !bytes.HasPrefix(s.said, told) && !bytes.HasPrefix(told, s.said) {
		s.mute = true
	}
	switch {
	case !s.mute && len(s.said) > len(told):
		return s.said[:len(s.said):len(s.said)]
	case len(told) > 0:
		return told
	}
	return nil
}

// spoken is the text of a run under way as far as it is known here; nil where
// nobody watches it.
func (f *FS) spoken(id string) []byte {
	f.mu.Lock()
	fl := f.flights[id]
	f.mu.Unlock()
	if fl == nil {
		return nil
	}
	return fl.speech.text()
}
