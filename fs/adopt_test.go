package fs

import (
	"encoding/json"
	"testing"
)

func TestEqualJSON(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{`{"a": 1, "b": [true, null]}`, `{"b":[true,null],"a":1}`, true},
		{`{"guidance": 3.0}`, `{"guidance": 3}`, true},
		{`{"guidance": 3.50}`, `{"guidance": 3.5}`, true},
		{`{"seed": 18446744073709551615}`, `{"seed": 1.8446744073709552e19}`, true},
		{`{"prompt": "<lion>"}`, `{"prompt": "\u003clion\u003e"}`, true},
		{`{"a": 1}`, `{"a": 2}`, false},
		{`{"a": 1}`, `{"a": "1"}`, false},
		{`{"a": 1}`, `{"a": 1, "b": null}`, false},
		{`{"a": 1e999}`, `{"a": 1e999}`, true},
		{`{"a": 1e999}`, `{"a": 1e998}`, false},
		{``, `null`, false},
	} {
		if got := equalJSON(json.RawMessage(test.a), json.RawMessage(test.b)); got != test.want {
			t.Errorf("%s and %s: equal is %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
