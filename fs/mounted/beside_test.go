package mounted_test

import (
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// An opened is a program that opens an output to change it. Elsewhere it
// saves what it made as "copy.*" in the working folder. Here it tries to save
// into the prediction, which must fail, and must not be taken for done.
type opened struct {
	name, install, program string
	elsewhere, here        string
}

const (
	needGIMP  = "apt install gimp"
	needEmacs = "apt install emacs-nox"
	needNvim  = "apt install neovim"
)

// gimp opens a picture and exports it. Script-fu does not tell by the exit
// status that a step of it failed.
func gimp(from, to string) string {
	return `gimp-console -i -d -f -s --batch-interpreter=plug-in-script-fu-eval \
		-b "(let* ((i (car (gimp-file-load RUN-NONINTERACTIVE \"` + from + `\" \"x\"))) (d (car (gimp-image-flatten i)))) (gimp-invert d) (gimp-file-save RUN-NONINTERACTIVE i d \"` + to + `\" \"x\"))" \
		-b '(gimp-quit 0)' > log 2>&1; cat log >&2; ! grep -q 'execution error' log`
}

var openers = []opened{
	{"vim", "apt install vim", "vim", `vim -es -u NONE -c 'set swapfile directory=.' "$D/prompt.txt" -c 'set noreadonly' -c 's/^/x/' -c 'w copy.txt' -c 'q!'`, `vim -es -u NONE "$D/prompt.txt" -c 'set noreadonly' -c 's/^/x/' -c 'w!' -c 'q'`},
	{"vim, on a terminal, only looking", "apt install vim", "vim", `TERM=xterm script -qec "vim -u NONE '$D/prompt.txt' -c q" /dev/null < /dev/null; cp "$D/prompt.txt" copy.txt`, `vim -es -u NONE -c 'set swapfile directory=.' "$D/new.txt" -c 's/^/x/' -c 'wq'`},
	{"neovim", needNvim, "nvim", `nvim -es -u NONE "$D/prompt.txt" -c 'set noreadonly' -c 's/^/x/' -c 'w copy.txt' -c 'q!'`, `nvim -es -u NONE "$D/prompt.txt" -c 'set noreadonly' -c 's/^/x/' -c 'w!' -c 'q'`},
	{"emacs", needEmacs, "emacs", `emacs -Q --batch "$D/prompt.txt" --eval '(write-file (expand-file-name "copy.txt" (getenv "PWD")))'`, `emacs -Q --batch "$D/prompt.txt" --eval '(let ((buffer-read-only nil)) (insert "x") (save-buffer))'`},
	{"gio", needGio, "gio", `gio copy "$D/output-0.png" copy.png`, `echo x | gio save "$D/prompt.txt"`},
	{"gio, a new file", needGio, "gio", `gio cat "$D/prompt.txt" > copy.txt`, `echo x | gio save "$D/new.txt"`},
	{"gio, into the trash", needGio, "gio", `gio copy "$D/prompt.txt" copy.txt`, `gio trash "$D/output-0.png"`},
	{"GIMP", needGIMP, "gimp-console", gimp(`$D/output-0.png`, `copy.png`), gimp(`$D/output-0.png`, `$D/output-0.png`)},
	{"convert", needMagick, "convert", `convert "$D/output-2.webp" -rotate 90 copy.png`, `convert "$D/output-2.webp" -rotate 90 "$D/copy.png"`},
	{"mogrify", needMagick, "mogrify", `cp "$D/output-1.jpg" copy.jpg; chmod u+w copy.jpg; mogrify -rotate 90 copy.jpg`, `mogrify -rotate 90 "$D/output-1.jpg"`},
	{"exiftool", "apt install libimage-exiftool-perl", "exiftool", `exiftool -q -Comment=fox -o copy.jpg "$D/output-1.jpg"`, `exiftool -q -Comment=fox "$D/output-1.jpg"`},
	{"ffmpeg", needFFmpeg, "ffmpeg", `ffmpeg -nostdin -v error -i "$D/output-3.mp4" -c copy copy.mp4`, `ffmpeg -nostdin -v error -i "$D/output-3.mp4" -c copy "$D/copy.mp4"`},
	{"sed -i", "", "sed", `sed s/fox/lion/ "$D/prompt.txt" > copy.txt`, `sed -i s/fox/lion/ "$D/prompt.txt"`},
	{"cp", "", "cp", `cp "$D/output-0.png" copy.png`, `cp /etc/passwd "$D/"`},
	{"rsync", needRsync, "rsync", `rsync "$D/output-0.png" copy.png`, `rsync /etc/passwd "$D/"`},
	{"mv", "", "mv", `cp "$D/output-0.png" x; mv -f x copy.png`, `mv "$D/output-0.png" .`},
	{"git init", needGit, "git", `git init -q; cp "$D/prompt.txt" copy.txt; git add copy.txt`, `git init "$D"`},
}

// Who opens an output directly can save what they make of it anywhere else.
// In its folder nothing can be saved: it fails at once, costs nothing, and
// leaves nothing.
func TestOpenedOutput(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a, dirs := serveStudio(t, len(openers))
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, len(openers))
		for i, p := range openers {
			t.Run(p.name, func(t *testing.T) {
				mounted.Need(t, p.install, p.program)
				in := func(script string) string {
					return `mkdir -p ~/tmp; cd "$(mktemp -d -p .)"; D="$M/` + dirs[i] + `"; ` + script
				}
				before := inventory(t, m, dirs[i])
				sh(t, m, in(p.elsewhere+"\ntest -s copy.*"))
				sh(t, m, `cat "$M/`+dirs[i]+`"/* > /dev/null`)
				a.ResetRequests()
				fails(t, m, in(p.here))
				if got, want := spent(a), (cost{}); got != want {
					t.Errorf("what is refused costs %v, want %v", got, want)
				}
				if after := inventory(t, m, dirs[i]); after != before {
					t.Errorf("the prediction is not as it was:\n%s", difference(before, after))
				}
			})
		}
	})
}

