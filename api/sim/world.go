package sim

import "time"

// furnish gives an account with a past what such an account has beside its
// predictions: a model of its own that was trained, and a deployment.
func (s *Sim) furnish() {
	trainer := s.models.named("ostris/flux-dev-lora-trainer")
	own := &model{
		owner: s.opt.Account, name: "sketches", private: true, own: true, out: urisOut,
		about:  "My own style of drawing, trained on two dozen sketches",
		fields: fluxFields(50), run: runImages("out-%d"), sample: samplePrompt, made: s.start.AddDate(0, 0, -9),
		example: map[string]any{"prompt": "a cat on a roof under the moon", "seed": 3},
	}
	s.models.mu.Lock()
	s.models.addLocked(own)
	s.models.mu.Unlock()
	s.addTraining(trainer, own, `{"input_images":"https://example.com/first.zip","trigger_word":"SKTCH","steps":400}`, s.start.AddDate(0, 0, -8))
	s.addTraining(trainer, own, `{"input_images":"https://example.com/sketches.zip","trigger_word":"SKTCH","steps":1000}`, s.start.AddDate(0, 0, -3).Add(-2*time.Hour))
	s.settleTrainings()
	upscaler := s.models.named("acme/upscaler")
	s.deploys = append(s.deploys, &deployment{
		name: "upscale-fast", release: 2, model: upscaler, version: upscaler.latest(), hardware: "gpu-l40s", least: 0, most: 3,
		released: s.start.AddDate(0, 0, -5), used: s.start.AddDate(0, 0, -1),
	})
}
