package mounted_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicatefs/fs/mounted"
)

const (
	upscaler  = "models/acme/upscaler"
	captioner = "models/acme/captioner"
)

// A draft is used as a person uses a folder, with the programs of one. Each
// line goes on where the one before it ended.
func TestDraft(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		m := a.Mount(o)
		picture := writePicture(t, m)
		steps := []struct {
			name, script string
			runs         int
			want         string
		}{
			{"made", `mkdir portrait; ls -A portrait; ls "$M/models/acme"`, 0, "upscaler\n"},
			{"filled", `cp "$P" portrait/image.png; echo 4 > portrait/scale.txt; cmp "$P" portrait/image.png; cat portrait/scale.txt`, 0, "4\n"},
			{"run", `echo go > portrait/run; cat portrait/latest/status; ls portrait; stat -L -c %s portrait/latest/input-image.png`, 1,
				"succeeded\nimage.png\nlatest\nrun\nscale.txt\n70\n"},
			{"looked at", `cat portrait/*.txt portrait/run; ls -lR portrait > /dev/null; touch portrait/run portrait/image.png; : > portrait/run; test -w portrait/run`, 0, "4\n"},
			{"copied", `cp -r portrait copy; ls copy; diff portrait/image.png copy/image.png; readlink portrait/latest copy/latest | uniq | wc -l`, 0, "image.png\nlatest\nrun\nscale.txt\n1\n"},
			{"copied with times", `cp -a portrait archive; cmp "$P" archive/image.png; test portrait/scale.txt -ot archive/run; stat -c %Y portrait/image.png archive/image.png | uniq | wc -l`, 0, "1\n"},
			{"the copy is run", `echo 2 > copy/scale.txt; echo go | tee copy/run > /dev/null; grep -c '"scale": 2' copy/latest/input.json; grep -c '"scale": 4' portrait/latest/input.json`, 1, "1\n1\n"},
			{"renamed", `mv copy other; cat other/scale.txt; readlink -e other/latest > /dev/null; test ! -e copy; echo go | tee other/run > /dev/null`, 1, "2\n"},
			{"renamed from within", `cd other; mv ../other ../third; ls; cat scale.txt; echo 4 > scale.txt; cat "$D/third/scale.txt"; cd ..; mv third other`, 0, "image.png\nlatest\nrun\nscale.txt\n2\n4\n"},
			{"appended to", `printf '{"sc' > other/input.json; printf 'ale": 2}' >> other/input.json; cat other/input.json; echo go | tee other/run > /dev/null; grep -c '"scale": 2' other/latest/input.json`, 1, "{\"scale\": 2}1\n"},
			{"edited in place", `sed -i s/2/4/ other/input.json; cat other/input.json; printf 2 | dd of=other/input.json bs=1 seek=10 conv=notrunc 2>/dev/null; cat other/input.json; ls -A other`, 0,
				"{\"scale\": 4}{\"scale\": 2}image.png\ninput.json\nlatest\nrun\nscale.txt\n"},
			{"truncated", `truncate -s 5 other/input.json; stat -c %s other/input.json; rm other/input.json; ls other`, 0, "5\nimage.png\nlatest\nrun\nscale.txt\n"},
			{"written in pieces", `exec 3> other/note.md; echo a >&3; cat other/note.md; echo b >&3; cat other/note.md; rm other/note.md; echo c >&3; exec 3>&-; ls other`, 0,
				"a\na\nb\nimage.png\nlatest\nrun\nscale.txt\n"},
			{"run by renaming", `echo go > other/go.txt; mv other/go.txt other/run; ls other; grep -c '"go"' other/latest/input.json || true`, 1, "image.png\nlatest\nrun\nscale.txt\n0\n"},
			{"moved between", `mv other/scale.txt archive/scale.txt; cat archive/scale.txt; ls other`, 0, "4\nimage.png\nlatest\nrun\n"},
			{"removed", `rm -r other; rm archive/*; rmdir archive; ls; ls "$M/predictions" | wc -l`, 0,
				"README.md\ninput.json\nlatest\nmodel.json\nportrait\npredictions\nprompt.txt\nschema.json\nversions\n5\n"},
		}
		sh(t, m, `ls "$M/`+upscaler+`" > /dev/null`)
		for _, step := range steps {
			before := a.Creates()
			cmd := m.Command("sh", "-euc", `cd "$D"; `+step.script)
			cmd.Env = append(cmd.Env, "D="+m.Path(upscaler), "P="+picture)
			got := output(t, cmd)
			if got != step.want {
				t.Fatalf("%s: got %q, want %q", step.name, got, step.want)
			}
			if got := a.Creates() - before; got != step.runs {
				t.Fatalf("%s: %d runs, want %d", step.name, got, step.runs)
			}
		}
		m.Kill()
		m.Remount()
		if got, want := sh(t, m, `cd "$M/`+upscaler+`/portrait"; ls; cat scale.txt latest/status`), "image.png\nlatest\nrun\nscale.txt\n4\nsucceeded\n"; got != want {
			t.Errorf("after a crash the draft has %q, want %q", got, want)
		}
		if got := a.Creates(); got != 5 {
			t.Errorf("%d runs in all, want 5", got)
		}
	})
}

