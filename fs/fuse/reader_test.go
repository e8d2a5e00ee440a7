package fuse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

func TestOpenFlags(t *testing.T) {
	b := bind(t, Options{})
	b.s.extra = []tree.Entry{{Name: "brief", Node: &brief{tree.Bytes(tree.Ino("brief"), when, []byte("x")), tree.Info{Mode: 0o444, Size: 1}}},
		{Name: "stream", Node: &brief{tree.Bytes(tree.Ino("stream"), when, []byte("x")), tree.Info{Mode: 0o444, Size: tree.Unknown}}}}
	const keep, direct, noflush = gofuse.FOPEN_KEEP_CACHE, gofuse.FOPEN_DIRECT_IO, gofuse.FOPEN_NOFLUSH
	for path, want := range map[string]uint32{
		"run/status":      keep | noflush,
		"brief":           noflush,
		"stream":          direct | noflush,
		"live.txt":        direct | noflush,
		"desk/prompt.txt": direct | noflush,
	} {
		id := b.lookup(path).NodeId
		out := b.open(id, syscall.O_RDONLY)
		if out.OpenFlags != want {
			t.Errorf("%s opens with flags %x, want %x", path, out.OpenFlags, want)
		}
		b.release(id, out.Fh)
	}
	id := b.lookup("desk/prompt.txt").NodeId
	if out := b.open(id, syscall.O_WRONLY); out.OpenFlags != direct {
		t.Errorf("opening to write has flags %x, want %x", out.OpenFlags, direct)
	}
	for _, flags := range []uint32{syscall.O_WRONLY, syscall.O_RDWR, syscall.O_RDONLY | syscall.O_TRUNC} {
		if _, status := b.tryOpen(b.lookup("run/status").NodeId, flags); status != gofuse.EROFS {
			t.Errorf("open(%x) of a file for reading = %v, want EROFS", flags, status)
		}
	}
	if _, status := b.tryOpen(b.lookup("run").NodeId, syscall.O_RDONLY); status != gofuse.EISDIR {
		t.Errorf("open of a folder = %v, want EISDIR", status)
	}
}

// brief is a file that says another Info.
type brief struct {
	tree.File
	info tree.Info
}

func (f *brief) Peek() (tree.Info, bool)                 { return f.info, true }
func (f *brief) Info(context.Context) (tree.Info, error) { return f.info, nil }
func (f *brief) Open(ctx context.Context) (tree.Handle, error) {
	return plain{tree.Memory("0123456789")}, nil
}

// plain hides what a handle can do besides ReadAt.
type plain struct{ tree.Handle }

func TestRead(t *testing.T) {
	b := bind(t, Options{})
	b.s.extra = []tree.Entry{
		{Name: "exact", Node: &brief{tree.Bytes(tree.Ino("exact"), when, nil), tree.Info{Mode: 0o444, Size: 10}}},
		{Name: "long", Node: &brief{tree.Bytes(tree.Ino("long"), when, nil), tree.Info{Mode: 0o444, Size: 5}}},
		{Name: "short", Node: &brief{tree.Bytes(tree.Ino("short"), when, nil), tree.Info{Mode: 0o444, Size: 20}}},
		{Name: "stream", Node: &brief{tree.Bytes(tree.Ino("stream"), when, nil), tree.Info{Mode: 0o444, Size: tree.Unknown}}},
		{Name: "local", Node: newLocal(t, "local", []byte("0123456789"), true)},
	}
	for _, test := range []struct {
		path   string
		off    uint64
		n      int
		want   string
		status gofuse.Status
	}{
		{"exact", 0, 4, "0123", gofuse.OK},
		{"exact", 8, 4, "89", gofuse.OK},
		{"exact", 10, 4, "", gofuse.OK},
		{"exact", 99, 4, "", gofuse.OK},
		{"long", 0, 10, "01234", gofuse.OK},    // never past the size that was told
		{"short", 8, 10, "", gofuse.EIO},       // a short read would shrink the file for good
		{"stream", 8, 10, "89", gofuse.OK},     // nobody knows better
		{"local", 2, 3, "234", gofuse.OK},      // from the file
		{"local", 8, 4096, "89", gofuse.OK},    // to its end
		{"local", 10, 4096, "", gofuse.OK},     // and not further
		{"run/status", 2, 3, "cce", gofuse.OK}, // lent
		{"run/status", 6, 4096, "ded\n", gofuse.OK},
	} {
		id := b.lookup(test.path).NodeId
		fh := b.open(id, syscall.O_RDONLY).Fh
		got, status := b.read(id, fh, test.off, test.n)
		if got != test.want || status != test.status {
			t.Errorf("%s: read %d at %d = %q, %v, want %q, %v", test.path, test.n, test.off, got, status, test.want, test.status)
		}
		b.release(id, fh)
	}
	if _, status := b.read(rootID, 999, 0, 1); status != gofuse.EBADF {
		t.Errorf("read of no handle = %v, want EBADF", status)
	}
}

// failing is a handle that fails after some bytes.
type failing struct{ err error }

func (f failing) ReadAt(context.Context, []byte, int64) (int, error) { return 1, f.err }
func (f failing) Close() error                                       { return nil }

