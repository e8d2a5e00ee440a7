package fuse

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// fakeKernel notes what it is told.
type fakeKernel struct {
	mu    sync.Mutex
	told  []string
	block chan struct{} // where not nil, telling waits for it
	pass  error         // the answer to back
	backs int
}

func (k *fakeKernel) note(format string, args ...any) gofuse.Status {
	k.mu.Lock()
	k.told = append(k.told, fmt.Sprintf(format, args...))
	block := k.block
	k.mu.Unlock()
	if block != nil {
		<-block
	}
	return gofuse.OK
}

func (k *fakeKernel) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.told)
}

func (k *fakeKernel) InodeNotify(node uint64, off, n int64) gofuse.Status {
	return k.note("inode %d %d %d", node, off, n)
}
func (k *fakeKernel) InodeRetrieveCache(uint64, int64, []byte) (int, gofuse.Status) {
	return 0, gofuse.ENOENT
}
func (k *fakeKernel) InodeNotifyStoreCache(node uint64, off int64, b []byte) gofuse.Status {
	return k.note("store %d %d+%d", node, off, len(b))
}
func (k *fakeKernel) PruneNotify(nodes []uint64) gofuse.Status { return k.note("prune %d", len(nodes)) }
func (k *fakeKernel) back(uintptr) (int32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.backs++
	return 7, k.pass
}
func (k *fakeKernel) unback(int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.backs--
}

// logged collects log lines.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// bound is a binding without a kernel.
type bound struct {
	*binding
	t      testing.TB
	s      *sample
	kernel *fakeKernel
	log    *logged
}

func bind(t testing.TB, o Options) *bound {
	s := newSample(nil)
	log := &logged{}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(log, nil))
	}
	b := newBinding(s.list, o)
	k := &fakeKernel{}
	b.attach(k, gofuse.CAP_PASSTHROUGH)
	return &bound{b, t, s, k, log}
}

// header is the header of a request about a node, from ourselves.
func header(id uint64) gofuse.InHeader {
	return gofuse.InHeader{NodeId: id, Caller: gofuse.Caller{Pid: uint32(syscall.Getpid())}}
}

func (b *bound) try(dir uint64, name string) (gofuse.EntryOut, gofuse.Status) {
	h := header(dir)
	var out gofuse.EntryOut
	status := b.Lookup(nil, &h, name, &out)
	return out, status
}

// lookup walks a path and returns the last answer.
func (b *bound) lookup(path string) gofuse.EntryOut {
	b.t.Helper()
	out := gofuse.EntryOut{NodeId: rootID}
	for name := range strings.SplitSeq(path, "/") {
		var status gofuse.Status
		if out, status = b.try(out.NodeId, name); status != gofuse.OK || out.NodeId == 0 {
			b.t.Fatalf("lookup %s of %s = %v, number %d", name, path, status, out.NodeId)
		}
	}
	return out
}

func (b *bound) stat(id uint64) (gofuse.AttrOut, gofuse.Status) {
	var out gofuse.AttrOut
	status := b.GetAttr(nil, &gofuse.GetAttrIn{InHeader: header(id)}, &out)
	return out, status
}

func (b *bound) open(id uint64, flags uint32) gofuse.OpenOut {
	b.t.Helper()
	out, status := b.tryOpen(id, flags)
	if status != gofuse.OK {
		b.t.Fatalf("open = %v", status)
	}
	return out
}

func (b *bound) tryOpen(id uint64, flags uint32) (gofuse.OpenOut, gofuse.Status) {
	var out gofuse.OpenOut
	status := b.Open(nil, &gofuse.OpenIn{InHeader: header(id), Flags: flags}, &out)
	return out, status
}

func (b *bound) write(id, fh uint64, off uint64, flags uint32, content string) gofuse.Status {
	_, status := b.Write(nil, &gofuse.WriteIn{InHeader: header(id), Fh: fh, Offset: off, Flags: flags}, []byte(content))
	return status
}

func (b *bound) read(id, fh, off uint64, n int) (string, gofuse.Status) {
	buf := make([]byte, n)
	result, status := b.Read(nil, &gofuse.ReadIn{InHeader: header(id), Fh: fh, Offset: off, Size: uint32(n)}, buf)
	if status != gofuse.OK {
		return "", status
	}
	got, status := result.Bytes(make([]byte, n))
	return string(got), status
}

func (b *bound) release(id, fh uint64) {
	b.Release(nil, &gofuse.ReleaseIn{InHeader: header(id), Fh: fh})
}

