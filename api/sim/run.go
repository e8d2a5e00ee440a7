package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// What the models do: each makes a script from an input.

// seconds is a time between a and b.
func (j *job) seconds(a, b float64) time.Duration {
	return time.Duration((a + j.random.Float64()*(b-a)) * float64(time.Second))
}

// seed is that of the input, or one by chance.
func (j *job) seed() int64 {
	n := int64(j.random.Uint32())
	if _, ok := j.input["seed"]; ok {
		n = int64(j.number("seed"))
	}
	return n
}

// failed is a run that ends early.
func failed(boot time.Duration, err string) script {
	return script{boot: boot, run: 100 * time.Millisecond, end: Failed, err: err}
}

// runText answers token by token.
func runText(j *job) script {
	words := compose(j.text("prompt"), j.random, j.int("max_tokens"))
	c := script{boot: j.seconds(0.05, 0.2), end: Succeeded}
	c.run = time.Duration(len(words)+2) * j.seconds(0.008, 0.014)
	items := make([]any, len(words))
	for i, t := range words {
		items[i] = t
	}
	c.spread(items)
	c.metrics = map[string]any{
		// Token counts may be floats, as recorded.
		"input_token_count":   json.Number(fmt.Sprintf("%d.0", len(tokens(j.text("prompt"))))),
		"output_token_count":  json.Number(fmt.Sprintf("%d.0", len(words))),
		"tokens_per_second":   float64(len(words)) / c.run.Seconds(),
		"time_to_first_token": (c.run / time.Duration(len(words)+1)).Seconds(),
	}
	return c
}

func runBroken(j *job) script {
	c := script{boot: j.seconds(0.2, 0.5), run: j.seconds(0.3, 0.6), end: Failed}
	c.steps = []step{{logs: "Loading weights...\n"}, {at: c.run / 2, logs: "Traceback (most recent call last):\n" +
		"  File \"/src/predict.py\", line 41, in predict\n    raise RuntimeError(\"this model is broken\")\nRuntimeError: this model is broken\n"}}
	c.err = "this model is broken"
	return c
}

func runSlow(j *job) script {
	c := script{
		boot: time.Duration(j.number("boot") * float64(time.Second)),
		run:  time.Duration(j.number("seconds") * float64(time.Second)), end: Succeeded,
	}
	n := min(max(1, int(c.run/time.Second)), 1000)
	for k := range n {
		c.steps = append(c.steps, step{at: c.run * time.Duration(k) / time.Duration(n), logs: fmt.Sprintf("%3d%% %d/%d\n", 100*k/n, k, n)})
	}
	c.steps = append(c.steps, step{at: c.run, logs: fmt.Sprintf("100%% %d/%d\n", n, n), out: j.text("prompt")})
	return c
}

func runBlob(j *job) script {
	c := script{boot: j.seconds(0.1, 0.2), run: j.seconds(0.1, 0.2), end: Succeeded}
	files := make([]any, j.int("count"))
	for k := range files {
		files[k] = NewBlob(j.text("name"), int64(j.number("size")))
	}
	c.steps = []step{{at: c.run / 2, out: files}}
	return c
}

func runEmpty(j *job) script {
	c := script{boot: j.seconds(0.1, 0.2), run: j.seconds(0.1, 0.2), end: Succeeded}
	c.steps = []step{{at: c.run / 2, out: NewFile("output.txt", []byte{})}}
	return c
}

// dimensions is how many numbers an embedding has.
const dimensions = 384

// runEmbeddings adds up a direction for each word.
func runEmbeddings(j *job) script {
	c := script{boot: j.seconds(0.1, 0.2), run: j.seconds(0.1, 0.2), end: Succeeded}
	var all []any
	for line := range strings.SplitSeq(strings.TrimRight(j.text("texts"), "\n"), "\n") {
		sum := make([]float64, dimensions)
		for _, w := range strings.Fields(strings.ToLower(line)) {
			r := random(hash64("word", w))
			for i := range sum {
				sum[i] += r.NormFloat64()
			}
		}
		norm := 0.0
		for _, x := range sum {
			norm += x * x
		}
		out := make([]any, dimensions)
		for i, x := range sum {
			out[i] = math.Round(x/max(math.Sqrt(norm), 1e-9)*1e6) / 1e6
		}
		all = append(all, out)
	}
	c.steps = []step{{at: c.run / 2, out: all}}
	return c
}

// runOdd has keys and names that a client must make safe, and URLs that it
// must not follow.
func runOdd(j *job) script {
	c := script{boot: j.seconds(0.1, 0.2), run: j.seconds(0.1, 0.2), end: Succeeded}
	note := func(name, text string) *File { return NewFile(name, []byte(text+"\n")) }
	c.steps = []step{{at: c.run / 2, out: map[string]any{
		"../../etc/passwd":          note("passwd", "up"),
		"a/b":                       note("same.txt", "slash"),
		"a_b":                       note("same.txt", "underscore"),
		"..":                        note("..txt", "dots"),
		"":                          note("empty", "no key"),
		"nul\x00 and \n newline":    note("-rf *.txt", "control"),
		"Größe/日本":                  note("größe 100%.txt", "unicode"),
		strings.Repeat("long", 100): note(strings.Repeat("n", 200)+".txt", "long"),
		"elsewhere":                 "https://example.com/secret.txt",
		"inside":                    "http://169.254.169.254/latest/meta-data",
		"sentence":                  "see https://replicate.delivery/xezq/none/out.png for more",
		"number":                    json.Number("12345678901234567"),
		"nothing":                   nil,
		"yes":                       true,
		"nested":                    []any{[]any{note("deep.txt", "deep"), "text"}, map[string]any{"file": note("deep.txt", "deeper"), "text": nil}},
	}}}
	return c
}
