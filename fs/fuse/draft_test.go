package fuse

import (
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// office is processes made up for a test. The thread 10*p+i is of process p.
type office struct {
	mu     sync.Mutex
	dead   map[uint32]bool // killed threads
	others map[uint32]bool // processes with another descriptor
	blind  bool            // nothing can be told
}

func (o *office) tgid(tid uint32) uint32 { return tid / 10 }
func (o *office) killed(tid uint32) bool { return o.dead[tid] }
func (o *office) holds(tid uint32, _ string, _ uint64, _ uint32) (bool, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.others[tid/10], !o.blind
}
func (o *office) waits(uint32) (asleep, told, known bool) { return true, false, true }

// writer is one opening of the trigger.
type writer struct {
	*bound
	events []event
	office *office
	id, fh uint64
}

func newWriter(t *testing.T, opener uint32) *writer {
	w := &writer{bound: bind(t, Options{}), office: &office{dead: map[uint32]bool{}, others: map[uint32]bool{}}}
	w.procs = w.office
	w.s.events = func(e event) { w.events = append(w.events, e) }
	w.id = w.lookup("desk/prompt.txt").NodeId
	w.openBy(opener)
	return w
}

func (w *writer) openBy(tid uint32) {
	w.t.Helper()
	var out gofuse.OpenOut
	in := &gofuse.OpenIn{InHeader: header(w.id), Flags: syscall.O_WRONLY}
	in.Pid = tid
	if status := w.Open(nil, in, &out); status != gofuse.OK {
		w.t.Fatal(status)
	}
	w.fh = out.Fh
}

func (w *writer) say(s string) gofuse.Status { return w.write(w.id, w.fh, 0, syscall.O_APPEND, s) }

func (w *writer) flush(tid uint32) gofuse.Status {
	in := &gofuse.FlushIn{InHeader: header(w.id), Fh: w.fh}
	in.Pid = tid
	return w.Flush(nil, in)
}

// end is the last release.
func (w *writer) end() {
	w.release(w.id, w.fh)
	w.saves.Wait()
}

// saved checks what was saved, in order.
func (w *writer) saved(want ...string) {
	w.t.Helper()
	var got []string
	for _, e := range w.events {
		got = append(got, e.Content)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("saved %q, want %q", got, want)
	}
}

func TestSavedAtTheOpenersFlush(t *testing.T) {
	w := newWriter(t, 10)
	w.flush(10) // dup2 after open
	w.say("a")
	w.say("b")
	w.saved()
	w.flush(13) // another thread
	w.saved("ab")
	w.flush(10)
	w.end()
	w.saved("ab")
}

func TestNotSavedByWhoInherited(t *testing.T) {
	w := newWriter(t, 10)
	w.say("a")
	w.flush(20)
	w.say("b")
	w.flush(30)
	w.saved()
	w.flush(10)
	w.end()
	w.saved("ab")
}

func TestNotSavedWhileTheOpenerHasAnother(t *testing.T) {
	w := newWriter(t, 10)
	w.office.others[1] = true
	w.say("a")
	w.flush(10)
	w.saved()
	w.say("b")
	w.office.others[1] = false
	w.flush(10)
	w.saved("ab")
}

func TestSavedAtReleaseIfNobodyElseDid(t *testing.T) {
	for name, prepare := range map[string]func(w *writer){
		"children only":      func(w *writer) { w.say("a"); w.flush(20) },
		"cannot be told":     func(w *writer) { w.office.blind = true; w.say("a"); w.flush(10) },
		"opener not visible": func(w *writer) { w.flush(0); w.release(w.id, w.fh); w.openBy(0); w.say("a"); w.flush(0) },
		"no flush":           func(w *writer) { w.say("a") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t, 10)
			prepare(w)
			w.saved()
			w.end()
			w.saved("a")
		})
	}
}

func TestNotSavedWhenKilled(t *testing.T) {
	w := newWriter(t, 10)
	w.say("half of it")
	w.office.dead[10] = true
	w.flush(10)
	w.end()
	w.saved()
	if !strings.Contains(w.log.String(), "killed") {
		t.Errorf("not logged:\n%s", w.log)
	}
}

