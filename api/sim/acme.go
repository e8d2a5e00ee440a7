package sim

import (
	"math/rand/v2"
	"time"
)

// acme is the models that show one thing each: a shape of output, a way to
// fail, a size.
func acme() []*model {
	prompt := []field{{name: "prompt", kind: "string", text: "What it is about", def: ""}}
	return []*model{
		{
			owner: "acme", name: "upscaler", out: uriOut,
			about: "Makes a picture two or four times as large", tags: []string{"super-resolution"},
			fields: []field{
				{name: "image", kind: "uri", text: "Picture to enlarge", required: true},
				{name: "scale", kind: "integer", text: "How many times as large", def: 2, enum: []any{2, 4}},
			},
			run: runUpscale, sample: sampleImage,
			versions: []version{{cog: "0.13.7"}, {cog: "0.11.1"}},
			readme:   "# Upscaler\n\nTakes a picture, gives back a larger one.\n",
		},
		{
			owner: "acme", name: "captioner", out: textOut,
			about: "Says what is in a picture", tags: []string{"image-to-text"},
			fields: []field{{name: "image", kind: "uri", text: "Picture to describe", required: true}},
			run:    runCaptioner, sample: sampleImage,
			versions: []version{{cog: "0.11.1"}, {cog: "0.9.4"}},
		},
		{
			owner: "acme", name: "broken", out: urisOut,
			about:  "Always fails: to try what happens then",
			fields: prompt, run: runBroken, sample: samplePrompt,
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
			about:  "Does nothing by itself: stays as it is until somebody says what happens",
			fields: prompt, sample: samplePrompt,
			run:      func(*job) script { return script{boot: 1000 * time.Hour, end: Succeeded} },
			versions: []version{{cog: "0.10.2"}},
		},
		{
			owner: "acme", name: "object", out: objectOut,
			about:  "Takes a scene apart: a picture, its depth, its parts, a caption",
			fields: prompt, run: runObject, sample: samplePrompt,
			versions: []version{{cog: "0.13.7"}},
		},
		{
			owner: "acme", name: "odd", out: anyOut,
			about:  "Answers with names that nobody should trust, and with URLs that are not its own",
			fields: prompt, run: runOdd, sample: samplePrompt,
			versions: []version{{cog: "0.13.7"}},
		},
		{
			owner: "acme", name: "embeddings", out: numbersOut,
			about: "Turns lines of text into numbers: those of similar lines are similar", tags: []string{"embeddings"},
			fields: []field{{name: "texts", kind: "string", text: "The texts, one a line", required: true}},
			run:    runEmbeddings,
			sample: func(r *rand.Rand) map[string]any {
				return map[string]any{"texts": prompts[r.IntN(len(prompts))] + "\n" + prompts[r.IntN(len(prompts))]}
			},
			versions: []version{{cog: "0.13.7"}},
		},
		{
			owner: "acme", name: "inline", out: uriOut,
			about:  "Draws a small picture and answers with it in place, as a data: URI",
			fields: prompt, run: runInline, sample: samplePrompt,
			versions: []version{{cog: "0.13.7"}},
		},
		{
			owner: "acme", name: "gallery", out: uriStream, streams: true,
			about: "Draws picture after picture, each in a file of the same name", tags: []string{"text-to-image"},
			fields: []field{
				{name: "prompt", kind: "string", text: "What to draw", required: true},
				{name: "count", kind: "integer", text: "How many pictures", def: 4, min: lim(1), max: lim(20)},
			},
			run: runGallery, sample: samplePrompt,
			versions: []version{{cog: "0.13.7"}},
		},
		{
			owner: "acme", name: "video", out: uriOut,
			about: "Moves along a picture and films it", tags: []string{"text-to-video"},
			fields: []field{
				{name: "prompt", kind: "string", text: "What to film", required: true},
				{name: "seconds", kind: "integer", text: "How long the film is", def: 2, min: lim(1), max: lim(8)},
				{name: "faststart", kind: "boolean", text: "Put the index first, so that a player can begin at once", def: false},
				{name: "seed", kind: "integer", text: "Random seed"},
			},
			run: runVideo, sample: samplePrompt,
			versions: []version{{cog: "0.13.7"}},
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
		{
			owner: "acme", name: "empty", out: uriOut,
			about:  "Answers with a file that has nothing in it",
			fields: prompt, run: runEmpty, sample: samplePrompt,
			versions: []version{{cog: "0.13.7"}},
		},
	}
}
