package fuse

import (
	"bytes"
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"replicatefs/fs/tree"
)

func TestMountedTree(t *testing.T) {
	dir, _ := mountHere(t, readable(newSample(nil)), Options{FsName: "replicate:me"})
	if err := fstest.TestFS(os.DirFS(dir), "run/status", "run/output.bin", "run/empty", "latest", "live.txt", "heads/a"); err != nil {
		t.Error(err)
	}
	if line := ourMounts(); !strings.Contains(line, "replicate/me "+dir) || !strings.Contains(line, "nosuid,nodev") {
		t.Errorf("mounted as %q, want replicate/me, nosuid and nodev", line)
	}
}

// readable leaves out the broken files, which TestFS would trip over.
func readable(s *sample) tree.Dir {
	d := *s.list
	entries := d.Entries
	d.Entries = func(ctx context.Context) ([]tree.Entry, error) {
		all, err := entries(ctx)
		for i, e := range all {
			if e.Name == "heads" {
				all[i].Node = tree.Folder(tree.Ino("heads"), when, tree.Entry{Name: "a", Node: &asked{s: s, name: "a"}})
			}
		}
		return all, err
	}
	return &d
}

func TestMountedAttributes(t *testing.T) {
	dir, _ := mountHere(t, newSample(nil).list, Options{})
	st, err := os.Stat(dir + "/run/output.bin")
	if err != nil {
		t.Fatal(err)
	}
	sys := st.Sys().(*syscall.Stat_t)
	if st.Size() != 128<<10 || st.Mode() != 0o444 || !st.ModTime().Equal(when) || sys.Ino != tree.Ino("output") ||
		sys.Nlink != 1 || sys.Blocks != 256 || sys.Blksize != blockSize || sys.Uid != uint32(os.Getuid()) {
		t.Errorf("stat = %+v", sys)
	}
	for _, name := range []string{"heads/broken", "heads/gone", "nothing", "run/nothing"} {
		_, err := os.Stat(filepath.Join(dir, name))
		want := error(iofs.ErrNotExist)
		if name == "heads/broken" {
			want = syscall.EIO
		}
		if !errors.Is(err, want) {
			t.Errorf("stat %s = %v, want %v", name, err, want)
		}
	}
	if got, err := os.ReadFile(dir + "/heads/b"); string(got) != "b" || err != nil {
		t.Errorf("file beside broken ones reads %q, %v", got, err)
	}
}

func TestMountedListingAsksNobody(t *testing.T) {
	s := newSample(nil)
	dir, srv := mountHere(t, s.list, Options{})
	var names []string
	// Like find: types without sizes.
	filepath.WalkDir(dir, func(path string, d iofs.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
		}
		names = append(names, d.Name())
		return nil
	})
	if len(names) != 14 {
		t.Errorf("walked %v", names)
	}
	if n := s.infos.Load(); n != 0 {
		t.Errorf("walking asked for %d sizes, want none", n)
	}
	os.Lstat(dir + "/heads/a")
	os.Lstat(dir + "/heads/a")
	if n := s.infos.Load(); n != 1 {
		t.Errorf("two stats asked for %d sizes, want 1", n)
	}
	t.Logf("%d nodes", srv.Stats().Nodes)
}

