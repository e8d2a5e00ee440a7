package sim

import "math/rand/v2"

// builtin is the models of the world: some as they are at Replicate, and those
// of acme, each of which shows one thing that models do.
func builtin() []*model {
	all := []*model{
		{
			owner: "black-forest-labs", name: "flux-schnell", official: true, out: urisOut, streams: true,
			about:   "The fastest image generation model tailored for local development and personal use",
			tags:    []string{"text-to-image"},
			github:  "https://github.com/black-forest-labs/flux",
			license: "https://github.com/black-forest-labs/flux/blob/main/model_licenses/LICENSE-FLUX1-schnell",
			fields:  fluxFields(4), run: runImages("out-%d"), sample: sampleImages,
			versions: []version{{cog: "0.14.3"}},
			example:  map[string]any{"prompt": "a lighthouse on a rocky coast at sunset, sailing boat, gulls", "seed": 7},
			readme:   "# FLUX.1 [schnell]\n\nDraws a picture for a prompt in one to four steps.\n\n## Prompts\n\nSay what is seen, where, and when: *a red fox in a snowy forest at dawn*.\n",
		},
		{
			owner: "black-forest-labs", name: "flux-dev", official: true, out: urisOut, streams: true,
			about: "A 12 billion parameter rectified flow transformer capable of generating images from text descriptions",
			tags:  []string{"text-to-image"}, github: "https://github.com/black-forest-labs/flux",
			fields: fluxFields(50), run: runImages("out-%d"), sample: sampleImages,
			versions: []version{{cog: "0.14.3"}},
			example:  map[string]any{"prompt": "an old castle on a hill, rainbow", "seed": 3},
			readme:   "# FLUX.1 [dev]\n\nSlower than schnell, with more steps.\n",
		},
		{
			owner: "black-forest-labs", name: "flux-1.1-pro", official: true, out: uriOut, streams: true,
			about:  "Faster, better FLUX Pro. Text-to-image model with excellent image quality, prompt adherence, and output diversity",
			tags:   []string{"text-to-image"},
			fields: onePicture(), run: runImage("tmp%s"), sample: samplePrompt,
			versions: []version{{cog: "0.13.7"}},
			example:  map[string]any{"prompt": "a hot air balloon over mountains in the morning"},
		},
		{
			owner: "stability-ai", name: "sdxl", out: urisOut,
			about: "A text-to-image generative AI model that creates beautiful images",
			tags:  []string{"text-to-image"}, github: "https://github.com/Stability-AI/generative-models", paper: "https://arxiv.org/abs/2307.01952",
			fields: fluxFields(500), run: runImages("out-%d"), sample: sampleImages,
			versions: []version{{cog: "0.8.6"}, {cog: "0.8.1"}, {cog: "0.7.2"}},
			example:  map[string]any{"prompt": "an astronaut floating in space near a planet"},
			readme:   "# SDXL\n\nA community model: it runs by version.\n",
		},
		{
			owner: "meta", name: "meta-llama-3-8b-instruct", official: true, out: textStream, streams: true,
			about:  "An 8 billion parameter language model from Meta, fine tuned for chat completions",
			tags:   []string{"language-models"},
			fields: llamaFields(), run: runText, sample: sampleQuestion,
			versions: []version{{cog: "0.9.6"}},
			example:  map[string]any{"prompt": "Tell me a short story about a lighthouse"},
			readme:   "# Llama 3 8B Instruct\n\nAnswers prompts, token by token.\n",
		},
		{
			owner: "meta", name: "meta-llama-3-70b-instruct", official: true, out: textStream, streams: true,
			about:  "A 70 billion parameter language model from Meta, fine tuned for chat completions",
			tags:   []string{"language-models"},
			fields: llamaFields(), run: runText, sample: sampleQuestion,
			versions: []version{{cog: "0.9.6"}},
			example:  map[string]any{"prompt": "Why is the sea salty?"},
		},
		{
			owner: "ostris", name: "flux-dev-lora-trainer", out: urisOut,
			about: "Fine-tune FLUX.1-dev using ai-toolkit", tags: []string{"text-to-image", "training"},
			fields: fluxFields(50), run: runImages("out-%d"), sample: sampleImages,
			train: []field{
				{name: "input_images", kind: "uri", text: "A zip file with the images to train on", required: true},
				{name: "trigger_word", kind: "string", text: "The word that stands for what is learned", def: "TOK", maxLen: 64},
				{name: "steps", kind: "integer", text: "Number of training steps", def: 1000, min: lim(3), max: lim(6000)},
			},
			versions: []version{{cog: "0.11.1"}, {cog: "0.9.25"}},
		},
		{
			owner: "nightmareai", name: "real-esrgan", out: uriOut,
			about: "Real-ESRGAN with optional face correction and adjustable upscale", tags: []string{"super-resolution"},
			github: "https://github.com/replicate/cog-real-esrgan", paper: "https://arxiv.org/abs/2107.10833",
			fields: []field{
				{name: "image", kind: "uri", text: "Input image", required: true},
				{name: "scale", kind: "number", text: "Factor to scale image by", def: 4, min: lim(0), max: lim(10)},
				{name: "face_enhance", kind: "boolean", text: "Run GFPGAN face enhancement along with upscaling", def: false},
			},
			run: runUpscale, sample: sampleImage, versions: []version{{cog: "0.10.0"}},
		},
		{
			owner: "salesforce", name: "blip", out: textOut,
			about: "Generate image captions", tags: []string{"image-to-text"}, github: "https://github.com/salesforce/BLIP",
			fields: []field{{name: "image", kind: "uri", text: "Input image", required: true}},
			run:    runCaptioner, sample: sampleImage, versions: []version{{cog: "0.0.1"}},
		},
	}
	for _, o := range others {
		all = append(all, &model{
			owner: o[0], name: o[1], about: o[2], tags: []string{"text-to-image"}, official: o[3] == "official",
			out: urisOut, fields: fluxFields(50), run: runImages("output_%d"), sample: sampleImages, versions: []version{{cog: "0.9.4"}},
			example: map[string]any{"prompt": prompts[len(all)%len(prompts)]},
		})
	}
	return append(all, acme()...)
}

