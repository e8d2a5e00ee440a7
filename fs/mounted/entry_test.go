package mounted_test

import (
	"encoding/base64"
	"encoding/hex"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// as runs a script as another user, which only root can have done.
func as(t *testing.T, m *mounted.Mount, uid, gid uint32, script string) (string, error) {
	t.Helper()
	cmd := m.Command("sh", "-euc", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be several users")
	}
}

// A mount is its owner's alone, also against root.
func TestOwnerOnly(t *testing.T) {
	needRoot(t)
	each(t, func(t *testing.T, o mounted.Options) {
		m := serve(t).Mount(o)
		stranger := uint32(65533)
		if out, err := as(t, m, stranger, stranger, `ls "$M"`); err == nil || !strings.Contains(out, "Permission denied") {
			t.Errorf("a stranger sees %q, %v", out, err)
		}
		if out, err := exec.Command("ls", m.Dir).CombinedOutput(); o.User && err == nil {
			t.Errorf("root sees the mount of a user: %q", out)
		}
	})
}

// With --allow-other the kernel holds everybody to the modes, and what runs a
// model is the owner's alone.
func TestAllowOther(t *testing.T) {
	needRoot(t)
	t.Parallel()
	a := serve(t)
	const owner, group, stranger = 1234, 2345, 3456
	m := a.Mount(mounted.Options{Flags: []string{"--allow-other", "--uid=1234", "--gid=2345"}})
	const save = `echo "a lion" | tee "$M/` + painter + `/prompt.txt"`
	if out, err := as(t, m, owner, owner, save); err != nil {
		t.Errorf("the owner cannot run a model: %s, %v", out, err)
	}
	for who, id := range map[string][2]uint32{"the group": {stranger, group}, "a stranger": {stranger, stranger}} {
		for _, script := range []string{save, `: > "$M/` + painter + `/input.json"`, `mkdir "$M/` + painter + `/draft"`, `echo x > "$M/` + painter + `/latest/cancel"`} {
			if out, err := as(t, m, id[0], id[1], script); err == nil {
				t.Errorf("%s can do %q: %s", who, script, out)
			}
		}
		if out, err := as(t, m, id[0], id[1], `cat "$M/`+painter+`/latest/status"`); out != "succeeded\n" {
			t.Errorf("%s reads %q, %v", who, out, err)
		}
	}
	if got := sh(t, m, `stat -c '%u:%g %a' "$M/`+painter+`/prompt.txt" "$M/`+painter+`/latest/status"`); got != "1234:2345 644\n1234:2345 444\n" {
		t.Errorf("owners and modes are %q", got)
	}
	m.Remount("--allow-other", "--uid=1234", "--gid=2345", "--umask=0027")
	for who, id := range map[string][3]uint32{"the owner": {owner, owner, 1}, "the group": {stranger, group, 1}, "a stranger": {stranger, stranger, 0}} {
		if out, err := as(t, m, id[0], id[1], `cat "$M/README.md" > /dev/null`); (err == nil) != (id[2] == 1) {
			t.Errorf("with a umask of 0027 %s reads: %s, %v", who, out, err)
		}
	}
	if got := a.Creates(); got != 1 {
		t.Errorf("%d runs, want one", got)
	}
}

// Everything local is its owner's alone, and is not put where others have
// their hands in.
func TestLocalDataIsPrivate(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		_, path := addBlob(a, 3*mib)
		m := a.Mount(o)
		cat(t, m, path)
		sh(t, m, `umask 0; echo "a lion" | tee "$M/`+painter+`/prompt.txt" > /dev/null; if mkdir "$M/`+painter+`/draft"; then echo x > "$M/`+painter+`/draft/prompt.txt"; fi`)
		kept(t, m, 1)
		m.Stop()
		files := 0
		err := filepath.WalkDir(m.Data, func(path string, e iofs.DirEntry, err error) error {
			if err != nil || path == m.Data { // which the test made
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			if files++; info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has the mode %v", path, info.Mode())
			}
			return nil
		})
		if err != nil || files < 10 {
			t.Errorf("%d files of local data, %v", files, err)
		}
		for mode, sentence := range map[os.FileMode]string{0o777: "chmod go-w", 0o775: "chmod go-w"} {
			if err := os.Chmod(m.Data, mode); err != nil {
				t.Fatal(err)
			}
			err := m.Start()
			if err == nil || !strings.Contains(err.Error(), sentence) {
				t.Errorf("with local data in a folder of mode %v: %v", mode, err)
			}
		}
		os.Chmod(m.Data, 0o700)
		if os.Geteuid() != 0 {
			return
		}
		if err := os.Chown(m.Data, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if err := m.Start(); err == nil || !strings.Contains(err.Error(), "--cache-dir") {
			t.Errorf("with local data in a folder of somebody else: %v", err)
		}
	})
}