func TestReadErrors(t *testing.T) {
	b := bind(t, Options{})
	for err, want := range map[error]gofuse.Status{
		errors.New("no network"): gofuse.EIO,
		tree.ErrGone:             gofuse.Status(syscall.ESTALE),
		context.Canceled:         gofuse.EINTR,
		context.DeadlineExceeded: gofuse.EIO,
		io.ErrUnexpectedEOF:      gofuse.EIO,
	} {
		fh := b.handles.add(&reader{id: 5, h: failing{err}, size: 10})
		if got, status := b.read(5, fh, 0, 4); status != want {
			t.Errorf("read that fails with %v = %q, %v, want %v", err, got, status, want)
		}
	}
}

func TestPassthroughIsNeverMixedWithCached(t *testing.T) {
	b := bind(t, Options{})
	f := newLocal(t, "f", []byte("0123456789"), false)
	b.s.extra = []tree.Entry{{Name: "f", Node: f}}
	id := b.lookup("f").NodeId
	isPass := func(o gofuse.OpenOut) bool { return o.OpenFlags&gofuse.FOPEN_PASSTHROUGH != 0 }

	c := b.open(id, syscall.O_RDONLY)
	f.ready.Store(true)
	if d := b.open(id, syscall.O_RDONLY); isPass(c) || isPass(d) {
		t.Error("passthrough beside a cached opening")
	} else {
		b.release(id, d.Fh)
	}
	b.release(id, c.Fh)
	p := b.open(id, syscall.O_RDONLY)
	if !isPass(p) || p.BackingID != 7 || p.OpenFlags&gofuse.FOPEN_KEEP_CACHE != 0 {
		t.Errorf("opening of a local file: %+v, want passthrough and no pages kept", p)
	}
	f.ready.Store(false) // its local file is going away, but not while it is open
	q := b.open(id, syscall.O_RDONLY)
	if !isPass(q) || q.BackingID != 7 {
		t.Errorf("opening beside a passthrough one: %+v, want passthrough with the same file", q)
	}
	if b.kernel.backs != 1 {
		t.Errorf("%d backing files for one inode, want 1", b.kernel.backs)
	}
	b.release(id, p.Fh)
	b.release(id, q.Fh)
	if b.kernel.backs != 0 {
		t.Errorf("%d backing files after the last close, want 0", b.kernel.backs)
	}
	if r := b.open(id, syscall.O_RDONLY); isPass(r) {
		t.Error("passthrough of a file that is not local")
	}
}

func TestPassthroughRefused(t *testing.T) {
	b := bind(t, Options{})
	b.kernel.pass = syscall.EPERM
	b.s.extra = []tree.Entry{{Name: "f", Node: newLocal(t, "f", []byte("0123456789"), true)}}
	id := b.lookup("f").NodeId
	for range 3 {
		if o := b.open(id, syscall.O_RDONLY); o.OpenFlags&gofuse.FOPEN_PASSTHROUGH != 0 {
			t.Error("passthrough although the kernel refused")
		}
	}
	if b.kernel.backs != 1 || strings.Count(b.log.String(), "local files are read") != 1 {
		t.Errorf("tried %d times, want once, and logged once:\n%s", b.kernel.backs, b.log)
	}
}

func TestLocalFileOfAnotherSizeIsNotUsed(t *testing.T) {
	b := bind(t, Options{})
	f := newLocal(t, "f", []byte("0123456789"), true)
	f.size = 11
	b.s.extra = []tree.Entry{{Name: "f", Node: f}}
	id := b.lookup("f").NodeId
	o := b.open(id, syscall.O_RDONLY)
	if o.OpenFlags&gofuse.FOPEN_PASSTHROUGH != 0 {
		t.Error("passthrough of a file that is not what stat tells")
	}
	if got, status := b.read(id, o.Fh, 0, 20); status != gofuse.EIO {
		t.Errorf("read = %q, %v, want EIO", got, status)
	}
}

// announcing is a handle that tells of its bytes.
type announcing struct {
	tree.Handle
	receiver chan func(int64, []byte)
}

func announcer(h tree.Handle) announcing { return announcing{h, make(chan func(int64, []byte), 1)} }

func (a announcing) Announce(receive func(int64, []byte)) { a.receiver <- receive }

func TestPush(t *testing.T) {
	b := bind(t, Options{})
	size := 3*piece + 100
	a := announcer(tree.Memory(bytes.Repeat([]byte("x"), size)))
	f := &opens{brief{tree.Bytes(tree.Ino("f"), when, nil), tree.Info{Mode: 0o444, Size: int64(size), Valid: tree.Final}}, a}
	b.s.extra = []tree.Entry{{Name: "f", Node: f}}
	id := b.lookup("f").NodeId
	fh := b.open(id, syscall.O_RDONLY).Fh
	p := make([]byte, size)
	receive := <-a.receiver
	receive(0, p[:2*piece])          // in two pieces
	receive(2*piece, p[:pageSize])   // whole pages
	receive(3*piece, p[:100])        // the end
	receive(1, p[:pageSize])         // not from a page's start
	receive(0, p[:100])              // not to a page's end
	receive(3*piece, p[:2*pageSize]) // past the end
	b.release(id, fh)
	receive(0, p[:pageSize]) // closed
	want := []string{"store", "store", "store", "store"}
	if got := b.kernel.all(); len(got) != len(want) {
		t.Errorf("pushed %v, want 4 pieces", got)
	}
	if got, want := b.pushed.Load(), int64(2*piece)+pageSize+100; got != want {
		t.Errorf("pushed %d bytes, want %d", got, want)
	}
}

