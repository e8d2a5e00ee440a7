package picture

// things is what can be drawn, by the words for it.
var things = index(map[string]*thing{
	"lion":                             {size: 0.5, wide: 66, color: hex(0xe0a048), draw: sitting(beast{ear: roundEar, mane: true})},
	"lioness":                          {size: 0.46, wide: 56, color: hex(0xd9a45c), draw: sitting(beast{ear: roundEar})},
	"tiger leopard":                    {size: 0.46, wide: 56, color: hex(0xee8f34), draw: sitting(beast{ear: roundEar, stripes: true})},
	"cat kitten":                       {size: 0.4, wide: 56, color: hex(0x6f6a75), draw: sitting(beast{ear: pointedEar, whiskers: true})},
	"dog puppy corgi":                  {size: 0.4, wide: 56, color: hex(0xb9834f), draw: sitting(beast{ear: floppyEar})},
	"fox wolf husky":                   {size: 0.4, wide: 60, color: hex(0xe2702a), draw: sitting(beast{ear: pointedEar, mask: true, brush: true})},
	"bear":                             {size: 0.48, wide: 58, color: hex(0x7a4e2d), draw: sitting(beast{ear: roundEar})},
	"panda":                            {size: 0.45, wide: 58, color: hex(0xf3f1ec), draw: sitting(beast{ear: roundEar, panda: true})},
	"rabbit bunny hare":                {size: 0.38, wide: 52, color: hex(0xd8c7b4), draw: sitting(beast{ear: longEar})},
	"mouse hamster":                    {size: 0.26, wide: 56, color: hex(0x9a938e), draw: sitting(beast{ear: roundEar, whiskers: true})},
	"monkey":                           {size: 0.4, wide: 56, color: hex(0x84583a), draw: sitting(beast{ear: roundEar, mask: true})},
	"horse pony":                       {size: 0.42, wide: 110, color: hex(0x8a5230), home: at(meadow), draw: walking(walker{mane: true})},
	"unicorn":                          {size: 0.42, wide: 110, color: hex(0xf6f1f7), home: at(meadow), draw: walking(walker{mane: true, horn: true})},
	"deer stag reindeer":               {size: 0.42, wide: 110, color: hex(0xa8703f), draw: walking(walker{antlers: true})},
	"zebra":                            {size: 0.4, wide: 110, color: hex(0xf4f2ee), draw: walking(walker{mane: true, stripes: true})},
	"cow bull":                         {size: 0.36, wide: 110, color: hex(0xf1ece4), draw: walking(walker{patches: true, heavy: true})},
	"sheep lamb goat":                  {size: 0.28, wide: 110, color: hex(0xf6f3ea), draw: walking(walker{heavy: true})},
	"giraffe":                          {size: 0.58, wide: 84, color: hex(0xe6b04c), draw: walking(walker{neck: 38, patches: true})},
	"elephant mammoth":                 {size: 0.46, wide: 130, color: hex(0x8e93a3), draw: elephant},
	"owl":                              {size: 0.34, wide: 60, color: hex(0x8b6a4a), draw: owl},
	"penguin":                          {size: 0.34, wide: 52, color: hex(0x262b3a), home: at(snowfield), draw: penguin},
	"dinosaur dino trex tyrannosaurus": {size: 0.5, wide: 100, color: hex(0x5a9a4e), draw: dinosaur},
	"dragon":                           {place: inAir, size: 0.5, wide: 130, color: hex(0xb3352f), draw: dragon},
	"bird gull seagull sparrow swallow eagle raven crow parrot": {place: inAir, size: 0.3, wide: 120, color: hex(0x2b2f3f), draw: birds},
	"butterfly moth":          {place: inAir, size: 0.26, wide: 110, color: hex(0xe8762c), draw: butterfly},
	"fish goldfish koi shark": {place: inSea, size: 0.26, wide: 140, color: hex(0xf2803a), draw: fish},
	"whale orca":              {place: inSea, size: 0.36, wide: 190, color: hex(0x35608f), draw: whale},
	"dolphin":                 {place: inSea, size: 0.3, wide: 170, color: hex(0x5f89ab), draw: dolphin},
	"octopus squid":           {place: inSea, size: 0.4, wide: 100, color: hex(0xc5486b), draw: octopus},
	"jellyfish":               {place: inSea, size: 0.36, wide: 64, color: hex(0xe59ae0), draw: jellyfish},
	"turtle tortoise":         {place: inSea, size: 0.24, wide: 150, color: hex(0x4d8c57), draw: turtle},

	"sailboat sail yacht boat":               {place: onWater, size: 0.36, wide: 86, color: hex(0xf7f2e6), draw: sailboat},
	"ship ferry steamer steamship titanic":   {place: onWater, size: 0.3, wide: 190, color: hex(0x2c3e5c), draw: steamer},
	"galleon pirate":                         {place: onWater, size: 0.42, wide: 130, color: hex(0x7a4a28), draw: galleon},
	"lighthouse":                             {size: 0.6, wide: 44, color: hex(0xd8413a), home: at(sea), draw: lighthouse},
	"house home cottage cabin hut farm barn": {size: 0.36, wide: 104, color: hex(0xe9dcc3), draw: house},
	"castle palace fortress":                 {size: 0.5, wide: 110, color: hex(0xb9b3ad), draw: castle},
	"church cathedral temple chapel":         {size: 0.5, wide: 84, color: hex(0xeee6d6), draw: church},
	"windmill mill":                          {size: 0.5, wide: 70, color: hex(0xe8ddc8), draw: windmill},
	"tower eiffel":                           {size: 0.6, wide: 56, color: hex(0x6b5a4c), draw: eiffel},
	"volcano":                                {size: 0.46, wide: 150, color: hex(0x5a4440), draw: volcano},
	"pyramid":                                {size: 0.36, wide: 170, color: hex(0xd9a45a), home: at(desert), draw: pyramid},
	"bridge":                                 {size: 0.3, wide: 260, color: hex(0xb8432f), draw: bridge},
	"tent camping camp":                      {size: 0.22, wide: 130, color: hex(0xe0803a), draw: tent},
	"igloo":                                  {size: 0.24, wide: 130, color: hex(0xe8f2fa), home: at(snowfield), draw: igloo},

	"tree oak maple apple":               {size: 0.42, wide: 84, color: hex(0x4d8f3f), draw: tree},
	"pine fir spruce":                    {size: 0.5, wide: 60, color: hex(0x2d6b4a), draw: pine},
	"palm":                               {size: 0.5, wide: 80, color: hex(0x3f9a52), home: at(beach), draw: palm},
	"cactus":                             {size: 0.36, wide: 64, color: hex(0x4f9a56), home: at(desert), draw: cactus},
	"cherry blossom sakura":              {size: 0.46, wide: 96, color: hex(0xf6b3cb), draw: tree},
	"flower tulip poppy daisy rose lily": {size: 0.3, wide: 52, color: hex(0xe4456a), draw: flower},
	"sunflower":                          {size: 0.4, wide: 52, color: hex(0xf6c22d), draw: flower},
	"mushroom toadstool":                 {size: 0.28, wide: 80, color: hex(0xd63a32), draw: mushroom},
	"bamboo":                             {size: 0.5, wide: 60, color: hex(0x6fb04f), draw: bamboo},
	"pumpkin":                            {size: 0.2, wide: 120, color: hex(0xee7f26), draw: pumpkin},

	"rocket spaceship spacecraft shuttle starship": {place: inAir, size: 0.56, wide: 60, color: hex(0xf0f0f4), draw: rocket},
	"astronaut spaceman cosmonaut":                 {place: inSpace, size: 0.5, wide: 64, color: hex(0xf3f4f8), draw: astronaut},
	"satellite station":                            {place: inSpace, size: 0.26, wide: 200, color: hex(0xc9ced8), draw: satellite},
	"ufo saucer alien":                             {place: inAir, size: 0.28, wide: 150, color: hex(0x9fb0c0), draw: saucer},
	"balloon":                                      {place: inAir, size: 0.34, wide: 70, color: hex(0xe0503f), draw: balloon},
	"airplane plane aeroplane jet aircraft":        {place: inAir, size: 0.26, wide: 190, color: hex(0xf3f5f8), draw: airplane},
	"kite":                                         {place: inAir, size: 0.3, wide: 90, color: hex(0xe2452f), draw: kite},
	"car taxi automobile truck bus van":            {size: 0.22, wide: 210, color: hex(0xd8362f), home: at(street), draw: car},
	"train locomotive tram":                        {size: 0.26, wide: 230, color: hex(0x2c5f8a), draw: train},
	"bicycle bike cycling":                         {size: 0.28, wide: 150, color: hex(0x2f7fd0), draw: bicycle},

	"robot android cyborg droid": {size: 0.44, wide: 70, color: hex(0x9db4c4), draw: robot},
	"person man woman girl boy child knight wizard samurai king queen princess dancer hiker": {size: 0.42, wide: 46, color: hex(0x3f6fb0), draw: person},
	"snowman":              {size: 0.4, wide: 62, color: hex(0xf8fbff), home: at(snowfield), draw: snowman},
	"heart love valentine": {place: inAir, size: 0.34, wide: 100, color: hex(0xe23a54), draw: heart},
	"crystal gem diamond":  {size: 0.36, wide: 76, color: hex(0x6fd0e8), draw: crystal},
	"coffee cup tea mug":   {size: 0.3, wide: 120, color: hex(0xf3efe6), draw: cup},
	"cake birthday":        {size: 0.32, wide: 110, color: hex(0xf4b6c6), draw: cake},
	"lantern lamp candle":  {size: 0.3, wide: 52, color: hex(0xc23b32), draw: lantern},
	"book library":         {size: 0.2, wide: 160, color: hex(0x8a3b3b), draw: book},
	"guitar music":         {size: 0.46, wide: 44, color: hex(0xb8662e), draw: guitar},
	"umbrella parasol":     {size: 0.4, wide: 90, color: hex(0xd8362f), draw: umbrella},
})

// index spreads the lists of words.
func index(rows map[string]*thing) map[string]*thing {
	all := make(map[string]*thing)
	for words, t := range rows {
		for i := 0; i < len(words); {
			j := i
			for j < len(words) && words[j] != ' ' {
				j++
			}
			all[words[i:j]] = t
			i = j + 1
		}
	}
	return all
}
