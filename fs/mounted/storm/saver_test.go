package storm

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"syscall"

	"replicatefs/api/sim"
)

// A saved prompt, none of which is like another, and what close() returned.
type saved struct{ prompt, said string }

const (
	painter = "models/black-forest-labs/flux-schnell"
	talker  = "models/meta/meta-llama-3-8b-instruct"
)

// save runs a model, and then looks for what it made, as scripts do.
func (s *storm) save(dice *rand.Rand) string {
	model := []string{painter, talker}[dice.IntN(2)]
	said := s.savePrompt(model, fmt.Sprintf("a lion in storm %x", dice.Uint64()))
	s.script(`cat "$M/` + model + `/latest/status" "$M/` + model + `/latest/"output*`)
	return said
}

// savePrompt saves it, and notes what close() returned.
func (s *storm) savePrompt(model, prompt string) string {
	said, err := s.child("save", s.mount.Path(model, "prompt.txt"), prompt)
	if err != nil {
		s.Errorf("save: %v; seed %d", err, s.seed)
	}
	s.mu.Lock()
	s.saves = append(s.saves, saved{prompt, said})
	s.mu.Unlock()
	return said
}

// saveChild writes args[1] to a file and returns what close() does.
func saveChild(args []string) error {
	fd, err := syscall.Open(args[0], syscall.O_WRONLY|syscall.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if _, err := syscall.Write(fd, []byte(args[1])); err != nil {
		syscall.Close(fd)
		return err
	}
	return syscall.Close(fd)
}

// A run is one as Replicate has it on its bill.
type run struct {
	ID, Status string
	Input      struct{ Prompt string }
	Output     json.RawMessage
}

// bought are the runs of each prompt.
func (s *storm) bought() map[string][]run {
	runs := map[string][]run{}
	for next := s.account.Server.BaseURL() + "/predictions"; next != ""; {
		req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, next, nil)
		if err != nil {
			s.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+sim.DemoToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.Fatal(err)
		}
		var page struct {
			Next    string
			Results []run
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		resp.Body.Close()
		if err != nil {
			s.Fatal(err)
		}
		for _, p := range page.Results {
			runs[p.Input.Prompt] = append(runs[p.Input.Prompt], p)
		}
		next = page.Next
	}
	return runs
}

// paid checks that nothing was paid for twice, and that what was said to be
// well was bought.
func (s *storm) paid() {
	bought := s.bought()
	for _, save := range s.saves {
		switch n := len(bought[save.prompt]); {
		case n > 1:
			s.Errorf("%d runs of %q, whose save said %s; seed %d", n, save.prompt, save.said, s.seed)
		case n == 0 && save.said == "ok":
			s.Errorf("no run of %q, whose save said ok; seed %d", save.prompt, s.seed)
		}
	}
}
