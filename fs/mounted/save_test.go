package mounted_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"replicatefs/api/sim"
	"replicatefs/fs/mounted"
)

// A pattern is a way in which programs save a file. P is the prompt.txt of a
// model, J its input.json, D their folder, and T is what to write.
type pattern struct {
	name    string
	install string // the line that gets the program, if not every machine has it
	program string // its names
	script  string
	want    string // the prompt that arrives, if any; T is the text
	runs    int    // how often, if not once
	mute    bool   // the program does not tell that its last close failed
}

// patterns are those of shells and small tools. Editors are in editor_test.go.
var patterns = []pattern{
	{name: ">", script: `echo "$T" > "$P"`, want: "T", mute: true},
	{name: ">|", script: `set -C; echo "$T" >| "$P"`, want: "T", mute: true},
	{name: ">>", script: `echo "$T" >> "$P"`, want: "T", mute: true},
	{name: "no final newline", script: `printf %s "$T" > "$P"`, want: "T", mute: true},
	{name: "group", script: `echo "$T" > part; { printf 'a '; cat part; } > "$P"`, want: "a T", mute: true},
	{name: "group with a command's error output between, dash", install: "apt install dash", program: "dash", script: `dash -c '{ echo a; echo log >&2; echo "$T"; } > "$P"' 2> log`, want: "a\nT", mute: true},
	{name: "group with a command's error output between, bash", install: "apt install bash", program: "bash", script: `bash -c '{ echo a; echo log >&2; echo "$T"; } > "$P"' 2> log`, want: "a\nT", mute: true},
	{name: "group with a redirection inside, dash", install: "apt install dash", program: "dash", script: `dash -c '{ echo a; echo log 2>/dev/null >&2; echo "$T"; } > "$P"' 2> log`, want: "a\nT", mute: true},
	{name: "group with a redirection inside, bash", install: "apt install bash", program: "bash", script: `bash -c '{ echo a; { echo log; } >&2; echo "$T"; } > "$P" 2> log'`, want: "a\nT", mute: true},
	{name: "group into both", install: "apt install bash", program: "bash", script: `bash -c '{ echo a; echo "$T" >&2; } > "$P" 2>&1'`, want: "a\nT", mute: true},
	{name: "subshell", script: `( echo a; ( echo "$T" ) ) > "$P"`, want: "a\nT", mute: true},
	{name: "exec 3>, dash", install: "apt install dash", program: "dash", script: `dash -c 'exec 3>"$P"; echo a >&3; ls / >/dev/null; echo "$T" >&3; exec 3>&-'`, want: "a\nT", mute: true},
	{name: "exec 3>, bash", install: "apt install bash", program: "bash", script: `bash -c 'exec 3>"$P"; echo a >&3; ls / >/dev/null; echo "$T" >&3; exec 3>&-'`, want: "a\nT", mute: true},
	{name: "exec 3> and exit", install: "apt install bash", program: "bash", script: `bash -c 'exec 3>"$P"; echo a >&3; echo "$T" >&3'`, want: "a\nT", mute: true},
	{name: "exec >", install: "apt install bash", program: "bash", script: `bash -c 'exec >"$P"; echo a; echo "$T"'`, want: "a\nT", mute: true},
	{name: "here document", script: "cat > \"$P\" <<END\na\n$T\nEND", want: "a\nT", mute: true},
	{name: "a command's output, dash", install: "apt install dash", program: "dash", script: `echo "$T" > part; dash -c 'cat part > "$P"; true'`, want: "T", mute: true},
	{name: "a command's output, bash", install: "apt install bash", program: "bash", script: `echo "$T" > part; bash -c 'cat part > "$P"'`, want: "T"},
	{name: "pipe", script: `printf 'a\n%s\n' "$T" | grep -v b > "$P"`, want: "a\nT"},
	{name: "tee", script: `echo "$T" | tee "$P" > /dev/null`, want: "T"},
	{name: "tee -a", script: `echo "$T" | tee -a "$P" > /dev/null`, want: "T"},
	{name: "tee into two models", script: `echo "$T" | tee "$P" "$M/models/meta/meta-llama-3-8b-instruct/prompt.txt" > /dev/null`, want: "T", runs: 2},
	{name: "cp", script: `echo "$T" > part; cp part "$P"`, want: "T"},
	{name: "cp -f", script: `echo "$T" > part; cp -f part "$P"`, want: "T"},
	{name: "cp -p", script: `echo "$T" > part; cp -p part "$P"`, want: "T"},
	{name: "cp --remove-destination", script: `echo "$T" > part; cp --remove-destination part "$P"`, want: "T"},
	{name: "cp into the folder", script: `echo "$T" > prompt.txt; cp prompt.txt "$D/"`, want: "T"},
	{name: "mv over it", script: `echo "$T" > part; mv part "$P"`, want: "T"},
	{name: "mv -f over it", script: `echo "$T" > part; mv -f part "$P"`, want: "T"},
	{name: "install", script: `echo "$T" > part; install -m 644 part "$P"`, want: "T"},
	{name: "dd", script: `echo "$T" > part; dd if=part of="$P" 2> log`, want: "T"},
	{name: "dd by bytes", script: `echo "$T" > part; dd if=part of="$P" bs=1 2> log`, want: "T"},
	{name: "dd without truncation", script: `echo "$T" > part; dd if=part of="$P" conv=notrunc,fsync 2> log`, want: "T"},
	{name: "sed -i", script: `sed -i 's/x/y/' "$P"`, want: ""}, // it reads as empty, so nothing is written
	{name: "perl -i", install: "apt install perl", program: "perl", script: `perl -i -pe 's/x/y/' "$P"`},
	{name: "busybox sh", install: needBusybox, program: "busybox", script: `busybox sh -c '{ echo a; busybox echo log >&2; echo "$T"; } > "$P"' 2> log`, want: "a\nT", mute: true},
	{name: "busybox cp", install: needBusybox, program: "busybox", script: `echo "$T" > part; busybox cp part "$P"`, want: "T"},
	{name: "busybox mv", install: needBusybox, program: "busybox", script: `echo "$T" > part; busybox mv part "$P"`, want: "T"},
	{name: "busybox tee", install: needBusybox, program: "busybox", script: `echo "$T" | busybox tee "$P" > /dev/null`, want: "T", mute: true},
	{name: "busybox dd", install: needBusybox, program: "busybox", script: `echo "$T" | busybox dd of="$P" 2> log`, want: "T"},
	{name: "busybox sed -i", install: needBusybox, program: "busybox", script: `busybox sed -i 's/x/y/' "$P"`},
	{name: "rclone", install: "apt install rclone", program: "rclone", script: `echo "$T" > prompt.txt; RCLONE_CONFIG=/dev/null rclone copyto -q prompt.txt "$P"`, want: "T"},
	{name: "sponge by a temporary name", script: `echo "$T" > "$D/.prompt.txt.tmp"; mv "$D/.prompt.txt.tmp" "$P"`, want: "T"},
	{name: "a name beside it, renamed", script: `echo "$T" > "$D/prompt.txt.new"; mv "$D/prompt.txt.new" "$P"`, want: "T"},
	{name: "input.json", script: `printf '{"prompt": "%s", "seed": 42}' "$T" | tee "$J" > /dev/null`, want: "T"},
	{name: "rsync", install: needRsync, program: "rsync", script: `echo "$T" > prompt.txt; rsync prompt.txt "$D/"`, want: "T"},
	{name: "rsync --inplace", install: needRsync, program: "rsync", script: `echo "$T" > prompt.txt; rsync --inplace prompt.txt "$D/"`, want: "T"},
	{name: "rsync -a", install: needRsync, program: "rsync", script: `echo "$T" > prompt.txt; rsync -a prompt.txt "$D/"`, want: "T"},
	{name: "python open", install: needPython, program: "python3",
		script: `python3 -c 'import os; f = open(os.environ["P"], "w"); f.write("a "); f.write(os.environ["T"]); f.close()'`, want: "a T"},
	{name: "python open, flushed between", install: needPython, program: "python3",
		script: `python3 -c 'import os
with open(os.environ["P"], "w") as f:
    f.write("a "); f.flush(); os.fsync(f.fileno()); f.write(os.environ["T"])'`, want: "a T"},
	{name: "python write_text", install: needPython, program: "python3",
		script: `python3 -c 'import os, pathlib; pathlib.Path(os.environ["P"]).write_text(os.environ["T"])'`, want: "T"},
	{name: "python, closed by its end", install: needPython, program: "python3",
		script: `python3 -c 'import os; f = open(os.environ["P"], "w"); f.write(os.environ["T"]); f.flush(); os._exit(0)'`, want: "T", mute: true},
	{name: "python, forked after the opening", install: needPython, program: "python3",
		script: `python3 -c 'import os
fd = os.open(os.environ["P"], os.O_WRONLY | os.O_TRUNC)
os.write(fd, b"a ")
if os.fork() == 0:
    os._exit(0)
os.wait()
os.write(fd, os.environ["T"].encode())
os.close(fd)'`, want: "a T"},
	{name: "python, written by the child", install: needPython, program: "python3",
		script: `python3 -c 'import os
fd = os.open(os.environ["P"], os.O_WRONLY | os.O_TRUNC)
if os.fork() == 0:
    os.write(fd, os.environ["T"].encode()); os.close(fd); os._exit(0)
os.wait()
os.close(fd)'`, want: "T"},
	{name: "python, two descriptors", install: needPython, program: "python3",
		script: `python3 -c 'import os
a = os.open(os.environ["P"], os.O_WRONLY | os.O_TRUNC)
b = os.dup(a)
os.write(a, b"a "); os.close(a); os.write(b, os.environ["T"].encode()); os.close(b)'`, want: "a T"},
	{name: "python, written backwards", install: needPython, program: "python3",
		script: `python3 -c 'import os
fd = os.open(os.environ["P"], os.O_WRONLY | os.O_TRUNC)
os.pwrite(fd, os.environ["T"].encode(), 2); os.pwrite(fd, b"a ", 0); os.close(fd)'`, want: "a T"},

	// What runs nothing.
	{name: "touch", script: `touch "$P" "$J"`},
	{name: "touch with a time", script: `touch -d 2020-01-01 "$P"`},
	{name: "nothing", script: `: > "$P"; true > "$J"`},
	{name: "a newline", script: `echo > "$P"`},
	{name: "truncate", script: `truncate -s 0 "$P"`},
	{name: "cp of an empty file", script: `: > part; cp part "$P"`},
	{name: "looking", script: `cat "$P" "$J"; ls -l "$D"; head -c 1 "$P"; test -w "$P"; stat "$P"`},
	{name: "chmod", script: `chmod 600 "$P" || true`},
	{name: "temporary names", script: `echo "$T" > "$D/.x.tmp"; echo "$T" > "$D/prompt.txt~"; rm "$D/.x.tmp" "$D/prompt.txt~"`},
	{name: "killed half-way", script: `sh -c 'exec 3>"$P"; echo "$T" >&3; kill -9 $$' || true`},
	{name: "terminated half-way", script: `sh -c 'exec 3>"$P"; echo "$T" >&3; kill -TERM $$' || true`},
	{name: "killed in a group", script: `sh -c '{ echo "$T"; kill -9 $$; } > "$P"' || true`},
	{name: "rsync of an empty file", install: needRsync, program: "rsync", script: `: > prompt.txt; rsync -a prompt.txt "$D/"`},
	{name: "a backup, restored", install: needRsync, program: "rsync",
		script: `rsync -a "$P" "$J" back/; rsync -a back/ "$D/"; rsync -a --inplace --ignore-times back/ "$D/"; cp -a back/prompt.txt "$P"`},
	{name: "a backup by tar, restored", script: `tar -cf back.tar -C "$D" prompt.txt input.json; tar -xf back.tar -C "$D" --overwrite || true; tar -xf back.tar -C "$D" || true`},
}