func TestMountedDirSeeks(t *testing.T) {
	dir, _ := mountHere(t, wide(3000), Options{})
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := f.Readdirnames(-1)
	if err != nil || len(all) != 3000 || !slices.IsSorted(all) {
		t.Fatalf("listing of %d names, %v, want 3000 in order", len(all), err)
	}
	// seekdir: positions lead to the same names again.
	for _, i := range []int64{2, 700, 2999, 3001} {
		if _, err := f.Seek(i, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		names, err := f.Readdirnames(1)
		if err != nil || names[0] != all[i-2] {
			t.Errorf("after seeking to %d: %v, %v, want %s", i, names, err, all[i-2])
		}
	}
}

// wide is a folder of n files.
func wide(n int) tree.Dir {
	entries := make([]tree.Entry, n)
	for i := range entries {
		name := "file-" + strings.Repeat("0", 6-len(strconv.Itoa(i))) + strconv.Itoa(i)
		entries[i] = tree.Entry{Name: name, Node: tree.Bytes(tree.Ino("wide", name), when, []byte(name))}
	}
	return tree.Folder(tree.Ino("wide"), when, entries...)
}

func TestMountedRefusesWrites(t *testing.T) {
	dir, _ := mountHere(t, newSample(nil).list, Options{})
	want := syscall.EROFS
	if os.Getuid() != 0 {
		want = syscall.EACCES
	}
	for what, err := range map[string]error{
		"write":  os.WriteFile(dir+"/run/status", []byte("x"), 0o600),
		"create": os.WriteFile(dir+"/run/new", []byte("x"), 0o600),
		"mkdir":  os.Mkdir(dir+"/run/new", 0o700),
		"remove": os.Remove(dir + "/run/status"),
		"rename": os.Rename(dir+"/run/status", dir+"/run/new"),
	} {
		if !errors.Is(err, want) {
			t.Errorf("%s = %v, want %v", what, err, want)
		}
	}
	if err := os.Link(dir+"/desk/prompt.txt", dir+"/desk/l"); !errors.Is(err, syscall.EPERM) {
		t.Errorf("link = %v, want EPERM", err)
	}
}

func TestMountedReadOnly(t *testing.T) {
	dir, _ := mountHere(t, newSample(nil).list, Options{ReadOnly: true})
	if err := os.WriteFile(dir+"/desk/prompt.txt", []byte("x"), 0); !errors.Is(err, syscall.EROFS) {
		t.Errorf("write = %v, want EROFS", err)
	}
	if err := syscall.Access(dir+"/desk/prompt.txt", 2); err != syscall.EROFS {
		t.Errorf("access for writing = %v, want EROFS", err)
	}
}

func TestMountedGrowingFile(t *testing.T) {
	s := newSample(nil)
	dir, _ := mountHere(t, s.list, Options{})
	f, err := os.Open(dir + "/live.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, line := range []string{"one\n", "two\n"} {
		s.grows.add(line)
		got, err := io.ReadAll(f)
		if string(got) != line || err != nil {
			t.Errorf("read %q, %v, want %q", got, err, line)
		}
	}
	if st, err := f.Stat(); err != nil || st.Size() != 8 {
		t.Errorf("size %d, %v, want 8", st.Size(), err)
	}
}

// The kernel keeps the names of a folder that is not to change, until it is
// told that it did.
func TestMountedNotify(t *testing.T) {
	root := &changing{}
	dir, srv := mountHere(t, root, Options{})
	root.set("a")
	if names := list(t, dir); !slices.Equal(names, []string{"a"}) {
		t.Fatalf("listing = %v", names)
	}
	root.set("a", "b")
	list(t, dir)
	if n := root.lists.Load(); n != 1 {
		t.Errorf("listed %d times, want once: nothing was said to have changed", n)
	}
	srv.Notify(tree.Change{Node: root.Ino(), Content: true})
	waitFor(t, func() bool { return slices.Equal(list(t, dir), []string{"a", "b"}) })
	if _, err := os.Stat(dir + "/b"); err != nil {
		t.Error(err)
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// changing is a folder that says it is final, and is not.
type changing struct {
	now   atomic.Pointer[[]tree.Entry]
	lists atomic.Int64
}

func (c *changing) set(names ...string) {
	var entries []tree.Entry
	for _, name := range names {
		entries = append(entries, tree.Entry{Name: name, Node: tree.Bytes(tree.Ino("changing", name), when, nil)})
	}
	c.now.Store(&entries)
}

func (c *changing) Ino() uint64 { return tree.Ino("changing") }
func (c *changing) Peek() (tree.Info, bool) {
	return tree.Info{Mode: tree.DirMode, ModTime: when, Valid: tree.Final}, true
}
func (c *changing) Info(context.Context) (tree.Info, error) {
	info, _ := c.Peek()
	return info, nil
}
func (c *changing) List(context.Context) ([]tree.Entry, error) {
	c.lists.Add(1)
	return slices.Clone(*c.now.Load()), nil
}
func (c *changing) Lookup(_ context.Context, name string) (tree.Node, error) {
	return tree.Find(*c.now.Load(), name)
}

// waitFor waits until something holds that nobody tells us of.
func waitFor(t testing.TB, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(hangLimit)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("still not so")
		}
	}
}

func TestMountedPassthrough(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	f := newLocal(t, "f", content, false)
	root := tree.Folder(tree.Ino("root"), when, tree.Entry{Name: "f", Node: f})
	dir, srv := mountHere(t, root, Options{})
	check := func() {
		t.Helper()
		if got, err := os.ReadFile(dir + "/f"); err != nil || !bytes.Equal(got, content) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
	}
	// Every order of becoming local and of opening.
	check()
	open, err := os.Open(dir + "/f")
	if err != nil {
		t.Fatal(err)
	}
	f.ready.Store(true)
	check() // beside a cached one; from the local file, through us
	open.Close()
	srv.settle(t)
	check()
	open, _ = os.Open(dir + "/f")
	f.ready.Store(false)
	check()
	if st, err := open.Stat(); err != nil || st.Size() != int64(len(content)) {
		t.Errorf("size %d, %v", st.Size(), err)
	}
	open.Close()
	srv.settle(t)
	check()
	if os.Geteuid() == 0 {
		if !srv.Stats().Passthrough {
			t.Error("no passthrough as root")
		}
	} else if srv.Stats().Passthrough {
		t.Error("passthrough as an ordinary user")
	}
}

// settle waits until the kernel has released everything.
func (s *Server) settle(t testing.TB) {
	t.Helper()
	waitFor(t, func() bool { return s.Stats().Handles == 0 })
}

func TestMountedMmapOfDirect(t *testing.T) {
	s := newSample(nil)
	s.grows.add("live")
	dir, _ := mountHere(t, s.list, Options{})
	f, err := os.Open(dir + "/live.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := syscall.Mmap(int(f.Fd()), 0, 4, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatalf("mmap of a file read directly: %v", err)
	}
	syscall.Munmap(p)
}

func TestMountedPush(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	h := &counting{announcing: announcer(tree.Memory(content))}
	f := &opens{brief{tree.Bytes(tree.Ino("f"), when, nil), tree.Info{Mode: 0o444, Size: int64(len(content)), Valid: tree.Final}}, h}
	dir, srv := mountHere(t, tree.Folder(tree.Ino("root"), when, tree.Entry{Name: "f", Node: f}), Options{})
	open, err := os.Open(dir + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	(<-h.receiver)(0, content)
	got, err := io.ReadAll(open)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if n := h.reads.Load(); n != 0 {
		t.Errorf("%d reads came through, want none: all was pushed", n)
	}
	if got := srv.Stats().Pushed; got != int64(len(content)) {
		t.Errorf("pushed %d bytes, want %d", got, len(content))
	}
}

func TestMountedPrune(t *testing.T) {
	dir, srv := mountHere(t, wide(5000), Options{})
	var before int
	waitFor(t, func() bool { // somebody may have the kernel drop its caches meanwhile
		exec.Command("ls", "-l", dir).Run()
		before = srv.Stats().Nodes
		return before >= 4000
	})
	var ids []uint64
	for i := range shards {
		ids = append(ids, srv.b.nodes.idle(i, 1000)...)
	}
	if status := srv.b.kernel.PruneNotify(ids); status == 38 {
		t.Skip("this kernel does not prune")
	} else if status != 0 {
		t.Fatalf("prune = %v", status)
	}
	waitFor(t, func() bool { return srv.Stats().Nodes < before/10 })
	if got, err := os.ReadFile(dir + "/file-000042"); string(got) != "file-000042" || err != nil {
		t.Errorf("read after pruning %q, %v", got, err)
	}
}