// forms are what a secret looks like where somebody encoded it, or cut it.
func forms(secret string) []string {
	all := []string{secret, secret[:20], secret[len(secret)-20:], hex.EncodeToString([]byte(secret))}
	for shift := range 3 { // base64 has three, by what stands before
		b := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		all = append(all, b[4:len(b)-4])
	}
	return all
}

// A token of which every trace is known goes through everything that a mount
// does, and goes wrong: no log, file of the mount, attribute, local file,
// message or crash dump has it, whole, in part or encoded.
func TestNoTraceOfToken(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		const token = "r8_Zq7Kx2Wv9Lm4Pt6Ys1Bd8Fg3Hj5Nc0RaEuTiOk"
		a := mounted.Serve(t, sim.Options{Token: token, Past: 5})
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(token+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		for dir := filepath.Dir(file); strings.Contains(dir, t.Name()[:8]); dir = filepath.Dir(dir) {
			os.Chmod(dir, 0o755)
		}
		o.Env = []string{"REPLICATE_API_TOKEN=" + token, "GOTRACEBACK=all"}
		o.Flags = []string{"--log-level=debug", "--debug-fuse", "--poll=1s"}
		m := a.Mount(o)
		_, path := addBlob(a, 1000)
		said := ""
		note := func(script string) {
			out, _ := m.Command("sh", "-c", script).CombinedOutput()
			said += string(out)
		}
		note(`cat "$M/` + path + `" > /dev/null; echo "a lion" | tee "$M/` + painter + `/prompt.txt"; echo "{" > part; cp part "$M/` + painter + `/input.json"; cat "$M/` + painter + `/error.txt"`)
		// An API, and a proxy before it, that repeat what they were sent.
		for _, f := range []sim.Fault{
			{Method: "POST", Status: 401, Body: `{"title":"Unauthenticated","detail":"The token ` + token + ` is not valid"}`},
			{Method: "POST", Status: 422, Body: `{"title":"Input validation failed","detail":"- input.x: Bearer ` + token + `","status":422}`},
			{Method: "POST", Status: 502, Body: "<html>Authorization: Bearer " + token + "</html>"},
			{Method: "POST", Redirect: "https://example.com/?t=" + token},
		} {
			a.Inject(f)
			note(`echo "a cat" > part; cp part "$M/` + painter + `/prompt.txt"; cat "$M/` + painter + `/error.txt" "$M/` + painter + `/latest/error.txt"`)
		}
		note(`find "$M" "$M/.replicatefs" -type f -size -1000k -exec cat {} +; find "$M/predictions" -exec getfattr -d -m - {} + 2>&1; cat /proc/` + strconv.Itoa(m.PID()) + `/cmdline`)
		m.Remount("--log-level=debug", "--token-file", file)
		note(`ls -R "$M/predictions"; cat "$M"/.replicatefs/*`)
		if err := m.Signal(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-m.Done():
		case <-time.After(mounted.Patience):
			t.Fatal("it does not end by SIGQUIT")
		}
		log := m.Log()
		if !strings.Contains(log, "goroutine") || !strings.Contains(log, "level=DEBUG") || len(said) < 1000 {
			t.Errorf("there is no dump or no log in %d bytes, or nothing of %d was said", len(log), len(said))
		}
		local := ""
		filepath.WalkDir(m.Data, func(path string, e iofs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				b, _ := os.ReadFile(path)
				local += path + string(b)
			}
			return nil
		})
		for what, text := range map[string]string{"the log": log, "what programs were told": said, "local data": local} {
			for _, form := range forms(token) {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("%s has %q: %.300q", what, form, text[max(0, i-150):])
				}
			}
		}
	})
}