// Every pattern of saving runs the model as often as it should, with all of
// what was written.
func TestSave(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		trySaves(t, serve(t), o, patterns)
	})
}

// command saves a text in the way of the pattern.
func (p *pattern) command(t *testing.T, m *mounted.Mount, text string) *exec.Cmd {
	t.Helper()
	if p.program != "" {
		mounted.Need(t, p.install, strings.Fields(p.program)...)
	}
	cmd := m.Command("sh", "-euc", p.script)
	cmd.Env = append(cmd.Env, "T="+text, "D="+m.Path(painter), "P="+m.Path(painter, "prompt.txt"), "J="+m.Path(painter, "input.json"))
	return cmd
}

// trySaves tries patterns on one mount, one after the other: what one leaves
// behind must not harm the next.
func trySaves(t *testing.T, a *mounted.Account, o mounted.Options, patterns []pattern) {
	o.Flags = append(o.Flags, "--max-runs-per-minute=1000", "--poll=24h")
	m := a.Mount(o)
	for i, p := range patterns {
		t.Run(p.name, func(t *testing.T) {
			text := fmt.Sprintf("lion %d", i)
			var want []string
			if p.want != "" {
				want = []string{strings.ReplaceAll(p.want, "T", text)}
			}
			runs := len(want) * max(1, p.runs)
			before := a.Creates()
			output(t, p.command(t, m, text))
			// A save that nobody waits for comes a moment later; one too many
			// would come as late.
			mounted.Until(t, "the run is there", func() bool { return a.Creates() >= before+runs })
			sh(t, m, `cat "$M/`+painter+`/prompt.txt"`) // a round trip behind it
			if got := a.Creates() - before; got != runs {
				t.Fatalf("%d runs, want %d", got, runs)
			}
			if runs == 0 {
				return
			}
			var id string
			mounted.Until(t, "latest leads to the run", func() bool {
				id = latestID(t, m, painter)
				got, ok := a.Prediction(id)
				return ok && prompt(t, got.Input) == want[0]
			})
		})
	}
	// Nothing came late.
	if got := sh(t, m, `ls -A "$M/`+painter+`"`); strings.Contains(got, "error.txt") {
		t.Errorf("an error is left: %s", sh(t, m, `cat "$M/`+painter+`/error.txt"`))
	}
	creates := a.Creates()
	m.Stop()
	if late := a.Creates() - creates; late != 0 {
		t.Errorf("%d runs came when the mount ended", late)
	}
}

