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
	{name: "neovim", install: needNvim, program: "nvim", script: nvim(`-u NONE`), want: "T"},
	{name: "neovim as it comes", install: needNvim, program: "nvim", script: nvim(``), want: "T"},
	{name: "neovim that renames", install: needNvim, program: "nvim", script: nvim(`-u NONE --cmd 'set backupcopy=no backup backupdir=.'`), want: "T"},
	{name: "neovim that is left without saving", install: needNvim, program: "nvim", script: `nvim --headless "$P" -c "s/^/$T/" -c preserve -c 'q!'`},
	{name: "ex", install: needVim, program: "ex", script: `printf 'a\n%s\n.\nx\n' "$T" | ex -s "$P"`, want: "T"},
	{name: "ed", install: "apt install ed", program: "ed", script: `printf 'a\n%s\n.\nw\nq\n' "$T" | ed -s "$P"`, want: "T"},
	{name: "ed that saves twice", install: "apt install ed", program: "ed", script: `printf 'a\n%s\n.\nw\nw\nq\n' "$T" | ed -s "$P"`, want: "T", runs: 2},
	{name: "emacs", install: needEmacs, program: "emacs", script: emacs(``), want: "T"},
	{name: "emacs that copies for its backups", install: needEmacs, program: "emacs", script: emacs(`(setq backup-by-copying t)`), want: "T"},
	{name: "emacs that renames", install: needEmacs, program: "emacs", script: emacs(`(setq file-precious-flag t)`), want: "T"},
	{name: "emacs that saves by itself first", install: needEmacs, program: "emacs", script: emacs(`(insert "x") (do-auto-save) (erase-buffer)`), want: "T"},
	{name: "emacs on a terminal", install: needEmacs, program: "emacs", script: terminal(`
begin("emacs", "-nw", "-Q", P)
until(b"prompt.txt")
os.write(fd, T + b"\x18\x13")
until(b"Wrote")
os.write(fd, b"\x18\x03")`), want: "T"},
	{name: "vi of busybox", install: needBusybox, program: "busybox", script: terminal(`
os.chdir(D)
begin("busybox", "vi", "prompt.txt")
until(b"- prompt.txt")
os.write(fd, b"i" + T + b"\x1b")
until(b"- prompt.txt [Modified]")
os.write(fd, b":wq\r")`), want: "T", mute: true},
	{name: "nano", install: needNano, program: "nano", script: terminal(`
begin("nano", "--ignorercfiles", P)
until(b"Exit")
os.write(fd, T + b"\x0f")
until(b"Write:")
os.write(fd, b"\r")
until(b"Wrote")
os.write(fd, b"\x18")`), want: "T"},

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
	// The same by the library itself, which text editors of GNOME, Xfce and
	// MATE save with.
	{name: "gio save", install: needGio, program: "gio", script: `printf %s "$T" | gio save "$P"`, want: "T"},
	{name: "gio save with a backup", install: needGio, program: "gio", script: `printf %s "$T" | gio save --backup "$P"`, want: "T"},
	{name: "gio copy", install: needGio, program: "gio", script: `printf %s "$T" > part; gio copy part "$P"`, want: "T"},
	{name: "gio move", install: needGio, program: "gio", script: `printf %s "$T" > part; gio move part "$P"`, want: "T"},
	// As its diskFileSystemProvider does, by the same library.
	{name: "VS Code", install: needNode, program: "node", script: node(`
const fd = await fs.promises.open(P, "w");
await fd.write(Buffer.from(T), 0, T.length, 0);
await fd.datasync();
await fd.close();`), want: "T"},
	{name: "VS Code, atomically", install: needNode, program: "node", script: node(`
const fd = await fs.promises.open(P + ".vsctmp", "w");
await fd.write(Buffer.from(T), 0, T.length, 0);
await fd.datasync();
await fd.close();
await fs.promises.rename(P + ".vsctmp", P);`), want: "T"},
	{name: "VS Code, without truncation", install: needNode, program: "node", script: node(`
await fs.promises.truncate(P, 0);
const fd = await fs.promises.open(P, "r+");
await fd.write(Buffer.from(T), 0, T.length, 0);
await fd.datasync();
await fd.close();`), want: "T"},
	{name: "node", install: needNode, program: "node", script: node(`fs.writeFileSync(P, T);`), want: "T"},
	{name: "node, a stream", install: needNode, program: "node", script: node(`
const out = fs.createWriteStream(P);
out.write("a ");
out.end(T);
await new Promise((done, failed) => out.on("close", done).on("error", failed));`), want: "a T"},
	// QSaveFile: a random suffix, then renamed.
	{name: "kate", install: needPython, program: "python3", script: python(`
tmp = P + ".Kq3Z9x"
fd = os.open(tmp, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
os.write(fd, T)
os.fdatasync(fd)
os.fchmod(fd, 0o644)
os.close(fd)
os.rename(tmp, P)`), want: "T"},
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

// findVim is vim by the name that it has here. Its swap files are its own: in
// /tmp they would have the names of those of other tests' vims.
const findVim = `$(mkdir -p ~/tmp; command -v vim || command -v vim.tiny)`

// vim inserts the text and saves, without the settings of whoever tests.
func vim(settings string) string {
	return findVim + ` -es -u NONE "$P" ` + settings + ` -c "s/^/$T/" -c wq`
}

// python is a program that has D, P and T, the text as bytes.
func python(program string) string {
	return "python3 - <<'END'\nimport os\nD, P, T = os.environ['D'], os.environ['P'], os.environ['T'].encode()" + program + "\nEND"
}

// nvim does the same with neovim.
func nvim(settings string) string {
	return `nvim -es ` + settings + ` "$P" -c "s/^/$T/" -c wq`
}

// emacs inserts the text and saves, with lock files, backups and all.
func emacs(settings string) string {
	return `emacs -Q --batch "$P" --eval '(progn ` + settings + ` (insert (getenv "T")) (save-buffer))'`
}

// terminal is a python program that begins another one on a terminal and
// plays the person before it. A message about a refused save ends both, and
// so does what it waits for in vain.
func terminal(program string) string {
	return python(`
import fcntl, pty, signal, struct, termios
def begin(*command):
    global pid, fd
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp(command[0], command)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 24, 300, 0, 0))
def until(what):
    global seen
    seen = b""
    while what not in seen:
        seen += os.read(fd, 1000)
        if b"quota exceeded" in seen:
            late()
def late(*_):
    os.kill(pid, 9)
    raise TimeoutError(seen)
signal.signal(signal.SIGALRM, late)
signal.alarm(280)` + program + `
try:
    while os.read(fd, 1000): pass
except OSError: pass
assert os.waitpid(pid, 0)[1] == 0`)
}

// node is a program that has fs, P and T.
func node(program string) string {
	return "node --input-type=module <<'END'\nimport fs from 'fs';\nconst {P, T} = process.env;\n" + program + "\nEND"
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
