package mounted_test

import (
	"encoding/json"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// probe is a page that looks into another one, as no script of that page may:
// it waits for the pictures and tells what it found.
const probe = `<!DOCTYPE html><title>probe</title><iframe id="f" width="1400" height="30000" src="PAGE"></iframe><pre id="said"></pre><script>
document.getElementById("f").onload = function (e) {
	const d = e.target.contentDocument, pictures = [...d.images];
	const look = function (times) {
		if (times > 0 && !pictures.every(function (i) { return i.complete && i.naturalWidth > 0 })) return setTimeout(look, 100, times - 1);
		document.getElementById("said").textContent = JSON.stringify({
			pictures: pictures.map(function (i) { return i.naturalWidth }),
			films: d.querySelectorAll("video").length, scripts: d.scripts.length, pwned: !!e.target.contentWindow.pwned,
			prompts: [...d.querySelectorAll(".prompt")].map(function (p) { return p.textContent }),
			color: getComputedStyle(d.body).backgroundColor, wide: d.documentElement.scrollWidth,
			links: [...d.querySelectorAll("a")].map(function (a) { return a.getAttribute("href") }),
		});
	};
	look(200);
};
</script>`

// In a real browser, from the file in the mount: pictures are pictures, and
// prompts are words.
func TestGallery(t *testing.T) {
	t.Parallel()
	mounted.Need(t, "apt install chromium", "chromium", "chromium-browser")
	a := mounted.Serve(t, sim.Options{Past: 12, Limits: sim.Limits{Create: -1, Other: -1}})
	const evil = `</p><script>window.pwned = true</script><img src=x onerror="window.pwned = true"><a href="javascript:pwned=true">x</a>`
	input, err := json.Marshal(map[string]string{"prompt": evil})
	if err != nil {
		t.Fatal(err)
	}
	a.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Succeeded, Source: "web", Input: input, Output: evil, CreatedAt: time.Now().Add(-time.Minute)})
	a.Add(sim.Prediction{Model: "acme/puppet", Status: sim.Succeeded, Source: "web", Output: sim.NewBlob("film.mp4", 5000), CreatedAt: time.Now().Add(-time.Minute)})
	m := a.Mount(mounted.Options{})
	mounted.Until(t, "the past is known", func() bool { return sh(t, m, `ls "$M/predictions" | wc -l`) == "14\n" })
	page := filepath.Join(m.Work, "probe.html")
	if err := os.WriteFile(page, []byte(strings.ReplaceAll(probe, "PAGE", "file://"+m.Path("gallery.html"))), 0o644); err != nil {
		t.Fatal(err)
	}
	a.ResetRequests()
	look := func(flags ...string) (said struct {
		Pictures    []int
		Films, Wide int
		Scripts     int
		Pwned       bool
		Prompts     []string
		Links       []string
		Color       string
	}) {
		args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--user-data-dir=" + filepath.Join(m.Work, "chromium"),
			"--virtual-time-budget=60000", "--dump-dom"}, flags...)
		cmd := m.Command("sh", append([]string{"-c", `exec "$(command -v chromium || command -v chromium-browser)" "$@" 2>/dev/null`, "sh"}, append(args, "file://"+page)...)...)
		dom := output(t, cmd)
		found := regexp.MustCompile(`(?s)<pre id="said">(.*?)</pre>`).FindStringSubmatch(dom)
		if found == nil || json.Unmarshal([]byte(html.UnescapeString(found[1])), &said) != nil {
			t.Fatalf("the probe says nothing:\n%.3000s", dom)
		}
		return said
	}
	light := look()
	if len(light.Pictures) == 0 {
		t.Error("no pictures")
	}
	for i, width := range light.Pictures {
		if width == 0 {
			t.Errorf("picture %d is none", i)
		}
	}
	if light.Scripts > 0 || light.Pwned || light.Films == 0 || light.Wide > 1400 {
		t.Errorf("the page has %d scripts, ran one: %v, has %d films and is %d wide", light.Scripts, light.Pwned, light.Films, light.Wide)
	}
	if !strings.Contains(strings.Join(light.Prompts, "\n"), evil) {
		t.Errorf("the page has the prompts %q, want one as it was written", light.Prompts)
	}
	for _, link := range light.Links {
		if strings.Contains(link, ":") || !strings.HasPrefix(sh(t, m, `cd "$M"; stat -c %F "`+link+`"`), "regular file") && !strings.HasSuffix(link, "/") {
			t.Errorf("the page leads to %q", link)
		}
	}
	if dark := look("--blink-settings=preferredColorScheme=0"); dark.Color == light.Color {
		t.Errorf("it has the color %s by day and by night", dark.Color)
	}
	// Films are not fetched before somebody plays them.
	for _, r := range a.Requests() {
		if r.Host == sim.Delivery && r.Method == "GET" && strings.Contains(r.Path, "film.mp4") {
			t.Error("a film was fetched that nobody played")
		}
	}
}