func TestKilledChildDoesNotMatter(t *testing.T) {
	w := newWriter(t, 10)
	w.say("a")
	w.office.dead[20] = true
	w.flush(20)
	w.flush(10)
	w.end()
	w.saved("a")
}

func TestNothingWrittenNothingSaved(t *testing.T) {
	w := newWriter(t, 10)
	w.flush(10)
	w.end()
	w.saved()
}

func TestErrorOfASaveIsTheResultOfClose(t *testing.T) {
	w := newWriter(t, 10)
	w.say("refuse")
	if status := w.flush(10); status != gofuse.Status(syscall.EDQUOT) {
		t.Errorf("flush = %v, want EDQUOT", status)
	}
	w.end()
	w.saved("refuse")
}

func TestErrorOfALateSaveIsLogged(t *testing.T) {
	w := newWriter(t, 10)
	w.say("refuse")
	w.end()
	if !strings.Contains(w.log.String(), "nobody could be told") {
		t.Errorf("log:\n%s", w.log)
	}
}

func TestPanicInALateSaveEndsNobody(t *testing.T) {
	w := newWriter(t, 10)
	w.say("panic")
	w.end()
	if !strings.Contains(w.log.String(), "on purpose") {
		t.Errorf("log:\n%s", w.log)
	}
}

func TestWriteAfterSave(t *testing.T) {
	w := newWriter(t, 10)
	w.say("a")
	w.flush(10)
	if status := w.say("b"); status != gofuse.EBADF {
		t.Errorf("write after the save = %v, want EBADF", status)
	}
	if status := w.setSize(w.fh, true, 0); status != gofuse.EBADF {
		t.Errorf("truncate after the save = %v, want EBADF", status)
	}
	w.end()
	w.saved("a")
}

func TestEachOpeningIsItsOwn(t *testing.T) {
	w := newWriter(t, 10)
	first := w.fh
	w.say("first")
	w.openBy(20)
	w.say("second")
	if out, _ := w.stat(w.id); out.Size != 6 || out.Blocks != 1 || out.Timeout() != 0 {
		t.Errorf("size %d, believed for %v, want 6, that of the last writer, for 0", out.Size, out.Timeout())
	}
	var out gofuse.AttrOut
	w.GetAttr(nil, &gofuse.GetAttrIn{InHeader: header(w.id), Flags_: gofuse.FUSE_GETATTR_FH, Fh_: first}, &out)
	if out.Size != 5 {
		t.Errorf("size by the first handle %d, want 5", out.Size)
	}
	w.flush(20)
	w.end()
	w.fh = first
	if out, _ := w.stat(w.id); out.Size != 5 {
		t.Errorf("size %d after the second was saved, want 5, that of the first", out.Size)
	}
	w.flush(10)
	w.end()
	if out, _ := w.stat(w.id); out.Size != 0 {
		t.Errorf("size %d after all is saved, want 0", out.Size)
	}
	w.saved("second", "first")
}

func TestAppendGoesToTheEndOfItsOwn(t *testing.T) {
	w := newWriter(t, 10)
	w.write(w.id, w.fh, 0, syscall.O_APPEND, "a")
	w.write(w.id, w.fh, 500, syscall.O_APPEND, "b") // the kernel knows the size of another opening
	w.write(w.id, w.fh, 0, 0, "A")
	w.flush(10)
	w.saved("Ab")
}

func TestReadsBackWhatWasWritten(t *testing.T) {
	w := newWriter(t, 10)
	w.say("abc")
	if got, status := w.read(w.id, w.fh, 1, 10); got != "bc" || status != gofuse.OK {
		t.Errorf("read = %q, %v, want bc", got, status)
	}
}

func (b *bound) setSizeOf(id, fh uint64, byHandle bool, size uint64) gofuse.Status {
	in := &gofuse.SetAttrIn{}
	in.InHeader = header(id)
	in.Valid, in.Size = gofuse.FATTR_SIZE, size
	if byHandle {
		in.Valid |= gofuse.FATTR_FH
		in.Fh = fh
	}
	var out gofuse.AttrOut
	return b.SetAttr(nil, in, &out)
}