// Where a save is refused, the program that saved says so, but for those that
// do not look at what close() returns: shells, who get the error of what they
// opened themselves, and some of the smallest programs.
func TestRefusedSavesAreTold(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		a.SetCredit(false)
		o.Flags = append(o.Flags, "--max-runs-per-minute=1000")
		m := a.Mount(o)
		for _, p := range slices.Concat(patterns, editors) {
			if p.want == "" {
				continue
			}
			t.Run(p.name, func(t *testing.T) {
				err := p.command(t, m, "lion").Run()
				if told := err != nil; told == p.mute {
					t.Errorf("the program ends with %v", err)
				}
				mounted.Until(t, "the save is refused", func() bool {
					return strings.Contains(sh(t, m, `cat "$M/`+painter+`/error.txt"`), "credit")
				})
			})
		}
		if got := a.Creates(); got != 0 {
			t.Errorf("%d runs, want none", got)
		}
	})
}

func prompt(t *testing.T, input json.RawMessage) string {
	t.Helper()
	var in struct{ Prompt string }
	if err := json.Unmarshal(input, &in); err != nil {
		t.Fatalf("%s: %v", input, err)
	}
	return in.Prompt
}

// Threads of one program write one file.
func TestSaveByThreads(t *testing.T) {
	each(t, func(t *testing.T, o mounted.Options) {
		a := serve(t)
		m := a.Mount(o)
		output(t, child(m, "threads", m.Path(painter, "prompt.txt"), "a lion and a lamb"))
		if got := a.Creates(); got != 1 {
			t.Fatalf("%d runs, want 1", got)
		}
		if got := sh(t, m, `cat "$M/`+painter+`/latest/prompt.txt"`); got != "a lion and a lamb\n" {
			t.Errorf("the prompt that arrived is %q", got)
		}
	})
}

