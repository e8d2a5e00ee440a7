package mounted_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// nginxConfig serves the folder that takes the place of $M on a socket in the
// working folder. Files go out by sendfile(2), from our pages or our file.
const nginxConfig = `
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {}
http {
	access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
	client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
	server { listen unix:nginx.sock; root $M; autoindex on; }
}
`

// startNginx serves a mount until the end of the test, or until stop is
// called.
func startNginx(t *testing.T, m *mounted.Mount) (stop func()) {
	t.Helper()
	config := filepath.Join(m.Work, "nginx.conf")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(nginxConfig, "$M", m.Dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := m.Command("nginx", "-e", "stderr", "-p", m.Work, "-c", config)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running := true
	stop = func() {
		if running {
			running = false
			cmd.Process.Signal(syscall.SIGQUIT)
			if err := cmd.Wait(); err != nil {
				t.Errorf("nginx: %v\n%s", err, said.Bytes())
			}
			os.Remove(filepath.Join(m.Work, "nginx.sock"))
		}
	}
	t.Cleanup(stop)
	mounted.Until(t, "nginx answers", func() bool {
		return m.Command("curl", "-sf", "--unix-socket", "nginx.sock", "http://nginx/").Run() == nil
	})
	return stop
}

// A web server serves the mount as it serves a disk: whole files, ranges,
// several at a time, and the browser's copy is good after a remount.
func TestNginx(t *testing.T) {
	const size = 20*mib + 4321
	mounted.Need(t, "apt install nginx-light", "nginx")
	mounted.Need(t, needCurl, "curl")
	each(t, func(t *testing.T, o mounted.Options) {
		a, dirs := serveStudio(t, 1)
		big, bigPath := addBlob(a, size)
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, 2)
		T, local := truth(t, m, big, size), localStudio(t, m)
		stop := startNginx(t, m)
		ask := func(script string) string {
			t.Helper()
			cmd := m.Command("bash", "-euo", "pipefail", "-c", `
				get() { curl -sS --fail --unix-socket nginx.sock "$@"; }
				piece() { tail -c +$(($1 + 1)) "$T" | head -c $(($2 - $1 + 1)) || true; }
				`+script)
			cmd.Env = append(cmd.Env, "T="+T, "L="+local, "B=http://nginx/"+bigPath, "D=http://nginx/"+dirs[0])
			return output(t, cmd)
		}
		a.ResetRequests()
		ask(`
			head=$(get -I "$B"); grep -qi "content-length: $(stat -c %s "$T")" <<< "$head"; grep -qi 'accept-ranges: bytes' <<< "$head"
			for r in 0-99 5000000-5123456 20971520-20975000; do get -r $r "$B" | cmp - <(piece ${r/-/ }); done
			get -r -100 "$B" | cmp - <(tail -c 100 "$T")
			for i in 1 2 3 4; do get "$B" | cmp - "$T" & p="${p-} $!"; done; for i in $p; do wait $i; done
			for f in "$L"/*; do get "$D/${f##*/}" | cmp - "$f"; done
			get "$D/" | grep -c '<a href="output-' | grep -qx 4
			! get "$D/nothing.png" 2> log; grep -q 404 log`)
		var sent int64
		for _, r := range a.Requests() {
			if r.Host == sim.Delivery && r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/out.bin") {
				sent += r.Sent
			}
		}
		if sent > size+size/2 {
			t.Errorf("%d bytes were sent for a file of %d", sent, size)
		}
		tag := ask(`get -I "$B" | grep -i '^etag:' | cut -d' ' -f2 | tr -d '\r\n'`)
		a.ResetRequests()
		ask(`get "$B" | cmp - "$T"; for f in "$L"/*; do get "$D/${f##*/}" | cmp - "$f"; done`)
		if got, want := spent(a), (cost{}); got != want {
			t.Errorf("served again, it costs %v, want %v", got, want)
		}
		stop()
		m.Remount()
		startNginx(t, m)
		if got := ask(`get -o /dev/null -w '%{http_code}' -H 'If-None-Match: ` + tag + `' "$B"`); got != "304" {
			t.Errorf("after a remount a browser's copy is answered with %s, want 304", got)
		}
	})
}
