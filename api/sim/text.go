package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"
)

// compose answers a prompt as a language model would, in words if not in
// wit: a story, a poem, a list or an explanation about what the prompt is
// about, never more than so many tokens.
func compose(prompt string, r *rand.Rand, most int) []string {
	low := strings.ToLower(prompt)
	about := topic(prompt)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(low, w) {
				return true
			}
		}
		return false
	}
	var text string
	switch {
	case about == "":
		text = "Hello! What would you like to talk about?"
	case has("haiku"):
		text = haiku(about, r)
	case has("poem", "verse", "song"):
		text = poem(about, r)
	case has("story", "tale"):
		text = story(about, r)
	case has("list", "ideas", "tips", "ways", "names"):
		text = ideas(about, r)
	case has("why", "how", "what", "explain", "who", "when", "where"):
		text = explain(about, r)
	default:
		text = remark(about, r)
	}
	t := tokens(text)
	return t[:min(len(t), max(most, 1))]
}

// openings are how people begin; what follows is the topic.
var openings = []string{
	"please", "can you", "could you", "tell me", "write me", "write", "give me", "show me", "make", "compose", "explain to me", "explain", "describe", "list",
	"what is", "what are", "what's", "why is", "why are", "why do", "why does", "how do i", "how do", "how does", "how to", "how", "who is", "who was", "why", "what",
	"a short", "a long", "a little", "a few", "some", "five", "three", "ten", "a", "an", "the", "short", "funny", "story", "tale", "poem", "haiku", "song", "ideas", "tips", "names", "ways", "list",
	"about", "on", "of", "for", "to",
}

// topic is what a prompt is about.
func topic(prompt string) string {
	t := strings.Join(strings.Fields(prompt), " ")
	if i := strings.IndexAny(t, ".?!\n"); i > 0 {
		t = t[:i]
	}
	t = strings.Trim(t, " .?!,:;\"'")
	for again := true; again; {
		again = false
		for _, o := range openings {
			if len(t) > len(o) && strings.EqualFold(t[:len(o)], o) && t[len(o)] == ' ' {
				t, again = strings.TrimSpace(t[len(o):]), true
				break
			}
		}
	}
	if len(t) > 80 {
		t = strings.ToValidUTF8(t[:80], "")
		if i := strings.LastIndex(t, " "); i > 0 {
			t = t[:i]
		}
	}
	return t
}

