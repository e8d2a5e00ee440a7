package fs

import (
	"strings"
	"testing"

	"replicatefs/api"
)

// What the stream says and what reads tell come in any order.
func TestSpeech(t *testing.T) {
	allowed := func(s string) bool { return strings.HasPrefix(s, "https://replicate.delivery/") }
	const (
		texts = "https://stream.replicate.com/v1/streams/abc"
		files = "https://stream.replicate.com/v1/files/kzvt-abc"
	)
	for name, tt := range map[string]struct {
		stream string
		steps  string // + what the stream says, = what a read tells as output, ? somebody looks
		want   string // - for nothing
	}{
		"words":                  {texts, `+Once|+ upon`, "Once upon"},
		"nothing":                {texts, ``, "-"},
		"nothing said":           {texts, `+`, "-"},
		"a read behind":          {texts, `+Once|+ upon|="Once"`, "Once upon"},
		"a read ahead":           {texts, `+Once|=["Once"," upon"," a"]`, "Once upon a"},
		"and overtaken":          {texts, `+Once|=["Once"," upon"]|+ upon|+ a`, "Once upon a"},
		"as long as the read":    {texts, `+Once|="Once"`, "Once"},
		"something left out":     {texts, `+Once|+ a|=["Once"," upon"," a"]`, "Once upon a"},
		"left out, and goes on":  {texts, `+Once|+ a|=["Once"," upon"," a"]|?|+ time, long`, "Once upon a"},
		"an early read is empty": {texts, `=null|+Once`, "Once"},
		"a file":                 {texts, `+https://replicate.delivery/x.png`, "-"},
		"a file by data":         {texts, `+data:image/png;base64,AAAA`, "-"},
		"an object":              {texts, `+{"a":1}|={"a":1}`, "-"},
		"a model of files":       {files, `+Once`, "-"},
	} {
		s := newSpeech(&api.Prediction{URLs: api.URLs{Stream: tt.stream}}, allowed)
		for step := range strings.SplitSeq(tt.steps, "|") {
			switch {
			case strings.HasPrefix(step, "+"):
				s.hear(step[1:])
			case strings.HasPrefix(step, "="):
				s.hold(&api.Prediction{Output: []byte(step[1:])})
			case step == "?":
				s.text()
			}
		}
		got := string(s.text())
		if got == "" {
			got = "-"
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// What was lent stays as it is while more is said.
func TestSpeechLends(t *testing.T) {
	s := newSpeech(&api.Prediction{}, func(string) bool { return false })
	s.hear("Once")
	before := s.text()
	for range 1000 {
		s.hear(" upon")
	}
	if string(before) != "Once" {
		t.Errorf("it became %q", before)
	}
}
