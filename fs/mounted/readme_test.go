package mounted_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// What the README tells a user to type works as printed, line by line, each
// section after the one before, but that the slow run takes 7 seconds and not 70,
// and that a wait for a run to begin ends when it has.
func TestReadmeRecipes(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	mounted.Need(t, "apt install parallel", "parallel")
	a := mounted.Serve(t, sim.Options{Speed: 10, Past: 3})
	m := a.Mount(mounted.Options{})
	if err := os.Symlink(mounted.Program(t), filepath.Join(m.Work, "replicatefs")); err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{"Run a model", "Look", "Keep and back up"} {
		_, text, found := strings.Cut(string(readme), "\n## "+section+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(text, -1)
		if !found || len(blocks) == 0 {
			t.Fatalf("the README has nothing to type in %q", section)
		}
		for _, block := range blocks {
			for recipe := range strings.SplitSeq(block[1], "\n\n") { // each has its own time, and begins where the one before ended
				script := strings.NewReplacer("~/replicate/", "$M/", `"seconds": 70`, `"seconds": 7`, "sleep 5;", "until [ -e latest/cancel ]; do sleep 0.1; done;").Replace(recipe)
				cmd := m.Command("bash", "-euxo", "pipefail", "-c", "[ ! -e ~/.here ] || cd \"$(cat ~/.here)\"\n"+script+"\npwd > ~/.here; wait")
				cmd.Env = append(cmd.Env, "PATH="+m.Work+":"+os.Getenv("PATH"),
					"REPLICATE_BASE_URL="+a.Server.BaseURL(), "REPLICATE_API_TOKEN="+sim.DemoToken,
					"REPLICATEFS_OUTPUT_HOST="+a.Server.OutputHost(), "REPLICATEFS_CACHE_DIR="+m.Data)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", section, err, out)
				}
			}
		}
	}
	got := strings.Fields(sh(t, m, `ls *.webp *.png pictures/*; file -b --mime-type *.webp *.png pictures/* | sort -u`))
	want := strings.Fields(`1.webp 2.webp 3.webp b1.webp b2.webp b3.webp example.webp output-0.png output-1.png output-2.png output-3.png
		output.png photo.webp pictures/output-0.webp pictures/output-1.webp pictures/output.png image/png image/webp`)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the recipes made %q, want %q", got, want)
	}
}