// writePicture writes a picture of one point beside the mount.
func writePicture(t *testing.T, m *mounted.Mount) string {
	t.Helper()
	at := filepath.Join(m.Work, "photo.png")
	sh(t, m, `echo `+tinyPNG[strings.IndexByte(tinyPNG, ',')+1:]+` | base64 -d > photo.png`)
	return at
}

// What a draft refuses, it refuses in words.
func TestDraftRefuses(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		m := a.Mount(o)
		picture := writePicture(t, m)
		do := func(script string) string {
			cmd := m.Command("sh", "-uc", `cd "$M/`+captioner+`"; `+script+` 2>&1`)
			cmd.Env = append(cmd.Env, "P="+picture)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("%s succeeds", script)
			}
			return string(out)
		}
		sh(t, m, `mkdir "$M/`+captioner+`/d"`)
		for _, test := range []struct{ script, says, because string }{
			{`echo go | tee d/run`, "Invalid argument", "image is missing: it is required."},
			{`mkdir d/sub`, "Permission denied", "A draft holds files only"},
			{`cp "$P" d/image.png; cp "$P" d/image.jpg; echo go | tee d/run`, "Invalid argument", "image.jpg and image.png are both the input image"},
			{`truncate -s 101M d/image.jpg`, "File too large", "image.jpg is too large"},
			{`mkdir predictions`, "File exists", ""},
			{`mkdir latest`, "File exists", ""},
			{`mkdir README.md`, "File exists", ""},
			{`mkdir .hidden`, "Read-only file system", ""},
			{`ln -s x d/link`, "denied", ""},
			{`mv d/image.png .`, "Read-only file system", ""},
			{`rmdir d`, "not empty", ""},
		} {
			if got := do(test.script); !strings.Contains(got, test.says) {
				t.Errorf("%s says %q, want %q", test.script, got, test.says)
			}
			if test.because == "" {
				continue
			}
			if got := sh(t, m, `cat "$M/`+captioner+`/d/error.txt"`); !strings.Contains(got, test.because) {
				t.Errorf("%s: error.txt says %q, want %q", test.script, got, test.because)
			}
		}
		// A program that is killed half-way leaves nobody's input.
		sh(t, m, `cd "$M/`+captioner+`/d"; rm -f image.*; sh -c 'exec 3> image.png; echo x >&3; kill -9 $$' || true`)
		if got := do(`echo go | tee d/run`); !strings.Contains(got, "Invalid argument") {
			t.Errorf("a half-written input: %q", got)
		}
		if got := sh(t, m, `cat "$M/`+captioner+`/d/error.txt"`); !strings.Contains(got, "image.png was not written to its end") {
			t.Errorf("error.txt says %q", got)
		}
		// Nor does one that could not write all of it, and closed it all the same.
		do(`dd if=/dev/zero of=d/image.png bs=1M seek=99 count=2`)
		if got := sh(t, m, `stat -c %s "$M/`+captioner+`/d/image.png"; cat "$M/`+captioner+`/d/error.txt"`); !strings.HasPrefix(got, "104857600\nimage.png is too large") {
			t.Errorf("a file that is too large: %q", got)
		}
		if got := do(`echo go | tee d/run`); !strings.Contains(got, "Invalid argument") {
			t.Errorf("a cut input: %q", got)
		}
		if got := a.Creates() + a.Count("POST", "/v1/files"); got != 0 {
			t.Errorf("%d runs and uploads, want none", got)
		}
		m.Remount("--read-only")
		for _, script := range []string{`mkdir new`, `echo x > d/image.png`, `rm d/image.png`, `echo go > d/run`, `mv d e`} {
			if got := do(script); !strings.Contains(got, "Read-only file system") {
				t.Errorf("on a read-only mount %s says %q", script, got)
			}
		}
	})
}

// A large input is uploaded from disk, whole, and not again while Replicate
// has it; the program's memory does not hold it.
func TestDraftUpload(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{})
	large := bytes.Repeat([]byte("0123456789abcdef"), 40<<20/16)
	if err := os.WriteFile(filepath.Join(m.Work, "large.png"), large, 0o644); err != nil {
		t.Fatal(err)
	}
	sh(t, m, `cd "$M/`+captioner+`"; mkdir d; cp "$OLDPWD/large.png" d/image.png; cmp "$OLDPWD/large.png" d/image.png`)
	for range 2 {
		m.Command("sh", "-c", `echo go | tee "$M/`+captioner+`/d/run"`).Run() // no picture, so it fails there
	}
	if got := a.Count("POST", "/v1/files"); got != 1 {
		t.Errorf("%d uploads, want 1", got)
	}
	if got := a.Creates(); got != 2 {
		t.Errorf("%d runs, want 2", got)
	}
	for _, f := range a.Uploaded() {
		if !bytes.Equal(f, large) {
			t.Errorf("%d bytes arrived, and not those that were sent", len(f))
		}
	}
}
