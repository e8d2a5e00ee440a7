package sim

import (
	"math/rand/v2"
	"strings"
)

// compose answers a prompt as a language model would: some sentences, some
// lists, never more than so many tokens.
func compose(prompt string, r *rand.Rand, most int) []string {
	topic := strings.TrimRight(strings.TrimSpace(prompt), ".?! \n")
	text := "You asked about " + topic + ".\n\nHere is what I can say:\n\n1. It is worth a closer look.\n2. It is never twice the same."
	t := tokens(text)
	return t[:min(len(t), max(most, 1))]
}

// tokens cuts a text as language models do: words with the space before them,
// long ones in pieces, line breaks alone.
func tokens(text string) []string {
	var out []string
	for text != "" {
		n := 1
		switch {
		case strings.HasPrefix(text, "\n\n"):
			n = 2
		case text[0] == '\n':
		default:
			for n < len(text) && n < 8 && text[n] != ' ' && text[n] != '\n' {
				n++
			}
			for n < len(text) && text[n]&0xc0 == 0x80 { // not inside a character
				n++
			}
		}
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}
