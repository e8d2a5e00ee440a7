package mounted_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// A tool is a program that people use on files. In its script D is a folder
// with the files of studio in it. What it prints of a prediction must be what
// it prints of a local copy.
type tool struct {
	name    string
	install string // the line that gets the program
	program string
	script  string
}

const (
	needMagick  = "apt install imagemagick"
	needFFmpeg  = "apt install ffmpeg"
	needGio     = "apt install libglib2.0-bin shared-mime-info"
	needGit     = "apt install git"
	needCurl    = "apt install curl"
	needBusybox = "apt install busybox"
	needNode    = "apt install nodejs"
)

var tools = []tool{
	{"ls -l", "", "ls", `cd "$D"; ls -l --time-style=full-iso output-* | awk '{print $5, $6, $7, $9}'`},
	{"cp -r", "", "cp", `cp -r "$D" copy; diff -r "$D" copy; echo same`},
	{"cp -a", "", "cp", `cp -a "$D" copy; diff -r "$D" copy; stat -c '%n %s %a %y' copy/output-*`},
	{"rsync -a", needRsync, "rsync", `rsync -a "$D/" copy; diff -r "$D" copy; stat -c '%n %s %a %y' copy/output-*; rsync -a --out-format=%n "$D/" copy`},
	{"rsync -c", needRsync, "rsync", `rsync -ac "$D/" copy; rsync -ac --out-format=%n "$D/" copy; echo same`},
	{"tar", "apt install tar", "tar", `mkdir copy; tar -c -C "$D" . | tar -x -C copy; diff -r "$D" copy; echo same`},
	{"tar, incremental", "apt install tar", "tar", `for i in 1 2; do tar -c -f $i.tar --listed-incremental=state -C "$D" .; done; tar -tf 1.tar | grep output-; ! tar -tf 2.tar | grep output-`},
	{"rclone copy", "apt install rclone", "rclone", `export RCLONE_CONFIG=/dev/null
		rclone copy -q "$D" copy; diff -r "$D" copy; rclone check -q "$D" copy; rclone copy -v "$D" copy 2>&1 | grep -c Copied || true`},
	{"find by size", "apt install findutils", "find", `find "$D" -name 'output-*' -size +1k -printf '%f %s %T@ %y\n' | sort`},
	{"du", "", "du", `cd "$D"; du -b output-*`},
	{"sha256sum in parallel", "", "sha256sum", `cd "$D"; printf '%s\0' output-* | xargs -0 -n 1 -P 4 sha256sum | sort`},
	{"cmp", "", "cmp", `for f in "$D"/output-*; do cmp "$f" "$LOCAL/${f##*/}"; done; echo same`},
	{"grep -r", "", "grep", `cd "$D"; grep -rlE 'IHDR|JFIF|WEBP|moov' . | sort`},
	{"file", "apt install file", "file", `file -b "$D"/output-*; file -b --mime "$D"/output-*`},
	{"identify", needMagick, "identify", `identify -format '%f %m %w %h\n' "$D"/output-[012].*`},
	{"convert", needMagick, "convert", `convert "$D"/output-[012].* +append -resize '50%' rgb:- | sha256sum`},
	{"mogrify into another folder", needMagick, "mogrify", `mkdir small; mogrify -path small -resize '10%' "$D"/output-[01].*; identify -format '%f %w %h\n' small/*`},
	{"dwebp", "apt install webp", "dwebp", `dwebp -quiet "$D/output-2.webp" -ppm -o - | sha256sum`},
	{"exiftool", "apt install libimage-exiftool-perl", "exiftool", `exiftool -q -T -FileName -FileType -MIMEType -ImageSize -FileSize# -FileModifyDate -Duration "$D"/output-*`},
	{"ffprobe", needFFmpeg, "ffprobe", `ffprobe -v error -show_entries format=duration,size:stream=codec_name,width,height,nb_frames -of csv "$D/output-3.mp4"`},
	{"ffmpeg", needFFmpeg, "ffmpeg", `ffmpeg -nostdin -v error -i "$D/output-3.mp4" -f framemd5 - | grep -v '^#'`},
	{"ffmpegthumbnailer", "apt install ffmpegthumbnailer", "ffmpegthumbnailer", `ffmpegthumbnailer -s 64 -i "$D/output-3.mp4" -o small.png 2> log; convert small.png rgb:- | sha256sum`},
	{"gdk-pixbuf-thumbnailer", "apt install libgdk-pixbuf2.0-bin webp-pixbuf-loader", "gdk-pixbuf-thumbnailer",
		`for f in "$D"/output-[012].*; do gdk-pixbuf-thumbnailer -s 64 "$f" small.png; convert small.png rgb:- | sha256sum; done`},
	{"gio info", needGio, "gio", `for f in "$D"/output-*; do gio info -a standard::name,standard::type,standard::size,standard::content-type,standard::icon,time::modified "$f" | grep ::; done`},
	{"gio copy", needGio, "gio", `gio copy "$D"/output-* .; sha256sum output-*`},
	{"python, mapped", needPython, "python3", `python3 -c '
import hashlib, mmap, pathlib, os
for p in sorted(pathlib.Path(os.environ["D"]).glob("output-*")):
    with open(p, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        print(p.name, len(m), hashlib.sha256(m).hexdigest(), m[-10:])'`},
	{"python, a tree", needPython, "python3", `python3 -c '
import filecmp, os, shutil
D = os.environ["D"]
shutil.copytree(D, "copy")
print(filecmp.cmpfiles(D, "copy", os.listdir(D), shallow=False)[1:])'`},
	{"python, an archive", needPython, "python3", `cd "$D"; python3 -m zipfile -c "$W/x.zip" output-*; cd "$W"; python3 -m zipfile -l x.zip`},
	{"git, what it probes for", needGit, "git", `cd "$D"; git status > /dev/null 2>&1 || echo no repository`},
	{"git hash-object", needGit, "git", `cd "$D"; git hash-object output-*`},
	{"curl", needCurl, "curl", `for f in "$D"/output-*; do curl -sS "file://$f" | sha256sum; curl -sS -r 100-299 "file://$f" | sha256sum; done`},
	{"node", needNode, "node", `node -e '
const fs = require("fs"), path = require("path"), crypto = require("crypto"), D = process.env.D;
for (const f of fs.readdirSync(D).filter(f => f.startsWith("output-")))
    console.log(f, fs.statSync(path.join(D, f)).size, crypto.createHash("sha1").update(fs.readFileSync(path.join(D, f))).digest("hex"));
fs.cpSync(D, "copy", {recursive: true});'; diff -r "$D" copy`},
	{"busybox", needBusybox, "busybox", `busybox cp -r "$D" copy; diff -r "$D" copy; busybox tar -c -C "$D" . | busybox tar -t | grep output- | sort; cd "$D"; busybox stat -c '%n %s %Y' output-*`},
	{"fd", "apt install fd-find", "fdfind", `cd "$D"; fdfind --type f --size +1k '^output-' | sort`},
	{"updatedb", "apt install plocate", "updatedb", `updatedb -l 0 -U "$D" -o db --prunefs '' --prunepaths ''; plocate -d db -b output- | sed 's,.*/,,' | sort`},
}

