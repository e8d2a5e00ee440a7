package mounted_test

import (
	"net/http"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// TestTLS uses an account as it is in the world, behind TLS: with HTTP/2, and
// where the hosts or something between speak HTTP/1.1 only.
func TestTLS(t *testing.T) {
	for _, test := range []struct {
		proto string
		env   []string
		most  int64 // bytes that a look at the beginning of a picture may move, on average
	}{
		{"HTTP/2.0", nil, 512 * kib},
		{"HTTP/1.1", []string{"GODEBUG=http2client=0"}, 1500 * kib},
	} {
		t.Run(test.proto, func(t *testing.T) {
			each(t, func(t *testing.T, o mounted.Options) {
				// A line without limits would have sent everything before anybody
				// could stop it.
				a := mounted.Serve(t, sim.Options{TLS: true, Delivery: sim.Network{Bandwidth: mib / 2}})
				const size, pictures = 3*mib + 123, 20
				id, path := addBlob(a, size)
				var heads []string
				for range pictures {
					_, head := addBlob(a, 1500*kib)
					heads = append(heads, head)
				}
				o.Env = append(o.Env, test.env...)
				m := a.Mount(o)

				// Programs that look at pictures: one request each, little of it read.
				for _, head := range heads {
					output(t, m.Command("stat", m.Path(head)))
				}
				a.ResetRequests()
				for _, head := range heads {
					output(t, m.Command("head", "-c", "65536", m.Path(head)))
				}
				moved, twice := map[string]int64{}, 0
				for _, r := range a.Requests() {
					if r.Host != sim.Delivery {
						continue
					}
					if r.Proto != test.proto {
						t.Errorf("%s by %s, want %s", r.Path, r.Proto, test.proto)
					}
					if _, again := moved[r.Path]; again {
						twice++
					}
					moved[r.Path] += r.Sent
				}
				if most := repeats()(t, m); twice > most {
					t.Errorf("%d more requests than files, want %d", twice, most)
				}
				if len(moved) != pictures {
					t.Errorf("%d files were asked for, want %d", len(moved), pictures)
				}
				var all int64
				for _, n := range moved {
					all += n
				}
				if all > pictures*test.most {
					t.Errorf("%d bytes were moved for the first 64 KiB of %d pictures, want %d each at most", all, pictures, test.most)
				}
				t.Logf("%d KiB moved for each picture", all/pictures/kib)

				got, failed := cat(t, m, path)
				right(t, a, id, size, got, failed)

				// A run: its creation, its stream, its outputs.
				sh(t, m, `cd "$M"; echo "a lion" | tee `+painter+`/prompt.txt `+talker+`/prompt.txt > /dev/null
					file `+painter+`/latest/output-0.webp | grep -q Web/P; test -s `+talker+`/latest/output.txt`)
				if n := a.Count(http.MethodPost, "*/predictions"); n != 2 {
					t.Errorf("%d creates, want 2", n)
				}
			})
		})
	}
}
