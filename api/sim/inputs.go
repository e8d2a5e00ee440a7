package sim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// inputs are the contents of the file inputs of a run, by field.
type inputs map[string]input

type input struct {
	data []byte
	err  error
}

// inputs brings the files that an input names. Call without the lock.
func (s *Sim) inputs(fields []field, raw []byte) inputs {
	in, _ := decode(raw).(map[string]any)
	out := make(inputs)
	for _, f := range fields {
		if v, ok := in[f.name].(string); ok && f.kind == "uri" {
			b, err := s.bring(v)
			out[f.name] = input{b, err}
		}
	}
	return out
}

// bring is the content of a data: URI, of an uploaded file, or of an output.
// Nothing else is reached: a simulator does not use the network.
func (s *Sim) bring(uri string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(uri, "data:"); ok {
		return dataURI(rest)
	}
	u, err := url.Parse(uri)
	if err != nil {
		return nil, fmt.Errorf("fetch input: %w", err)
	}
	if id, ok := strings.CutPrefix(u.Path, "/v1/files/"); ok {
		if up := s.findUpload(id); up != nil {
			return up.data, nil
		}
		return nil, fmt.Errorf("404 Client Error: Not Found for url: %s", uri)
	}
	f := s.lookFile(u.EscapedPath())
	if f == nil {
		return nil, fmt.Errorf("404 Client Error: Not Found for url: %s", uri)
	}
	facts, read, err := s.bytes.open(s.opt.Seed, f)
	if err != nil {
		return nil, err
	}
	if facts.size > uploadLimit {
		return nil, errors.New("input file is too large")
	}
	b := make([]byte, facts.size)
	return b, read(b, 0)
}

// dataURI is the content of what follows "data:".
func dataURI(rest string) ([]byte, error) {
	head, body, ok := strings.Cut(rest, ",")
	if !ok {
		return nil, errors.New("data URI without a comma")
	}
	if !strings.HasSuffix(head, ";base64") {
		text, err := url.PathUnescape(body)
		return []byte(text), err
	}
	b, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return nil, fmt.Errorf("data URI: %w", err)
	}
	return b, nil
}