// studio is what stands in the folder of each tool, and the sum of it in a
// local one: a picture of each format, and a film with its index at the end.
var studio = sync.OnceValues(func() (map[string][]byte, error) {
	files := map[string][]byte{}
	var err error
	for name, format := range map[string]string{"output-0.png": "png", "output-1.jpg": "jpg", "output-2.webp": "webp"} {
		if files[name], err = sim.Picture("a red fox in the snow", 1, 480, 320, format); err != nil {
			return nil, err
		}
	}
	files["output-3.mp4"], err = sim.Film("a boat on a lake", 1, 1, false)
	return files, err
})

// made is when a prediction with the files of studio ended.
var made = time.Now().Add(-time.Minute).Truncate(time.Second)

// addStudio puts a prediction with those files into an account, and returns
// its path in the mount.
func addStudio(t *testing.T, a *mounted.Account) string {
	t.Helper()
	files, err := studio()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]any, len(files))
	for name, data := range files {
		out[name[len("output-")]-'0'] = sim.NewFile("out"+filepath.Ext(name), data)
	}
	return "predictions/" + a.Add(sim.Prediction{
		Model: "acme/puppet", Status: sim.Succeeded, Source: "web", CreatedAt: made, CompletedAt: made, Output: out, Input: []byte(`{"prompt": "a red fox"}`),
	})
}

// localStudio writes the same files into a local folder, with the same times
// and modes.
func localStudio(t *testing.T, m *mounted.Mount) string {
	t.Helper()
	files, err := studio()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(m.Work, "local")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o444); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, made, made); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serveStudio is an account with so many predictions of those files.
func serveStudio(t *testing.T, n int) (a *mounted.Account, dirs []string) {
	t.Helper()
	a = mounted.Serve(t, sim.Options{ListLogs: true})
	for range n {
		dirs = append(dirs, addStudio(t, a))
	}
	return a, dirs
}

// Tools do with outputs what they do with local files. Each file is fetched
// once at most, and what was read costs nothing the second time.
func TestTools(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a, dirs := serveStudio(t, len(tools))
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, len(tools))
		again := repeats()
		local := localStudio(t, m)
		for i, tool := range tools {
			t.Run(tool.name, func(t *testing.T) {
				mounted.Need(t, tool.install, tool.program)
				use := func(dir string) string {
					// Copies have the modes of what was copied, and must be removed.
					cmd := m.Command("bash", "-euo", "pipefail", "-c", `W=$(mktemp -d -p "$PWD"); trap 'chmod -R u+w "$W"' EXIT; cd "$W"; `+tool.script)
					cmd.Env = append(cmd.Env, "D="+dir, "LOCAL="+local)
					return output(t, cmd)
				}
				want := use(local)
				if want == "" {
					t.Fatal("it prints nothing of a local copy")
				}
				for _, when := range []string{"the first time", "again"} {
					a.ResetRequests()
					if got := use(m.Path(dirs[i])); got != want {
						t.Errorf("%s it prints, other than of a local copy:\n%s", when, difference(want, got))
					}
					most := cost{head: 4, get: 4}
					if when == "again" {
						most = cost{}
					}
					most.get += again(t, m)
					if got := spent(a); got.api > most.api || got.head > most.head || got.get > most.get {
						t.Errorf("%s it costs %v, want %v at most\n%s%s", when, got, most, requests(a, sim.API), requests(a, sim.Delivery))
					}
				}
			})
		}
	})
}