// Names that programs make beside a file that they open, and what file
// managers leave in folders, are refused without a request.
func TestSidecars(t *testing.T) {
	names := []string{
		".prompt.txt.swp", "4913", ".prompt.txt.kate-swp", ".#prompt.txt", "#prompt.txt#", "prompt.txt~", ".goutputstream-0KX2Z3",
		".~lock.output-0.png#", "output-0.png_exiftool_tmp", "output-0.png.xmp", "output-0.xcf", "output-0.png.part", "output-0.png.crdownload", "sedAbCdEf",
		".DS_Store", "._output-0.png", ".directory", "Thumbs.db", "desktop.ini", ".Trash-1000", ".thumbnails", ".sh_thumbnails", ".nfs0000000100000001", ".nomedia", ".picasa.ini",
	}
	each(t, func(t *testing.T, o mounted.Options) {
		a, dirs := serveStudio(t, 1)
		o.Flags = quiet
		m := a.Mount(o)
		settle(t, m, 1)
		sh(t, m, `ls -l "$M/`+dirs[0]+`"`)
		a.ResetRequests()
		for _, name := range names {
			for _, way := range []string{`: > "$F"`, `mkdir "$F"`, `ln -s me@host:1 "$F"`, `ln "${F%/*}/prompt.txt" "$F"`, `dd of="$F" conv=excl < /dev/null`} {
				cmd := m.Command("sh", "-euc", way)
				cmd.Env = append(cmd.Env, "F="+m.Path(dirs[0], name))
				if out, err := cmd.CombinedOutput(); err == nil {
					t.Errorf("%s of %s succeeds: %s", way, name, out)
				}
			}
		}
		if got, want := spent(a), (cost{}); got != want {
			t.Errorf("what is refused costs %v, want %v\n%s", got, want, requests(a, sim.API))
		}
	})
}