// Programs that save at the same time get a run each.
func TestSavesAtOnce(t *testing.T) {
	t.Parallel()
	a := mounted.Serve(t, sim.Options{Speed: 4})
	m := a.Mount(mounted.Options{})
	sh(t, m, `for i in 1 2 3 4 5 6; do echo "lion $i" | tee "$M/`+painter+`/prompt.txt" > /dev/null & done; wait`)
	if got := a.Creates(); got != 6 {
		t.Errorf("%d runs, want 6", got)
	}
	got := sh(t, m, `cat "$M"/predictions/*/prompt.txt | sort`)
	if want := "lion 1\nlion 2\nlion 3\nlion 4\nlion 5\nlion 6\n"; got != want {
		t.Errorf("prompts are %q, want %q", got, want)
	}
}

// tinyPNG is a picture of one point, 70 bytes.
const tinyPNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

// Official models are run by name, others by their latest version; each kind
// of output comes out.
func TestRunsOfAllKinds(t *testing.T) {
	t.Parallel()
	a := serve(t)
	m := a.Mount(mounted.Options{})
	for _, test := range []struct{ model, script, want string }{
		{painter, `echo "a lion" | tee "$D/prompt.txt" > /dev/null; head -c 4 "$D/latest/output-0.webp"`, "RIFF"},
		{talker, `echo "why?" | tee "$D/prompt.txt" > /dev/null; test -s "$D/latest/output.txt"; cat "$D/latest/status"`, "succeeded\n"},
		{"models/acme/captioner", `echo '{"image": "` + tinyPNG + `"}' | tee "$D/input.json" > /dev/null; grep -c picture "$D/latest/output.txt"; stat -c %s "$D/latest/input-image.png"`, "1\n70\n"},
		{"models/acme/blob", `echo '{"size": 12345, "count": 2}' | tee "$D/input.json" > /dev/null; stat -c %s "$D/latest/output-0.bin" "$D/latest/output-1.bin"`, "12345\n12345\n"},
	} {
		before := a.Creates()
		if got := sh(t, m, `D="$M/`+test.model+`"; `+test.script); got != test.want {
			t.Errorf("%s: got %q, want %q", test.model, got, test.want)
		}
		if got := a.Creates() - before; got != 1 {
			t.Errorf("%s: %d runs, want 1", test.model, got)
		}
	}
	if got := a.Count("POST", "/v1/models/black-forest-labs/flux-schnell/predictions"); got != 1 {
		t.Errorf("the official model was run %d times by its name, want 1", got)
	}
	if got := a.Count("POST", "/v1/predictions"); got != 2 {
		t.Errorf("%d runs by version, want 2", got)
	}
}

// latestID is the id of the run that latest leads to.
func latestID(t *testing.T, m *mounted.Mount, folder string) string {
	t.Helper()
	return path.Base(strings.TrimSpace(sh(t, m, `readlink "$M/`+folder+`/latest"`)))
}
