package mounted_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// Encoders put the index of a film at its end. A program that wants to know
// what is in it reads both ends, and most of the middle is never fetched; one
// that plays it, all of it.
func TestFilm(t *testing.T) {
	mounted.Need(t, needFFmpeg, "ffmpeg")
	mounted.Need(t, needFFmpeg, "ffprobe")
	each(t, func(t *testing.T, o mounted.Options) {
		a := mounted.Serve(t, sim.Options{ListLogs: true})
		o.Flags = quiet
		m := a.Mount(o)
		const film = "film.mp4"
		output(t, m.Command("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=24:d=10", "-c:v", "mjpeg", "-q:v", "1", film))
		data, err := os.ReadFile(filepath.Join(m.Work, film))
		if err != nil {
			t.Fatal(err)
		}
		id := a.Add(sim.Prediction{
			Model: "acme/video", Status: sim.Succeeded, CreatedAt: made, CompletedAt: made, Output: sim.NewFile("output.mp4", data),
		})
		// The film is the last argument of each.
		show := []string{"ffprobe", "-v", "error", "-show_entries", "format=duration:stream=codec_name,width,nb_frames", "-of", "csv"}
		play := []string{"sh", "-c", `ffmpeg -nostdin -v error -i "$0" -f framemd5 -`}
		path := m.Path("predictions", id, "output.mp4")
		for _, step := range []struct {
			what string
			args []string
			most int
		}{
			{"what is in it", show, len(data) / 2},
			{"all of it", play, len(data)},
			{"all of it again", play, 0},
		} {
			a.ResetRequests()
			want := output(t, m.Command(step.args[0], append(step.args[1:], film)...))
			if got := output(t, m.Command(step.args[0], append(step.args[1:], path)...)); got != want {
				t.Errorf("%s: got\n%swant\n%s", step.what, got, want)
			}
			sent := 0
			for _, r := range a.Requests() {
				if r.Host == sim.Delivery && r.Method == http.MethodGet {
					sent += int(r.Sent)
				}
			}
			if sent > step.most {
				t.Errorf("%s: %d bytes of %d were sent, want %d at most:\n%s", step.what, sent, len(data), step.most, requests(a, sim.Delivery))
			}
			t.Logf("%s: %d bytes of %d", step.what, sent, len(data))
		}
	})
}
