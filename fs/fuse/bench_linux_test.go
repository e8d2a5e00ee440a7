package fuse

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// leaf is about as small as a node can be.
type leaf struct {
	ino uint64
}

func (l leaf) Ino() uint64 { return l.ino }
func (l leaf) Peek() (tree.Info, bool) {
	return tree.Info{Mode: tree.FileMode, Size: 1, ModTime: when, Valid: tree.Final}, true
}
func (l leaf) Info(context.Context) (tree.Info, error) {
	info, _ := l.Peek()
	return info, nil
}
func (l leaf) Open(context.Context) (tree.Handle, error) { return tree.Memory("x"), nil }

// forest is a folder of as many leaves as one likes.
type forest struct{ tree.Dir }

func (f forest) Lookup(_ context.Context, name string) (tree.Node, error) {
	n, err := strconv.Atoi(name)
	return leaf{tree.Ino("leaf", name) | uint64(n&1)}, err
}

// rss is the memory of this process in bytes.
func rss(tb testing.TB) int64 {
	tb.Helper()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Skip(err)
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// BenchmarkWalkedNode measures what one walked file costs here. Its tree's
// node, 8 bytes, is part of it.
func BenchmarkWalkedNode(b *testing.B) {
	const million = 1_000_000
	for b.Loop() {
		ids := make([]uint64, million)
		fs := newBinding(forest{newSample(nil).list}, Options{})
		fs.attach(&fakeKernel{}, 0)
		for i := range ids {
			ids[i] = 1 // so that its memory is there
		}
		before := rss(b)
		h := header(rootID)
		for i := range ids {
			var out gofuse.EntryOut
			if status := fs.Lookup(nil, &h, strconv.Itoa(i), &out); status != gofuse.OK {
				b.Fatal(status)
			}
			ids[i] = out.NodeId
		}
		full := rss(b)
		for _, id := range ids {
			fs.Forget(id, 1)
		}
		if n := fs.nodes.count.Load(); n != 0 {
			b.Fatalf("%d nodes are left", n)
		}
		b.ReportMetric(float64(full-before)/million, "B/node")
		b.ReportMetric(float64(rss(b)-before)/million, "B/node-after")
		runtime.KeepAlive(fs)
		runtime.KeepAlive(ids)
	}
}

// BenchmarkList is ls -l of 10,000 entries, the first time and again, beside
// the same on the disk.
func BenchmarkList(b *testing.B) {
	const n = 10_000
	needs(b, "ls")
	list := func(b *testing.B, dir string) {
		cmd := exec.Command("ls", "-l", dir)
		cmd.Stdout = nil
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
	disk := b.TempDir()
	for i := range n {
		if err := os.Mkdir(fmt.Sprintf("%s/file-%06d", disk, i), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("disk", func(b *testing.B) {
		for b.Loop() {
			list(b, disk)
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s, dir := mountBench(b, wide(n))
			b.StartTimer()
			list(b, dir)
			b.StopTimer()
			s.Unmount(b.Context())
			b.StartTimer()
		}
	})
	b.Run("again", func(b *testing.B) {
		s, dir := mountBench(b, wide(n))
		defer s.Unmount(b.Context())
		list(b, dir)
		for b.Loop() {
			list(b, dir)
		}
	})
}

func mountBench(b *testing.B, root tree.Dir) (*Server, string) {
	b.Helper()
	canMount(b)
	dir := b.TempDir()
	s, err := Mount(dir, root, Options{})
	if err != nil {
		b.Fatal(err)
	}
	return s, dir
}

// BenchmarkRead is reading 256 MiB in order by all ways, beside a local file.
func BenchmarkRead(b *testing.B) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 16<<20)
	info := tree.Info{Mode: 0o444, Size: int64(len(content)), ModTime: when, Valid: time.Second}
	local := newLocal(b, "local", content, true)
	late := newLocal(b, "late", content, false)
	root := tree.Folder(tree.Ino("root"), when,
		tree.Entry{Name: "lent", Node: &opens{brief{tree.Bytes(tree.Ino("lent"), when, nil), info}, tree.Memory(content)}},
		tree.Entry{Name: "copied", Node: &opens{brief{tree.Bytes(tree.Ino("copied"), when, nil), info}, plain{tree.Memory(content)}}},
		tree.Entry{Name: "passthrough", Node: local},
		tree.Entry{Name: "local", Node: &volatile{late}},
	)
	read := func(b *testing.B, path string) {
		buf := make([]byte, 128<<10)
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
			if n != int64(len(content)) || err != nil {
				b.Fatal(n, err)
			}
			f.Close()
		}
	}
	b.Run("disk", func(b *testing.B) { read(b, local.path) })
	s, dir := mountBench(b, root)
	defer s.Unmount(b.Context())
	for _, name := range []string{"lent", "copied", "passthrough"} {
		b.Run(name, func(b *testing.B) { read(b, filepath.Join(dir, name)) })
	}
	// Held open in the cached way, so that passthrough may not be.
	hold, err := os.Open(filepath.Join(dir, "local"))
	if err != nil {
		b.Fatal(err)
	}
	late.ready.Store(true)
	b.Run("local", func(b *testing.B) { read(b, filepath.Join(dir, "local")) })
	hold.Close()
}

// volatile is a local file that the kernel must not keep, and that becomes
// local only after it was opened first.
type volatile struct{ *localTree }

func (v *volatile) Peek() (tree.Info, bool) {
	info, ok := v.localTree.Peek()
	info.Valid = time.Second
	return info, ok
}

// runs is a folder of n folders of 8 files each, made when they are asked for.
type runs struct {
	tree.Dir
	n int
}

func (r runs) name(i int) string { return fmt.Sprintf("run-%06d", i) }

func (r runs) run(name string) tree.Node { return run{r.Dir, name} }

func (r runs) Lookup(_ context.Context, name string) (tree.Node, error) { return r.run(name), nil }

func (r runs) List(context.Context) ([]tree.Entry, error) {
	entries := make([]tree.Entry, r.n)
	for i := range entries {
		name := r.name(i)
		entries[i] = tree.Entry{Name: name, Node: r.run(name)}
	}
	return entries, nil
}

type run struct {
	tree.Dir
	name string
}

func (r run) Ino() uint64 { return tree.Ino("run", r.name) }

func (r run) List(context.Context) ([]tree.Entry, error) {
	entries := make([]tree.Entry, 8)
	for i := range entries {
		name := "file-" + strconv.Itoa(i)
		entries[i] = tree.Entry{Name: name, Node: leaf{tree.Ino("run", r.name, name)}}
	}
	return entries, nil
}

func (r run) Lookup(_ context.Context, name string) (tree.Node, error) {
	return leaf{tree.Ino("run", r.name, name)}, nil
}

// BenchmarkFind is find -type f over folders of 8 files each.
func BenchmarkFind(b *testing.B) {
	needs(b, "find")
	final := tree.Folder(tree.Ino("root"), when)
	for _, n := range []int{10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, dir := mountBench(b, runs{final, n})
			defer s.Unmount(b.Context())
			before := rss(b)
			most := 0
			stop := make(chan struct{})
			counted := make(chan struct{})
			go func() {
				defer close(counted)
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						most = max(most, s.Stats().Nodes)
					case <-stop:
						return
					}
				}
			}()
			for b.Loop() {
				out, err := exec.Command("find", dir, "-type", "f", "-size", "-2", "-printf", ".").Output()
				if err != nil || len(out) != 8*n {
					b.Fatalf("found %d, %v", len(out), err)
				}
			}
			close(stop)
			<-counted
			b.ReportMetric(float64(most), "nodes-at-most")
			b.ReportMetric(float64(s.Stats().Nodes), "nodes-after")
			b.ReportMetric(float64(rss(b)-before)/(1<<20), "MiB")
		})
	}
}
