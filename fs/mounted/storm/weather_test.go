package storm

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"replicatefs/api/sim"
)

// weather has something go wrong for a while, and then nothing for a while.
func (s *storm) weather(dice *rand.Rand, faults []fault) string {
	f := faults[dice.IntN(len(faults))]
	f.Times = 1 + dice.IntN(6)
	if dice.IntN(4) == 0 {
		f.Times = -1 // for as long as it lasts
	}
	f.After = dice.IntN(3)
	injected := s.account.Inject(f.Fault)
	s.rest(time.Duration(200+dice.IntN(1500)) * time.Millisecond)
	injected.Stop()
	s.rest(time.Duration(dice.IntN(800)) * time.Millisecond)
	if injected.Fired() == 0 {
		return "unseen " + f.name
	}
	return f.name
}

// clock has time pass at once, as for a machine that slept: at Replicate, and
// for what is to be kept before it is deleted there.
func (s *storm) clock(dice *rand.Rand) string {
	// An hour after a run Replicate forgets its prompt, too: until then, what was
	// bought must be counted, and that comes after everything was read.
	most := min(25*time.Minute, 50*time.Minute-2**length)
	s.rest(time.Duration(1000+dice.IntN(9000)) * time.Millisecond)
	jump := time.Duration(dice.IntN(120)) * time.Second
	if s.slept += jump; s.slept > most {
		return "as it is"
	}
	s.account.Advance(jump)
	return "ahead"
}

type fault struct {
	name string
	sim.Fault
}

// deliveryFaults are what goes wrong between the delivery host and us. Wrong
// bytes of the right length are not among them: a program that has read half
// of them cannot be saved, only told.
var deliveryFaults = []fault{
	{"cut", sim.Fault{Host: sim.Delivery, CutAfter: 100_000}},
	{"cut at once", sim.Fault{Host: sim.Delivery, CutAfter: -1}},
	{"reset", sim.Fault{Host: sim.Delivery, Reset: true}},
	{"late", sim.Fault{Host: sim.Delivery, Delay: 700 * time.Millisecond}},
	{"stall", sim.Fault{Host: sim.Delivery, StallAfter: 50_000, StallFor: 3 * time.Second}},
	{"stall for good", sim.Fault{Host: sim.Delivery, StallAfter: 200_000}},
	{"403", sim.Fault{Host: sim.Delivery, Status: 403}},
	{"429", withHost(sim.Throttle(time.Second, sim.InHeader), sim.Delivery)},
	{"500", sim.Fault{Host: sim.Delivery, Status: 500, Body: "oops"}},
	{"502 with HTML", withHost(sim.HTML(502), sim.Delivery)},
	{"no range", sim.Fault{Host: sim.Delivery, Method: http.MethodGet, NoRange: true}},
	{"wrong range", sim.Fault{Host: sim.Delivery, Method: http.MethodGet, WrongRange: true}},
	{"no length", sim.Fault{Host: sim.Delivery, NoLength: true}},
	{"gzip", sim.Fault{Host: sim.Delivery, Method: http.MethodGet, Gzip: true}},
	{"no HEAD", sim.Fault{Host: sim.Delivery, NoHEAD: true}},
	{"another version", sim.Fault{Host: sim.Delivery, Method: http.MethodGet, ChangeETag: true}},
	{"elsewhere", sim.Fault{Host: sim.Delivery, Redirect: "http://127.0.0.1:1/"}},
}

// apiFaults are what goes wrong between the API and us, creates among it.
var apiFaults = []fault{
	{"reset", sim.Fault{Host: sim.API, Reset: true}},
	{"lost answer", sim.Fault{Host: sim.API, Reset: true, Late: true}},
	{"late", sim.Fault{Host: sim.API, Delay: time.Second}},
	{"late answer", sim.Fault{Host: sim.API, Delay: time.Second, Late: true}},
	{"cut", sim.Fault{Host: sim.API, CutAfter: 300}},
	{"cut at once", sim.Fault{Host: sim.API, CutAfter: -1}},
	{"stall", sim.Fault{Host: sim.API, StallAfter: 100, StallFor: 2 * time.Second}},
	{"500", sim.Fault{Host: sim.API, Status: 500, Body: `{"detail":"oops"}`}},
	{"500 after all", sim.Fault{Host: sim.API, Status: 500, Body: `{"detail":"oops"}`, Late: true}},
	{"502 with HTML", withHost(sim.HTML(502), sim.API)},
	{"200 with HTML", sim.Fault{Host: sim.API, Method: http.MethodGet, Status: 200, Body: "<html>Welcome to the hotel</html>"}},
	{"200 with nonsense", sim.Fault{Host: sim.API, Method: http.MethodGet, Status: 200, Body: `{"results": 7, "id": [], "status": null}`}},
	{"200 with a huge body", sim.Fault{Host: sim.API, Method: http.MethodGet, Status: 200, Body: `{"detail":"` + strings.Repeat("x", 30<<20) + `"}`}},
	{"200 with half of an object", sim.Fault{Host: sim.API, Method: http.MethodGet, Status: 200, Body: `{"id":"gm3qorzdhgbfurvjtvhg6dckhu","status":"succ`}},
	{"200 with an unknown status", sim.Fault{Host: sim.API, Method: http.MethodGet, Path: "/v1/predictions/*", Status: 200, Body: `{"id":"gm3qorzdhgbfurvjtvhg6dckhu","status":"paused","input":{}}`}},
	{"a page that leads to itself", sim.Fault{Host: sim.API, Path: "/v1/predictions", Method: http.MethodGet, Status: 200, Body: `{"previous":null,"next":"/v1/predictions?cursor=again","results":[]}`}},
	{"429", withHost(sim.Throttle(time.Second, sim.InBody), sim.API)},
	{"gzip", sim.Fault{Host: sim.API, Gzip: true}},
	{"no stream", sim.Fault{Host: sim.Stream, Status: 503}},
	{"cut stream", sim.Fault{Host: sim.Stream, CutAfter: 40}},
}

func withHost(f sim.Fault, h sim.Host) sim.Fault {
	f.Host = h
	return f
}