func TestLookup(t *testing.T) {
	b := bind(t, Options{UID: 3, GID: 4, Umask: 0o022})
	run := b.lookup("run")
	if run.NodeId != tree.Ino("run") || run.Ino != run.NodeId {
		t.Errorf("number %d, ino %d, want both %d", run.NodeId, run.Ino, tree.Ino("run"))
	}
	if run.EntryTimeout() != tree.Final || run.AttrTimeout() != tree.Final {
		t.Errorf("timeouts %v and %v, want %v", run.EntryTimeout(), run.AttrTimeout(), tree.Final)
	}
	out := b.lookup("run/status")
	if out.Size != 10 || out.Blocks != 1 || out.Nlink != 1 || out.Mode != gofuse.S_IFREG|0o444 {
		t.Errorf("attributes %+v, want size 10, 1 block, 1 link, mode 0444", out.Attr)
	}
	if out.Uid != 3 || out.Gid != 4 || !out.ModTime().Equal(when) || !out.ChangeTime().Equal(when) || !out.AccessTime().Equal(when) {
		t.Errorf("attributes %+v, want owner 3:4 and %v as all times", out.Attr, when)
	}
	if out := b.lookup("desk/prompt.txt"); out.Mode != gofuse.S_IFREG|0o644&^0o022 || out.EntryTimeout() != 0 || out.AttrTimeout() != time.Minute {
		t.Errorf("name in a folder that changes: mode %o, timeouts %v and %v, want 0644, 0 and 1m", out.Mode, out.EntryTimeout(), out.AttrTimeout())
	}
	if out := b.lookup("live.txt"); out.AttrTimeout() != 0 {
		t.Errorf("attributes of a growing file hold %v, want 0", out.AttrTimeout())
	}
	if out := b.lookup("latest"); out.Mode != gofuse.S_IFLNK|0o777 || out.Size != 3 {
		t.Errorf("link has mode %o, size %d", out.Mode, out.Size)
	}
}

func TestLookupOfNothing(t *testing.T) {
	b := bind(t, Options{})
	for dir, want := range map[uint64]time.Duration{rootID: time.Second, b.lookup("run").NodeId: 2 * time.Second} {
		if out, status := b.try(dir, "none"); status != gofuse.OK || out.NodeId != 0 || out.EntryTimeout() != want {
			t.Errorf("absent name: %v, number %d for %v, want 0 for %v", status, out.NodeId, out.EntryTimeout(), want)
		}
	}
	if out, status := b.try(b.lookup("desk").NodeId, "none"); status != gofuse.ENOENT {
		t.Errorf("absent name where names can be made: %v, number %d, want ENOENT", status, out.NodeId)
	}
	if _, status := b.try(b.lookup("run/status").NodeId, "none"); status != gofuse.ENOTDIR {
		t.Errorf("name in a file: %v, want ENOTDIR", status)
	}
	if _, status := b.try(12345, "none"); status != gofuse.ENOENT {
		t.Errorf("name in nothing: %v, want ENOENT", status)
	}
}

func TestInfoErrorsStayWithTheirFile(t *testing.T) {
	b := bind(t, Options{})
	heads := b.lookup("heads").NodeId
	if _, status := b.try(heads, "broken"); status != gofuse.EIO {
		t.Errorf("lookup of a broken file = %v, want EIO", status)
	}
	if _, status := b.try(heads, "gone"); status != gofuse.ENOENT {
		t.Errorf("lookup of a file that is gone = %v, want ENOENT", status)
	}
	if out, status := b.try(heads, "a"); status != gofuse.OK || out.Size != 1 {
		t.Errorf("lookup beside them = %v, size %d", status, out.Size)
	}
	names, _ := b.list(heads, true)
	if want := []string{".", "..", "a", "b", "broken", "gone"}; !slices.Equal(names, want) {
		t.Errorf("listing = %v, want %v", names, want)
	}
	for range 5 {
		b.try(heads, "broken")
	}
	if n := strings.Count(b.log.String(), "no network"); n != 1 {
		t.Errorf("the error was logged %d times, want once:\n%s", n, b.log)
	}
}

func TestReadlinkAndStatfs(t *testing.T) {
	b := bind(t, Options{Statfs: func() (used, free, total uint64) { return 8192, 4096, 0 }})
	h := header(b.lookup("latest").NodeId)
	if target, status := b.Readlink(nil, &h); string(target) != "run" || status != gofuse.OK {
		t.Errorf("Readlink = %q, %v, want run", target, status)
	}
	var out gofuse.StatfsOut
	b.StatFs(nil, &h, &out)
	if out.Blocks != 3 || out.Bfree != 1 || out.Bavail != 1 || out.Bsize != 4096 || out.NameLen != 255 {
		t.Errorf("StatFs = %+v, want 3 blocks of 4096, 1 free", out)
	}
	var none gofuse.StatfsOut
	bind(t, Options{}).StatFs(nil, &h, &none)
	if none.Blocks == 0 {
		t.Error("StatFs of nothing says 0 blocks, which df hides")
	}
}

func TestPanicIsAnError(t *testing.T) {
	b := bind(t, Options{})
	if status := b.broken("on purpose"); status != gofuse.EIO || !strings.Contains(b.log.String(), "binding_test.go") {
		t.Errorf("panic = %v, want EIO and a stack in the log:\n%s", status, b.log)
	}
}
