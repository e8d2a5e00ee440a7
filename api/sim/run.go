package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// seconds is a time between a and b.
func (j *job) seconds(a, b float64) time.Duration {
	return time.Duration((a + j.random.Float64()*(b-a)) * float64(time.Second))
}

func fluxFields(steps float64) []field {
	return []field{
		{name: "prompt", kind: "string", text: "Prompt for generated image", required: true},
		{name: "aspect_ratio", kind: "string", text: "Aspect ratio for the generated image", def: "1:1",
			enum: []any{"1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21"}},
		{name: "num_outputs", kind: "integer", text: "Number of outputs to generate", def: 1, min: lim(1), max: lim(4)},
		{name: "num_inference_steps", kind: "integer", text: "Number of denoising steps", def: 4, min: lim(1), max: lim(steps)},
		{name: "seed", kind: "integer", text: "Random seed. Set for reproducible generation"},
		{name: "output_format", kind: "string", text: "Format of the output images", def: "webp", enum: []any{"webp", "jpg", "png"}},
		{name: "output_quality", kind: "integer", text: "Quality when saving the output images, from 0 to 100", def: 80, min: lim(0), max: lim(100)},
		{name: "disable_safety_checker", kind: "boolean", text: "Disable safety checker for generated images.", def: false},
	}
}

// sides is the size of a picture of a ratio such as "16:9": about as many
// points as a square of 640.
func sides(ratio string) (w, h int) {
	switch ratio {
	case "16:9":
		return 848, 480
	case "21:9":
		return 960, 416
	case "3:2":
		return 784, 528
	case "2:3":
		return 528, 784
	case "4:5":
		return 576, 720
	case "5:4":
		return 720, 576
	case "3:4":
		return 560, 736
	case "4:3":
		return 736, 560
	case "9:16":
		return 480, 848
	case "9:21":
		return 416, 960
	}
	return 640, 640
}

func runFlux(j *job) script {
	seed := int64(j.random.Uint32())
	if _, ok := j.input["seed"]; ok {
		seed = int64(j.number("seed"))
	}
	n := max(1, j.int("num_outputs"))
	steps := max(1, j.int("num_inference_steps"))
	format := j.text("output_format")
	w, h := sides(j.text("aspect_ratio"))
	c := script{boot: j.seconds(0.1, 0.3), end: Succeeded, metrics: map[string]any{"image_count": n}}
	c.run = j.seconds(0.6, 1) + time.Duration(n-1)*j.seconds(0.2, 0.3)
	c.steps = append(c.steps, step{logs: fmt.Sprintf("Using seed: %d\n", seed)})
	for k := range steps {
		c.steps = append(c.steps, step{
			at:   c.run * time.Duration(k+1) * 8 / time.Duration(10*steps),
			logs: fmt.Sprintf("%3d%%|%s| %d/%d\n", 100*(k+1)/steps, strings.Repeat("█", 10*(k+1)/steps), k+1, steps),
		})
	}
	files := make([]any, n)
	for k := range files {
		files[k] = &File{Name: fmt.Sprintf("out-%d.%s", k, format), render: paint(j.text("prompt"), seed+int64(k), w, h, format)}
	}
	c.steps = append(c.steps, step{at: c.run * 95 / 100, out: files})
	return c
}

func llamaFields() []field {
	return []field{
		{name: "prompt", kind: "string", text: "Prompt", def: ""},
		{name: "system_prompt", kind: "string", text: "System prompt to send to the model", def: "You are a helpful assistant"},
		{name: "max_tokens", kind: "integer", text: "Maximum number of tokens to generate", def: 512, min: lim(1), max: lim(4096)},
		{name: "temperature", kind: "number", text: "Randomness of outputs", def: 0.6, min: lim(0), max: lim(5)},
		{name: "top_p", kind: "number", text: "Probability mass of tokens to sample from", def: 0.9, min: lim(0), max: lim(1)},
		{name: "seed", kind: "integer", text: "Random seed"},
	}
}

func runLlama(j *job) script {
	items := compose(j.text("prompt"), j.random, j.int("max_tokens"))
	c := script{boot: j.seconds(0.05, 0.2), end: Succeeded}
	c.run = time.Duration(len(items)+2) * j.seconds(0.012, 0.02)
	list := make([]any, len(items))
	for i, t := range items {
		list[i] = t
	}
	c.spread(list)
	asked := len(tokens(j.text("prompt")))
	c.metrics = map[string]any{
		"input_token_count":   json.Number(fmt.Sprintf("%d.0", asked)), // floats, as recorded
		"output_token_count":  json.Number(fmt.Sprintf("%d.0", len(items))),
		"tokens_per_second":   float64(len(items)) / c.run.Seconds(),
		"time_to_first_token": (c.run / time.Duration(len(items)+1)).Seconds(),
	}
	return c
}

func runCaptioner(j *job) script {
	c := script{boot: j.seconds(0.2, 0.5), run: j.seconds(0.4, 0.8), end: Succeeded}
	c.steps = []step{{at: c.run / 2, out: "a picture of something that the sender knows best"}}
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

// tinyPNG is a picture of one point.
const tinyPNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func samplePrompt(r *rand.Rand) map[string]any {
	in := map[string]any{"prompt": prompts[r.IntN(len(prompts))]}
	if r.IntN(3) == 0 {
		in["num_outputs"] = 2 + r.IntN(3)
	}
	if r.IntN(2) == 0 {
		in["seed"] = r.IntN(100000)
	}
	return in
}

func sampleQuestion(r *rand.Rand) map[string]any {
	return map[string]any{"prompt": questions[r.IntN(len(questions))]}
}

var prompts = []string{"A majestic lion at sunset", "a lighthouse on a rocky coast"}

var questions = []string{"Tell me a short story about a lighthouse", "Why is the sky blue?"}