func (w *writer) setSize(fh uint64, byHandle bool, size uint64) gofuse.Status {
	return w.setSizeOf(w.id, fh, byHandle, size)
}

func TestTruncateOfATrigger(t *testing.T) {
	w := newWriter(t, 10)
	if status := w.setSize(0, false, 0); status != gofuse.OK {
		t.Errorf("truncate(path, 0) = %v, want OK", status)
	}
	if status := w.setSize(0, false, 5); status != gofuse.EINVAL {
		t.Errorf("truncate(path, 5) = %v, want EINVAL", status)
	}
	w.setSize(w.fh, true, 5) // no byte was written
	w.flush(10)
	w.saved()
	w.say("longer")
	w.setSize(w.fh, true, 3)
	w.flush(10)
	w.saved("\x00\x00\x00")
}

func TestTruncateOfAStoredFile(t *testing.T) {
	b := bind(t, Options{})
	var saved []string
	b.s.events = func(e event) { saved = append(saved, e.Content) }
	b.procs = &office{}
	f, _ := b.s.desk.Create(t.Context(), "f")
	f.(*stored).b = []byte("0123456789")
	id := b.lookup("desk/f").NodeId
	if status := b.setSizeOf(id, 0, false, 4); status != gofuse.OK || string(f.(*stored).b) != "0123" {
		t.Errorf("truncate(path, 4) = %v, content %q, want 0123", status, f.(*stored).b)
	}
	// Without a write, the change of size by handle is one.
	out := b.open(id, syscall.O_WRONLY)
	b.setSizeOf(id, out.Fh, true, 2)
	b.release(id, out.Fh)
	b.saves.Wait()
	if !slices.Equal(saved, []string{"01"}) {
		t.Errorf("saved %q, want 01", saved)
	}
	// O_TRUNC is one at once.
	out = b.open(id, syscall.O_WRONLY|syscall.O_TRUNC)
	if got := string(f.(*stored).b); got != "" {
		t.Errorf("content after open with O_TRUNC %q, want none", got)
	}
	b.release(id, out.Fh)
	b.saves.Wait()
	if len(saved) != 1 {
		t.Errorf("saved %q, want no more", saved)
	}
}

func TestSetAttrThatIsIgnored(t *testing.T) {
	b := bind(t, Options{})
	set := func(path string) gofuse.Status {
		in := &gofuse.SetAttrIn{}
		in.InHeader = header(b.lookup(path).NodeId)
		in.Valid = gofuse.FATTR_MODE | gofuse.FATTR_MTIME | gofuse.FATTR_ATIME | gofuse.FATTR_UID
		in.Mode = 0o600
		var out gofuse.AttrOut
		status := b.SetAttr(nil, in, &out)
		if status == gofuse.OK && out.ModTime() != when.Local() {
			t.Errorf("%s: answered with %+v, want what the node says", path, out)
		}
		return status
	}
	for path, want := range map[string]gofuse.Status{
		"desk/prompt.txt": gofuse.OK,
		"desk":            gofuse.OK, // cp -rp into it
		"run/status":      gofuse.EROFS,
		"run":             gofuse.EROFS,
	} {
		if got := set(path); got != want {
			t.Errorf("chmod and touch of %s = %v, want %v", path, got, want)
		}
	}
}

func TestTooLarge(t *testing.T) {
	w := newWriter(t, 10)
	if status := w.write(w.id, w.fh, 1<<20, 0, "x"); status != gofuse.Status(syscall.EFBIG) {
		t.Errorf("write = %v, want EFBIG", status)
	}
	w.flush(10)
	w.end()
	w.saved()
}