// others draw as well: an account of models would be thin without them.
var others = [][4]string{
	{"stability-ai", "stable-diffusion-3.5-large", "A text-to-image model that generates high-resolution images with fine details", "official"},
	{"google", "imagen-3", "Google's highest quality text-to-image model", "official"},
	{"ideogram-ai", "ideogram-v2", "An image model with state of the art inpainting, prompt comprehension and text rendering", "official"},
	{"recraft-ai", "recraft-v3", "A text-to-image model with the ability to generate long texts", "official"},
	{"bytedance", "sdxl-lightning-4step", "A fast text-to-image model that makes high-quality images in 4 steps", ""},
	{"playgroundai", "playground-v2.5-1024px-aesthetic", "The state-of-the-art open source model in aesthetic quality", ""},
	{"nvidia", "sana", "A fast image model with wide artistic range and resolutions up to 4096x4096", ""},
	{"ai-forever", "kandinsky-2.2", "Multilingual text2image latent diffusion model", ""},
	{"datacte", "proteus-v0.3", "The anime update", ""},
	{"fofr", "sticker-maker", "Make stickers with AI", ""},
	{"lucataco", "ssd-1b", "A distilled 50% smaller version of SDXL", ""},
	{"tencentarc", "photomaker", "Create photos, paintings and avatars for anyone in any style within seconds", ""},
}

func fluxFields(steps float64) []field {
	return []field{
		{name: "prompt", kind: "string", text: "Prompt for generated image", required: true},
		{name: "aspect_ratio", kind: "string", text: "Aspect ratio for the generated image", def: "1:1", enum: ratios},
		{name: "num_outputs", kind: "integer", text: "Number of outputs to generate", def: 1, min: lim(1), max: lim(4)},
		{name: "num_inference_steps", kind: "integer", text: "Number of denoising steps", def: 4, min: lim(1), max: lim(steps)},
		{name: "seed", kind: "integer", text: "Random seed. Set for reproducible generation"},
		{name: "output_format", kind: "string", text: "Format of the output images", def: "webp", enum: []any{"webp", "jpg", "png"}},
		{name: "output_quality", kind: "integer", text: "Quality when saving the output images, from 0 to 100", def: 80, min: lim(0), max: lim(100)},
		{name: "disable_safety_checker", kind: "boolean", text: "Disable safety checker for generated images.", def: false},
	}
}

var ratios = []any{"1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21"}

func onePicture() []field {
	return []field{
		{name: "prompt", kind: "string", text: "Text prompt for image generation", required: true},
		{name: "image_prompt", kind: "uri", text: "Image to guide the composition"},
		{name: "aspect_ratio", kind: "string", text: "Aspect ratio for the generated image", def: "1:1", enum: ratios},
		{name: "output_format", kind: "string", text: "Format of the output image", def: "webp", enum: []any{"webp", "jpg", "png"}},
		{name: "seed", kind: "integer", text: "Random seed. Set for reproducible generation"},
	}
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

func samplePrompt(r *rand.Rand) map[string]any {
	in := map[string]any{"prompt": prompts[r.IntN(len(prompts))]}
	if r.IntN(2) == 0 {
		in["seed"] = r.IntN(100000)
	}
	return in
}

func sampleImages(r *rand.Rand) map[string]any {
	in := samplePrompt(r)
	if r.IntN(3) == 0 {
		in["num_outputs"] = 2 + r.IntN(3)
	}
	if r.IntN(4) == 0 {
		in["aspect_ratio"] = ratios[r.IntN(len(ratios))]
	}
	if r.IntN(5) == 0 {
		in["output_format"] = []string{"jpg", "png"}[r.IntN(2)]
	}
	return in
}

func sampleQuestion(r *rand.Rand) map[string]any {
	return map[string]any{"prompt": questions[r.IntN(len(questions))]}
}

// sampleImage is a small picture as people send them.
func sampleImage(r *rand.Rand) map[string]any {
	return map[string]any{"image": thumbnails()[r.IntN(len(thumbnailPrompts))]}
}
