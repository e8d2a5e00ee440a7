package picture

import (
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
)

type hour int

const (
	day hour = iota
	dusk
	dawn
	night
)

type land int

const (
	meadow land = iota
	sea
	beach
	desert
	snowfield
	street
	space
	deep // under water
)

// scene is what was understood of a prompt.
type scene struct {
	hour hour
	land land

	mountains, hills, forest, city    bool
	sun, moon, stars, aurora, rainbow bool
	clouds, rain, snow, fog, storm    bool
	flowers                           bool

	things []actor
}

// actor is a thing in the scene.
type actor struct {
	*thing
	color *rgb // nil is that of the thing
	small bool
}

// most is how many things a picture holds.
const most = 5

// read understands a prompt. What it leaves open is chosen by chance.
func read(prompt string, r *rand.Rand) *scene {
	s := &scene{}
	var hourSet, landSet, farSet bool
	var color *rgb
	count := 1
	small := false
	var last *thing // that the word before named
	words := strings.FieldsFunc(strings.ToLower(prompt), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	for i, w := range words {
		one := single(w)
		if i > 0 && words[i-1] == "hot" && one == "air" {
			continue
		}
		if c, ok := colors[w]; ok {
			color = &c
			continue
		}
		if n, ok := numbers[w]; ok {
			count = n
			continue
		}
		switch w {
		case "small", "tiny", "little", "baby", "distant":
			small = true
			continue
		}
		if h, ok := hours[one]; ok && !hourSet {
			s.hour, hourSet = h, true
		}
		if l, ok := lands[one]; ok && !landSet {
			s.land, landSet = l, true
			if l == sea && i > 0 && slices.ContainsFunc(words[max(0, i-2):i], under) {
				s.land = deep
			}
		}
		if f, ok := features[one]; ok {
			f(s)
			farSet = farSet || s.mountains || s.hills || s.forest || s.city
		}
		t, plural := things[w], false
		if t == nil {
			t, plural = things[one], true
		}
		// "sail boat", "pirate ship" and "palm tree" are one thing.
		same := t != nil && last != nil && (t == last || t == things["tree"] || t.place == onWater && last.place == onWater)
		if last = t; t == nil || same {
			continue
		}
		if plural && count == 1 {
			count = 3
		}
		for range count {
			if len(s.things) < most {
				s.things = append(s.things, actor{t, color, small})
			}
		}
		color, count, small = nil, 1, false
	}
	s.complete(r, hourSet, landSet, farSet)
	return s
}

func under(w string) bool { return w == "under" || w == "beneath" || w == "below" }

// complete decides what the prompt left open.
func (s *scene) complete(r *rand.Rand, hourSet, landSet, farSet bool) {
	if s.land == sea && landSet {
		for _, a := range s.things {
			if a.place == inSea && a.size < 0.3 || a.thing == things["octopus"] || a.thing == things["jellyfish"] {
				s.land = deep // what does not leap is seen under water
			}
		}
	}
	if !landSet {
		for _, a := range s.things {
			if l, ok := homes[a.place]; ok {
				s.land, landSet = l, true
				break
			}
			if a.home != nil {
				s.land, landSet = *a.home, true
				break
			}
		}
	}
	if !hourSet {
		switch {
		case s.moon || s.stars || s.aurora:
			s.hour = night
		case s.rainbow:
			s.hour = day
		default:
			s.hour = []hour{day, day, dusk, dawn, night}[r.IntN(5)]
		}
	}
	if !landSet && s.city {
		s.land = street
	}
	if !farSet && s.land != space && s.land != deep {
		switch k := r.IntN(6); {
		case s.land == sea:
			s.mountains = k < 2
		case s.land == beach:
			s.hills = k < 3
		case s.land == desert:
			s.hills = k < 3
		case s.land == street:
			s.city = true
		case k < 2:
			s.mountains = true
		case k < 4:
			s.hills = true
		case k < 5:
			s.mountains, s.forest = true, true
		default:
			s.forest = true
		}
	}
	if len(s.things) == 0 && !landSet && !farSet {
		// Nothing that can be drawn was named: a quiet landscape of some kind.
		pick := [][]string{{"tree"}, {"house", "tree"}, {"balloon"}, {"sailboat"}, {"bird"}, {"windmill"}, {"pine", "tent"}}
		for _, name := range pick[r.IntN(len(pick))] {
			s.things = append(s.things, actor{thing: things[name]})
			if name == "sailboat" {
				s.land = sea
			}
		}
	}
	if s.hour == night {
		s.stars = s.stars || !s.clouds && !s.rain && !s.fog
		s.moon = s.moon || !s.sun && r.IntN(3) > 0 && !s.aurora
	} else if !s.moon && !s.rain && !s.storm && !s.fog {
		s.sun = true
		s.clouds = s.clouds || r.IntN(5) < 3
	}
	s.sun = s.sun && s.hour != night
}

// single is a noun without its plural.
func single(w string) string {
	if to, ok := odd[w]; ok {
		return to
	}
	for _, end := range [][2]string{{"ies", "y"}, {"ches", "ch"}, {"shes", "sh"}, {"xes", "x"}, {"s", ""}} {
		if stem, ok := strings.CutSuffix(w, end[0]); ok && len(stem) > 1 && len(w) > 3 && !strings.HasSuffix(w, "ss") {
			return stem + end[1]
		}
	}
	return w
}

var odd = map[string]string{
	"cactus": "cactus", "cacti": "cactus", "wolves": "wolf", "people": "person", "men": "person", "women": "person", "children": "person",
	"fishes": "fish", "leaves": "leaf", "galaxies": "galaxy", "octopus": "octopus", "sails": "sail", "bus": "bus", "paris": "paris", "mars": "mars",
	"venus": "venus", "yes": "yes", "gas": "gas", "glass": "glass", "this": "this", "is": "is", "gulls": "bird", "seagulls": "bird",
}

var numbers = map[string]int{"two": 2, "2": 2, "pair": 2, "couple": 2, "three": 3, "3": 3, "four": 4, "4": 4, "five": 5, "5": 5, "several": 3, "many": 5, "some": 3}

var colors = map[string]rgb{
	"red": hex(0xd8352f), "crimson": hex(0xb5132f), "scarlet": hex(0xe0312b), "orange": hex(0xf08a24), "golden": hex(0xe8b13a), "gold": hex(0xe8b13a),
	"yellow": hex(0xf5d33f), "green": hex(0x3fa34d), "emerald": hex(0x1f9d6b), "teal": hex(0x1f8f93), "turquoise": hex(0x34c3c4), "cyan": hex(0x35c4e0),
	"blue": hex(0x2f6fd8), "navy": hex(0x1d2f66), "indigo": hex(0x4434a8), "purple": hex(0x8442b8), "violet": hex(0x8f4fd0), "pink": hex(0xf27ba8),
	"magenta": hex(0xd6339b), "brown": hex(0x8a5a34), "black": hex(0x26262e), "white": hex(0xf4f2ee), "gray": hex(0x8b8f99), "grey": hex(0x8b8f99), "silver": hex(0xc3c9d2),
}

var hours = map[string]hour{
	"sunset": dusk, "dusk": dusk, "evening": dusk, "twilight": dusk, "golden": dusk,
	"sunrise": dawn, "dawn": dawn, "morning": dawn, "misty": dawn,
	"night": night, "midnight": night, "moonlight": night, "moonlit": night, "starry": night, "nighttime": night, "dark": night, "neon": night, "cyberpunk": night,
	"day": day, "noon": day, "daylight": day, "sunny": day, "afternoon": day, "summer": day, "spring": day,
}

var lands = map[string]land{
	"sea": sea, "ocean": sea, "lake": sea, "water": sea, "harbor": sea, "harbour": sea, "wave": sea, "river": sea, "coast": sea, "fjord": sea, "sailing": sea, "bay": sea,
	"beach": beach, "shore": beach, "island": beach, "tropical": beach,
	"desert": desert, "dune": desert, "sahara": desert, "sand": desert, "mar": desert, "mars": desert, "canyon": desert,
	"snow": snowfield, "snowy": snowfield, "winter": snowfield, "ice": snowfield, "arctic": snowfield, "antarctica": snowfield, "frozen": snowfield, "christmas": snowfield,
	"street": street, "road": street, "cyberpunk": street, "downtown": street,
	"space": space, "galaxy": space, "cosmo": space, "cosmos": space, "cosmic": space, "nebula": space, "universe": space, "planet": space, "orbit": space,
	"underwater": deep, "reef": deep, "coral": deep, "aquarium": deep, "seabed": deep,
	"meadow": meadow, "field": meadow, "garden": meadow, "grass": meadow, "park": meadow, "savanna": meadow, "savannah": meadow, "valley": meadow, "forest": meadow,
}

var features = map[string]func(*scene){
	"mountain": func(s *scene) { s.mountains = true }, "alp": func(s *scene) { s.mountains = true }, "peak": func(s *scene) { s.mountains = true },
	"fjord": func(s *scene) { s.mountains = true }, "himalaya": func(s *scene) { s.mountains = true },
	"hill": func(s *scene) { s.hills = true }, "valley": func(s *scene) { s.hills, s.mountains = true, true }, "rolling": func(s *scene) { s.hills = true },
	"forest": func(s *scene) { s.forest = true }, "wood": func(s *scene) { s.forest = true }, "jungle": func(s *scene) { s.forest = true },
	"city": func(s *scene) { s.city = true }, "skyline": func(s *scene) { s.city = true }, "skyscraper": func(s *scene) { s.city = true },
	"town": func(s *scene) { s.city = true }, "tokyo": func(s *scene) { s.city = true }, "york": func(s *scene) { s.city = true }, "cyberpunk": func(s *scene) { s.city = true },
	"street": func(s *scene) { s.city = true }, "neon": func(s *scene) { s.city = true }, "paris": func(s *scene) { s.city = true }, "london": func(s *scene) { s.city = true },
	"sun": func(s *scene) { s.sun = true }, "sunny": func(s *scene) { s.sun = true }, "sunset": func(s *scene) { s.sun = true },
	"moon": func(s *scene) { s.moon = true }, "moonlight": func(s *scene) { s.moon = true }, "moonlit": func(s *scene) { s.moon = true },
	"star": func(s *scene) { s.stars = true }, "starry": func(s *scene) { s.stars = true }, "aurora": func(s *scene) { s.aurora = true },
	"northern": func(s *scene) { s.aurora = true }, "rainbow": func(s *scene) { s.rainbow = true },
	"cloud": func(s *scene) { s.clouds = true }, "cloudy": func(s *scene) { s.clouds = true },
	"rain": func(s *scene) { s.rain, s.clouds = true, true }, "rainy": func(s *scene) { s.rain, s.clouds = true, true }, "raining": func(s *scene) { s.rain, s.clouds = true, true },
	"storm": func(s *scene) { s.storm, s.rain, s.clouds = true, true, true }, "stormy": func(s *scene) { s.storm, s.rain, s.clouds = true, true, true },
	"lightning": func(s *scene) { s.storm, s.clouds = true, true }, "thunder": func(s *scene) { s.storm, s.clouds = true, true },
	"snow": func(s *scene) { s.snow = true }, "snowy": func(s *scene) { s.snow = true }, "snowing": func(s *scene) { s.snow = true }, "winter": func(s *scene) { s.snow = true },
	"blizzard": func(s *scene) { s.snow, s.fog = true, true }, "christmas": func(s *scene) { s.snow = true },
	"fog": func(s *scene) { s.fog = true }, "foggy": func(s *scene) { s.fog = true }, "mist": func(s *scene) { s.fog = true }, "misty": func(s *scene) { s.fog = true },
	"flower": func(s *scene) { s.flowers = true }, "meadow": func(s *scene) { s.flowers = true }, "spring": func(s *scene) { s.flowers = true }, "garden": func(s *scene) { s.flowers = true },
	"poppy": func(s *scene) { s.flowers = true }, "tulip": func(s *scene) { s.flowers = true },
}
