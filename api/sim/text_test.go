package sim

import (
	"strings"
	"testing"
)

func TestTopic(t *testing.T) {
	for prompt, want := range map[string]string{
		"Tell me a short story about a lighthouse": "lighthouse",
		"Write a poem about the sea":               "sea",
		"Why is the sky blue?":                     "sky blue",
		"Give me five ideas for a rainy afternoon": "rainy afternoon",
		"foxes":                     "foxes",
		"  \n ":                     "",
		"Hello there":               "Hello there",
		strings.Repeat("word ", 40): strings.TrimSpace(strings.Repeat("word ", 16)),
	} {
		if got := topic(prompt); got != want {
			t.Errorf("%q: got %q, want %q", prompt, got, want)
		}
	}
}

func TestCompose(t *testing.T) {
	for _, q := range questions {
		t1 := strings.Join(compose(q, random(1), 4096), "")
		if t1 != strings.Join(compose(q, random(1), 4096), "") {
			t.Errorf("%q: two answers to one question", q)
		}
		if len(t1) < 40 || strings.Contains(t1, "%!") {
			t.Errorf("%q: got %q", q, t1)
		}
	}
	if got := compose("Tell me a story about a fox", random(1), 3); len(got) != 3 {
		t.Errorf("got %d tokens, want 3", len(got))
	}
}

// Tokens are a text cut in pieces, and some are only line breaks.
func TestTokens(t *testing.T) {
	for _, text := range []string{"", "a", " a  b\n\n\nc", "Größe — 日本の山, ganz weit weg\n", "extraordinarily"} {
		if got := strings.Join(tokens(text), ""); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	got := tokens("one two\n\nthree")
	if strings.Join(got, "|") != "one| two|\n\n|three" {
		t.Errorf("got %q", got)
	}
}