// What could not be written whole is not saved, though it is closed all the
// same, unless it is begun anew.
func TestTornIsNotSaved(t *testing.T) {
	tooLarge := gofuse.Status(syscall.EFBIG)
	tear := func(t *testing.T) *writer {
		w := newWriter(t, 10)
		w.say("half of it")
		if status := w.write(w.id, w.fh, 1<<20, 0, "x"); status != tooLarge {
			t.Errorf("write = %v, want EFBIG", status)
		}
		return w
	}
	t.Run("closed", func(t *testing.T) {
		w := tear(t)
		if status := w.flush(10); status != tooLarge {
			t.Errorf("flush = %v, want EFBIG", status)
		}
		w.end()
		w.saved()
	})
	t.Run("closed by its end", func(t *testing.T) {
		w := tear(t)
		w.end()
		w.saved()
	})
	t.Run("begun anew", func(t *testing.T) {
		w := tear(t)
		if status := w.setSizeOf(w.id, w.fh, true, 0); status != gofuse.OK {
			t.Errorf("truncate = %v", status)
		}
		w.say("all of it")
		if status := w.flush(10); status != gofuse.OK {
			t.Errorf("flush = %v", status)
		}
		w.end()
		w.saved("all of it")
	})
}

func TestForcedDown(t *testing.T) {
	w := newWriter(t, 10)
	w.say("half of it")
	w.OnUnmount()
	w.saves.Wait()
	w.saved()
	if n := w.handles.count(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
}

func TestReadOnly(t *testing.T) {
	b := bind(t, Options{ReadOnly: true})
	desk := b.lookup("desk")
	if _, status := b.tryOpen(b.lookup("desk/prompt.txt").NodeId, syscall.O_WRONLY); status != gofuse.EROFS {
		t.Errorf("open to write = %v, want EROFS", status)
	}
	h := header(desk.NodeId)
	var entry gofuse.EntryOut
	var made gofuse.CreateOut
	for what, status := range map[string]gofuse.Status{
		"create": b.Create(nil, &gofuse.CreateIn{InHeader: h}, "f", &made),
		"mknod":  b.Mknod(nil, &gofuse.MknodIn{InHeader: h, Mode: gofuse.S_IFREG}, "f", &entry),
		"mkdir":  b.Mkdir(nil, &gofuse.MkdirIn{InHeader: h}, "d", &entry),
		"unlink": b.Unlink(nil, &h, "prompt.txt"),
		"rmdir":  b.Rmdir(nil, &h, "d"),
		"rename": b.Rename(nil, &gofuse.RenameIn{InHeader: h, Newdir: desk.NodeId}, "prompt.txt", "x"),
		"chmod":  b.setSizeOf(desk.NodeId, 0, false, 0),
	} {
		if status != gofuse.EROFS {
			t.Errorf("%s = %v, want EROFS", what, status)
		}
	}
}

var _ tree.Draft = (*memoryDraft)(nil)

// A trigger reads as empty, but not to the process that has just saved it.
func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(t, 70)
		w.say("a lion")
		w.flush(71)
		look := func(tid uint32) (int, string) {
			t.Helper()
			h := header(w.id)
			h.Pid = tid
			var attr gofuse.AttrOut
			if status := w.GetAttr(nil, &gofuse.GetAttrIn{InHeader: h}, &attr); status != gofuse.OK {
				t.Fatal(status)
			}
			var out gofuse.OpenOut
			if status := w.Open(nil, &gofuse.OpenIn{InHeader: h, Flags: syscall.O_RDONLY}, &out); status != gofuse.OK {
				t.Fatal(status)
			}
			defer w.release(w.id, out.Fh)
			content, _ := w.read(w.id, out.Fh, 0, 100)
			return int(attr.Size), content
		}
		w.end()
		if size, content := look(75); size != 6 || content != "a lion" {
			t.Errorf("who saved it finds %q of %d bytes, want what it wrote", content, size)
		}
		if size, content := look(80); size != 0 || content != "" {
			t.Errorf("somebody else finds %q of %d bytes, want nothing", content, size)
		}
		time.Sleep(echoLife + 1)
		if size, content := look(75); size != 0 || content != "" {
			t.Errorf("later who saved it finds %q of %d bytes, want nothing", content, size)
		}
		w.saved("a lion")
	})
}