// opens is a file that opens as a given handle.
type opens struct {
	brief
	h tree.Handle
}

func (f *opens) Open(context.Context) (tree.Handle, error) { return f.h, nil }

func TestNoPushIntoDirectFiles(t *testing.T) {
	b := bind(t, Options{})
	a := announcer(tree.Memory("x"))
	f := &opens{brief{tree.Bytes(tree.Ino("f"), when, nil), tree.Info{Mode: 0o444, Size: 1, Live: true}}, a}
	b.s.extra = []tree.Entry{{Name: "f", Node: f}}
	b.open(b.lookup("f").NodeId, syscall.O_RDONLY)
	if len(a.receiver) > 0 {
		t.Error("a file without pages is asked to announce")
	}
}

func TestAStuckPushStopsNobody(t *testing.T) {
	b := bind(t, Options{})
	b.kernel.block = make(chan struct{})
	var ended atomic.Int64
	done := make(chan struct{})
	r := &reader{id: 5, size: 1 << 30}
	const many = pushers + 3
	for range many {
		go func() {
			b.push(r, 0, make([]byte, pageSize))
			if ended.Add(1) == many {
				close(done)
			}
		}()
	}
	close(b.quit) // those that wait for a turn leave
	close(b.kernel.block)
	<-done
}

// A read that comes while a push waits for its turn is not in its way: the
// kernel has locked the pages of the read until it is answered.
func TestPushMakesWayForReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bind(t, Options{})
		id := b.lookup("run").NodeId
		for range pushers {
			b.pages <- struct{}{}
		}
		go b.push(&reader{id: id, size: 1 << 30}, 0, make([]byte, 4*pageSize))
		synctest.Wait()
		b.nodes.with(id, func(o *opened) { o.cached, o.reads = 1, []span{{pageSize, 2 * pageSize}} })
		<-b.pages
		synctest.Wait()
		want := []string{
			fmt.Sprintf("store %d 0+%d", id, pageSize),
			fmt.Sprintf("store %d %d+%d", id, 2*pageSize, 2*pageSize),
		}
		if got := b.kernel.all(); !slices.Equal(got, want) {
			t.Errorf("pushed %q, want %q", got, want)
		}
	})
}

func TestStopPushing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bind(t, Options{})
		b.kernel.block = make(chan struct{})
		r := &reader{id: 5, size: 1 << 30}
		go b.push(r, 0, make([]byte, 2*piece))
		synctest.Wait()
		close(b.quit)
		hasty, cancel := context.WithCancel(t.Context())
		cancel()
		b.stopPushing(hasty) // gives up
		stopped := false
		go func() { b.stopPushing(t.Context()); stopped = true }()
		synctest.Wait()
		if stopped {
			t.Error("nobody waits for a push under way")
		}
		close(b.kernel.block)
		synctest.Wait()
		b.push(r, 0, make([]byte, pageSize))
		if want := []string{fmt.Sprintf("store 5 0+%d", piece)}; !slices.Equal(b.kernel.all(), want) {
			t.Errorf("pushed %q, want %q", b.kernel.all(), want)
		}
	})
}

// counting is an announcing handle that counts its reads.
type counting struct {
	announcing
	reads atomic.Int64
}

func (c *counting) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	c.reads.Add(1)
	return c.announcing.ReadAt(ctx, p, off)
}

func TestWithout(t *testing.T) {
	pages := func(from, to int64) span { return span{from * pageSize, to * pageSize} }
	for _, test := range []struct {
		name string
		all  span
		some []span
		want []span
	}{
		{"nothing", pages(0, 8), nil, []span{pages(0, 8)}},
		{"elsewhere", pages(4, 8), []span{pages(0, 4), pages(8, 9)}, []span{pages(4, 8)}},
		{"front", pages(4, 8), []span{pages(0, 5)}, []span{pages(5, 8)}},
		{"end", pages(4, 8), []span{pages(7, 9)}, []span{pages(4, 7)}},
		{"middle, out of order, twice", pages(0, 8), []span{pages(5, 6), pages(2, 3), pages(2, 3)}, []span{pages(0, 2), pages(3, 5), pages(6, 8)}},
		{"all", pages(4, 8), []span{pages(0, 6), pages(6, 20)}, nil},
		{"parts of pages", pages(0, 4), []span{{pageSize + 1, pageSize + 2}}, []span{pages(0, 1), pages(2, 4)}},
		{"the end of a file", span{0, pageSize + 10}, []span{{pageSize, pageSize + 10}}, []span{pages(0, 1)}},
	} {
		if got := without(test.all, test.some); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