func one(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// upper begins with a capital.
func upper(s string) string {
	for i, c := range s {
		return string(unicode.ToUpper(c)) + s[i+len(string(c)):]
	}
	return s
}

func story(about string, r *rand.Rand) string {
	who := one(r, "Mara", "Old Tom", "Ines", "a boy called Jun", "the keeper's daughter", "Captain Ada")
	place := one(r, "at the end of the road", "on the far side of the bay", "where the maps stop", "above the last houses of the town")
	return fmt.Sprintf("Once upon a time, %s, there was the matter of the %s.\n\n", place, about) +
		upper(fmt.Sprintf("%s came upon it %s. ", who, one(r, "one winter morning", "by mistake", "while looking for something else", "on the longest day of the year"))) +
		one(r, "“That can't be right,” they said, and looked again. ", "Nobody had mentioned it, not even the gulls. ", "It was smaller than the stories had it, and brighter. ") +
		one(r, "They sat down and waited.", "They told no one.", "They wrote it down, as one should.") + "\n\n" +
		one(r, "For three days nothing happened. On the fourth the wind turned, ", "The first night it was quiet. The second night it was not, ", "All summer long it kept its secret, ") +
		one(r, "and a light went on where no light had been.", "and the sea gave back what it had borrowed.", "and something answered.") + "\n\n" +
		fmt.Sprintf("When people ask about the %s today, %s only smiles. ", about, who) +
		one(r, "“Some things,” they say, “are found by those who are late.”", "The door is still open.", "The kettle is always on.") + "\n\nThe end."
}

func poem(about string, r *rand.Rand) string {
	return fmt.Sprintf("**%s**\n\n", upper(about)) + fmt.Sprintf(one(r,
		"The morning lays its silver down,\nthe %s wakes before the town,\nand all that hurried, all that spun\nstands still a moment in the sun.",
		"A quiet hand has drawn the day,\nthe %s and what got away,\nand all we lost along the road\ncomes home, and sets aside its load.",
		"There is a light before the light,\nthe %s keeps it through the night,\nand every shadow, every stone\nremembers it was not alone."), about) + "\n\n" +
		one(r, "O keep it, you who pass it by:\na little earth, a lot of sky.",
			"So let it be, and let it go:\nthe things we love are always slow.",
			"And if you ask me what it meant:\nit came, it shone a while, it went.")
}

func haiku(about string, r *rand.Rand) string {
	return fmt.Sprintf("%s, at dawn —\n%s\n%s", upper(about),
		one(r, "a single drop remembers", "the old pond holds its breath now", "between two gusts, a silence"),
		one(r, "the whole of the sky", "then the frog jumps in", "and the day begins"))
}

func ideas(about string, r *rand.Rand) string {
	all := []string{
		"**Start small.** One afternoon is enough to find out whether it is fun.",
		"**Write it down.** What is not on paper by evening is gone by morning.",
		"**Ask somebody who has failed at it.** They know the most.",
		"**Do it backwards.** Begin with the end and see what is missing.",
		"**Leave one thing out.** It is usually the expensive one.",
		"**Invite a friend.** Two see more than one, and carry more.",
		"**Sleep on it.** Most of the work is done by then.",
		"**Make it visible.** A picture on the wall beats a file in a folder.",
	}
	r.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	var b strings.Builder
	fmt.Fprintf(&b, "Here are some thoughts on %s:\n\n", about)
	for i, s := range all[:5] {
		fmt.Fprintf(&b, "%d. %s\n", i+1, s)
	}
	return b.String() + "\nWhich of them would you like to look at first?"
}

func explain(about string, r *rand.Rand) string {
	return one(r, "Good question! ", "Let's take it step by step. ", "The short answer is simpler than it looks. ") +
		fmt.Sprintf("When we ask about %s, we really ask three things:\n\n", about) +
		"* **What is seen:** " + one(r, "the part that everybody agrees on.", "what a camera would record.", "the effect, before any theory.") + "\n" +
		"* **What causes it:** " + one(r, "many small steps, none of them surprising.", "light, time, and a little chance.", "pressure from one side and patience from the other.") + "\n" +
		"* **Why it matters:** " + one(r, "because small causes add up.", "because it would be missed.", "because the next question depends on it.") + "\n\n" +
		one(r, "Think of a river: each drop is plain, the whole is not.", "Think of bread: the recipe is short, and yet no two are alike.",
			"Think of a busy street seen from above: nobody is in charge, and still it moves.") + "\n\n" +
		"I hope this helps. Shall I go into more detail?"
}

func remark(about string, r *rand.Rand) string {
	return fmt.Sprintf("%s: %s\n\n", upper(about), one(r, "now that is worth a closer look.", "I like where this is going.", "there is more to it than meets the eye.")) +
		one(r, "If I had to choose one thing to say about it, it would be this: ", "What strikes me most is this: ", "Here is a way to think about it: ") +
		one(r, "it is never twice the same.", "it rewards those who take their time.", "the details carry the whole.") + " " +
		one(r, "Would you like a story, a poem, or an explanation?", "Tell me more, and I will try to be more useful.")
}

// tokens cuts a text as language models do: words with the space before them,
// long ones in pieces, line breaks alone.
func tokens(text string) []string {
	var out []string
	for text != "" {
		n := 1
		switch {
		case strings.HasPrefix(text, "\n\n"):
			n = 2
		case text[0] == '\n':
		default:
			for n < len(text) && n < 8 && text[n] != ' ' && text[n] != '\n' {
				n++
			}
			for n < len(text) && text[n]&0xc0 == 0x80 { // not inside a character
				n++
			}
		}
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// prompts and questions are what the account asked in the past.
var prompts = []string{
	"A majestic lion at sunset",
	"a lighthouse on a rocky coast at sunset, sailing boat, gulls",
	"two foxes in a snowy forest",
	"a rocket flying past a planet in space",
	"a cat under the moon",
	"a neon city street at night in the rain, red car",
	"a hot air balloon over mountains in the morning",
	"an old castle on a hill, rainbow",
	"a whale under the sea",
	"penguins in antarctica under the northern lights",
	"a windmill and tulips in holland",
	"a cottage under a big oak tree in spring",
	"an astronaut floating in space near a satellite",
	"a red dragon over a castle",
	"a giraffe and a lioness in the savanna",
	"the eiffel tower in paris at night",
	"a palm tree on a tropical island",
	"a steam train in the mountains",
	"goldfish and an octopus in a coral reef",
	"an owl in a dark forest at night",
	"a tent in the forest under the stars",
	"a church in the snow, christmas",
	"a pirate ship in a storm",
	"three cactuses in the desert",
	"cherry blossom trees by the river in japan",
	"a ufo over a farm at night",
	"a sunflower in a field",
	"a robot drinking coffee in the city",
	"a unicorn under a rainbow",
	"a dinosaur and a volcano",
	"a glowing lantern at night",
	"a yellow taxi in new york at night",
	"an elephant in the savanna at sunset",
	"butterflies in a garden",
	"a small boat on a calm lake in the misty morning, mountains",
}

var questions = []string{
	"Tell me a short story about a lighthouse",
	"Why is the sky blue?",
	"Write a poem about the sea",
	"Give me five ideas for a rainy afternoon",
	"Write a haiku about autumn",
	"Explain photosynthesis",
	"How do I bake bread?",
	"What is the meaning of life?",
	"Tell me a story about a fox who could read",
	"List names for a small grey cat",
}
