package catalog

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A sampler makes predictions that look like those of a real account: most are
// pictures, some are text, some edit a file.
type sampler struct{ *rand.Rand }

func newSampler(seed uint64) sampler { return sampler{rand.New(rand.NewPCG(seed, 0))} }

var sampleStart = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const (
	idLetters  = "0123456789abcdefghjkmnpqrstvwxyz"
	urlLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

var sampleWords = strings.Fields(`a majestic lion lighthouse on cliff at dusk in the style of oil painting watercolor
	photograph portrait woman man city street rain neon reflections mountain lake mist golden hour cinematic lighting detailed
	intricate soft focus macro vintage poster minimal logo for coffee shop isometric room futuristic car desert storm astronaut
	riding horse through field flowers bokeh 35mm film grain volumetric fog ancient ruins overgrown with moss and ivy children
	playing near river fantasy castle above clouds dramatic sky wide angle ultra realistic texture pastel colors dark moody
	interior wooden table steam cup window light shadows architectural render concrete glass summer breeze quiet village`)

var sampleModels = []struct{ name, version, make string }{
	{"black-forest-labs/flux-schnell", "hidden", "image"},
	{"black-forest-labs/flux-dev", "hidden", "image"},
	{"stability-ai/sdxl", "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc", "image"},
	{"meta/meta-llama-3-70b-instruct", "hidden", "text"},
	{"acme/upscaler", "f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa", "file"},
	{"acme/speech", "684bc3855b37866c0c65add2ff39c78f3dea3f4ff103a436465326e0f438d55e", "file"},
}

func (s sampler) letters(n int, from string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = from[s.IntN(len(from))]
	}
	return string(b)
}

func (s sampler) id() string { return s.letters(26, idLetters) }

func (s sampler) words(n int) string {
	w := make([]string, n)
	for i := range w {
		w[i] = sampleWords[s.IntN(len(sampleWords))]
	}
	return strings.Join(w, " ")
}

// full is the complete object of the n-th prediction of an account.
func (s sampler) full(n int) Record {
	m := sampleModels[s.IntN(len(sampleModels))]
	id := s.id()
	created := sampleStart.Add(time.Duration(n)*97*time.Second + time.Duration(s.IntN(1e6))*time.Microsecond)
	took := time.Duration(500+s.IntN(20000)) * time.Millisecond
	delivery := func(name string) string {
		return "https://replicate.delivery/xezq/" + s.letters(46, urlLetters) + "/" + name
	}
	status := "succeeded"
	var input map[string]any
	var output, fault any
	var logs strings.Builder
	switch m.make {
	case "image":
		input = map[string]any{"prompt": s.words(8 + s.IntN(40)), "num_outputs": 1 + s.IntN(4), "aspect_ratio": "16:9",
			"output_format": "webp", "output_quality": 80, "num_inference_steps": 28, "guidance": 3.5, "seed": s.IntN(1e9)}
		var urls []string
		for i := range input["num_outputs"].(int) {
			urls = append(urls, delivery(fmt.Sprintf("out-%d.webp", i)))
		}
		output = urls
		fmt.Fprintf(&logs, "Using seed: %d\n", s.IntN(1e9))
		for i := range 28 {
			fmt.Fprintf(&logs, "%3d%%|%s| %d/28 [00:%02d<00:%02d, %5.2fit/s]\n", i*100/28, strings.Repeat("█", i*10/28), i, i/9, 3-i/9, 8+s.Float64())
		}
	case "text":
		input = map[string]any{"prompt": s.words(20 + s.IntN(100)), "max_tokens": 512, "temperature": 0.6, "top_p": 0.9}
		var tokens []string
		for range 50 + s.IntN(400) {
			tokens = append(tokens, sampleWords[s.IntN(len(sampleWords))]+" ")
		}
		output = tokens
	case "file":
		input = map[string]any{"image": delivery("tmp" + s.letters(8, idLetters) + ".png"), "scale": 4, "face_enhance": false}
		output = delivery("output.png")
		logs.WriteString("Loading weights...\nDone.\n")
	}
	if s.IntN(20) == 0 {
		status, output, fault = "failed", nil, "Prediction failed for an unknown reason. It might have been that the model was out of memory (E1001)"
	}
	raw, err := json.Marshal(map[string]any{
		"id": id, "model": m.name, "version": m.version, "input": input, "output": output, "error": fault, "logs": logs.String(),
		"status": status, "source": "api", "data_removed": false, "webhook": nil,
		"created_at": created.Format(time.RFC3339Nano), "started_at": created.Add(300 * time.Millisecond).Format(time.RFC3339Nano),
		"completed_at": created.Add(took).Format(time.RFC3339Nano),
		"metrics":      map[string]any{"predict_time": (took - 300*time.Millisecond).Seconds(), "total_time": took.Seconds(), "image_count": 1},
		"urls": map[string]any{"get": "https://api.replicate.com/v1/predictions/" + id,
			"cancel": "https://api.replicate.com/v1/predictions/" + id + "/cancel", "web": "https://replicate.com/p/" + id,
			"stream": "https://stream.replicate.com/v1/files/bcwr-" + s.letters(52, "abcdefghijklmnopqrstuvwxyz234567")},
	})
	if err != nil {
		panic(err)
	}
	return Record{Raw: raw, Prediction: Prediction{ID: id, Model: m.name, Version: m.version, Status: status, Source: "api",
		Created: created, Completed: created.Add(took), Done: true, Full: true}}
}
