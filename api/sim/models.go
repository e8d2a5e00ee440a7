package sim

import (
	"math/rand/v2"
	"time"
)

// builtin is the models of the world: some as they are at Replicate, and those
// of acme, each of which shows one thing that models do.
func builtin() []*model {
	return []*model{
		{
			owner: "black-forest-labs", name: "flux-schnell", official: true, out: urisOut, streams: true,
			about:   "The fastest image generation model tailored for local development and personal use",
			tags:    []string{"text-to-image"},
			github:  "https://github.com/black-forest-labs/flux",
			license: "https://github.com/black-forest-labs/flux/blob/main/model_licenses/LICENSE-FLUX1-schnell",
			fields:  fluxFields(4), run: runFlux, sample: samplePrompt,
			versions: []version{{cog: "0.14.3"}},
			example:  map[string]any{"prompt": "a lighthouse on a rocky coast at sunset, sailing boat, gulls", "seed": 7},
			readme:   "# FLUX.1 [schnell]\n\nDraws a picture for a prompt in one to four steps.\n",
		},
		{
			owner: "meta", name: "meta-llama-3-8b-instruct", official: true, out: textStream, streams: true,
			about:  "An 8 billion parameter language model from Meta, fine tuned for chat completions",
			tags:   []string{"language-models"},
			fields: llamaFields(), run: runLlama, sample: sampleQuestion,
			versions: []version{{cog: "0.9.6"}},
			example:  map[string]any{"prompt": "Tell me a short story about a lighthouse"},
			readme:   "# Llama 3 8B Instruct\n\nAnswers prompts, token by token.\n",
		},
		{
			owner: "acme", name: "captioner", out: textOut,
			about: "Says what is in a picture", tags: []string{"image-to-text"},
			fields:   []field{{name: "image", kind: "uri", text: "Picture to describe", required: true}},
			run:      runCaptioner,
			sample:   func(r *rand.Rand) map[string]any { return map[string]any{"image": tinyPNG} },
			versions: []version{{cog: "0.11.1"}, {cog: "0.9.4"}},
		},
		{
			owner: "acme", name: "broken", out: urisOut,
			about:    "Always fails: to try what happens then",
			fields:   []field{{name: "prompt", kind: "string", text: "Anything", def: ""}},
			run:      runBroken,
			sample:   samplePrompt,
			versions: []version{{cog: "0.10.2"}},
		},
		{
			owner: "acme", name: "slow", out: textOut, literal: true,
			about: "Takes its time, prints how far it is, then says so",
			fields: []field{
				{name: "prompt", kind: "string", text: "What to say at the end", def: "done"},
				{name: "seconds", kind: "number", text: "How long it takes", def: 60, min: lim(0), max: lim(7200)},
				{name: "boot", kind: "number", text: "How long it is starting, in seconds", def: 1, min: lim(0), max: lim(7200)},
			},
			run:      runSlow,
			sample:   func(r *rand.Rand) map[string]any { return map[string]any{"seconds": 3 + r.IntN(20)} },
			versions: []version{{cog: "0.10.2"}},
		},
		{
			owner: "acme", name: "puppet", out: anyOut, streams: true,
			about:    "Does nothing by itself: stays as it is until somebody says what happens",
			fields:   []field{{name: "prompt", kind: "string", text: "Anything", def: ""}},
			run:      func(*job) script { return script{boot: 1000 * time.Hour, end: Succeeded} },
			sample:   samplePrompt,
			versions: []version{{cog: "0.10.2"}},
		},
		{
			owner: "acme", name: "blob", out: urisOut,
			about: "Makes files of any size whose every byte is known beforehand",
			fields: []field{
				{name: "size", kind: "integer", text: "Bytes per file", def: 1 << 20, min: lim(0), max: lim(1 << 40)},
				{name: "count", kind: "integer", text: "Number of files", def: 1, min: lim(0), max: lim(1000)},
				{name: "name", kind: "string", text: "Name of each file", def: "out.bin", maxLen: 200},
			},
			run: runBlob,
			sample: func(r *rand.Rand) map[string]any {
				return map[string]any{"size": 1000 + r.IntN(3<<20), "count": 1 + r.IntN(2)}
			},
			versions: []version{{cog: "0.13.7"}},
		},
	}
}
