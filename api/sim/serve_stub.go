package sim

import "net/http"

type uploads struct{}
type deployment struct{}

func (s *Sim) trainingShape(p *Prediction, b bases) any { return s.shape(p, "", b, true) }
func (s *Sim) startWebhook(p *prediction, b bases)      {}

var _ http.Handler = (*Sim)(nil)
