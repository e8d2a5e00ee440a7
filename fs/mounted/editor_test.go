package mounted_test

import (
	"testing"

	"replicatefs/fs/mounted"
)

const (
	needVim    = "apt install vim-tiny"
	needNano   = "apt install nano"
	needPython = "apt install python3"
	needRsync  = "apt install rsync"
)

// Editors open prompt.txt, which is empty, put the text in and save: once,
// twice, under every way of keeping a backup. Those that a test machine
// rarely has are there by their system calls.
var editors = []pattern{
	{name: "vim", install: needVim, program: "vim vim.tiny", script: vim(`-c 'set noswapfile'`), want: "T"},
	{name: "vim with a swap file", install: needVim, program: "vim vim.tiny", script: vim(`-c 'set swapfile directory=.'`), want: "T"},
	{name: "vim that renames", install: needVim, program: "vim vim.tiny", script: vim(`-c 'set backupcopy=no writebackup'`), want: "T"},
	{name: "vim that copies", install: needVim, program: "vim vim.tiny", script: vim(`-c 'set backupcopy=yes writebackup'`), want: "T"},
	{name: "vim that keeps backups", install: needVim, program: "vim vim.tiny", script: vim(`-c 'set backup backupdir=. backupcopy=no'`), want: "T"},
	{name: "vim without any", install: needVim, program: "vim vim.tiny", script: vim(`-c 'set nobackup nowritebackup'`), want: "T"},
	{name: "vim as it comes", install: needVim, program: "vim vim.tiny", script: findVim + ` -es "$P" -c "s/^/$T/" -c wq`, want: "T"},
	{name: "vim in the folder", install: needVim, program: "vim vim.tiny", script: `cd "$D"; ` + findVim + ` -es -u NONE prompt.txt -c "s/^/$T/" -c wq`, want: "T"},
	{name: "vim that is left without saving", install: needVim, program: "vim vim.tiny", script: findVim + ` -es -u NONE "$P" -c 'set swapfile directory=.' -c "s/^/$T/" -c preserve -c 'q!'`},
	{name: "nano", install: needNano, program: "nano", script: python(`
import pty
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm", COLUMNS="80", LINES="24")
    os.execvp("nano", ["nano", "--ignorercfiles", P])
def until(what):
    seen = b""
    while what not in seen:
        seen += os.read(fd, 1000)
until(b"Exit")
os.write(fd, T + b"\x0f")
until(b"Write:")
os.write(fd, b"\r")
until(b"Wrote")
os.write(fd, b"\x18")
assert os.waitpid(pid, 0)[1] == 0`), want: "T"},

	// g_file_replace: a temporary file beside it, written, synced, renamed.
	{name: "GNOME Text Editor", install: needPython, program: "python3", script: python(`
tmp = os.path.join(D, ".goutputstream-X1Y2Z3")
fd = os.open(tmp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
st = os.stat(P)
os.fchmod(fd, st.st_mode)
os.write(fd, T)
os.fsync(fd)
os.close(fd)
os.rename(tmp, P)`), want: "T"},
	{name: "GNOME Text Editor with a backup", install: needPython, program: "python3", script: python(`
tmp = os.path.join(D, ".goutputstream-A1B2C3")
fd = os.open(tmp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
os.write(fd, T)
os.fsync(fd)
os.close(fd)
try: os.unlink(P + "~")
except FileNotFoundError: pass
try: os.link(P, P + "~")
except OSError: os.rename(P, P + "~")
os.rename(tmp, P)`), want: "T"},
	// It opens without O_TRUNC, so as not to lose the file if it fails.
	{name: "VS Code", install: needPython, program: "python3", script: python(`
os.stat(P)
fd = os.open(P, os.O_WRONLY)
os.ftruncate(fd, 0)
os.write(fd, T)
os.fdatasync(fd)
os.close(fd)`), want: "T"},
	{name: "VS Code, another way", install: needPython, program: "python3", script: python(`
fd = os.open(P, os.O_RDWR)
os.truncate(P, 0)
os.pwrite(fd, T, 0)
os.fsync(fd)
os.close(fd)
os.stat(P)`), want: "T"},
	// QSaveFile: a random suffix, then renamed.
	{name: "kate", install: needPython, program: "python3", script: python(`
tmp = P + ".Kq3Z9x"
fd = os.open(tmp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
os.write(fd, T)
os.fdatasync(fd)
os.fchmod(fd, 0o644)
os.close(fd)
os.rename(tmp, P)`), want: "T"},
	{name: "emacs", install: needPython, program: "python3", script: python(`
lock = os.path.join(D, ".#prompt.txt")
try: os.symlink("me@host.1234:1", lock)
except OSError: pass
auto = os.path.join(D, "#prompt.txt#")
open(auto, "wb").write(T)
os.rename(P, P + "~")
fd = os.open(P, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
os.write(fd, T)
os.fsync(fd)
os.close(fd)
os.unlink(auto)`), want: "T"},
	// Python's usual recipe for an atomic write.
	{name: "tempfile and os.replace", install: needPython, program: "python3", script: python(`
import tempfile
fd, tmp = tempfile.mkstemp(dir=D)
os.write(fd, T)
os.close(fd)
os.replace(tmp, P)`), want: "T"},
	{name: "read back", install: needPython, program: "python3", script: python(`
fd = os.open(P, os.O_RDWR)
os.write(fd, T)
os.lseek(fd, 0, 0)
assert os.read(fd, 100) == T, "what was written is not read back"
os.close(fd)`), want: "T"},
	{name: "a temporary file that is given up", install: needPython, program: "python3", script: python(`
tmp = os.path.join(D, ".goutputstream-GIVEUP")
fd = os.open(tmp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
os.write(fd, T)
os.close(fd)
os.unlink(tmp)`)},
}

// findVim is vim by the name that it has here.
const findVim = `$(command -v vim || command -v vim.tiny)`

// vim inserts the text and saves, without the settings of whoever tests.
func vim(settings string) string {
	return findVim + ` -es -u NONE "$P" ` + settings + ` -c "s/^/$T/" -c wq`
}

// python is a program that has D, P and T, the text as bytes.
func python(program string) string {
	return "python3 - <<'END'\nimport os\nD, P, T = os.environ['D'], os.environ['P'], os.environ['T'].encode()" + program + "\nEND"
}

func TestEditors(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		trySaves(t, serve(t), o, editors)
	})
}

// An editor that cannot save says so, and its file is as it was.
func TestEditorIsTold(t *testing.T) {
	mounted.Need(t, needVim, "vim", "vim.tiny")
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		m := a.Mount(o)
		a.SetCredit(false)
		fails(t, m, findVim+` -es -u NONE "$M/`+painter+`/prompt.txt" -c 's/^/x/' -c wq`)
		fails(t, m, findVim+` -es -u NONE "$M/README.md" -c 's/^/x/' -c wq`)
		if got := a.Creates(); got != 0 {
			t.Errorf("%d runs, want none", got)
		}
	})
}
