package fuse

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"replicatefs/fs/tree"
)

// notify runs the notifier in a bubble.
func notify(t *testing.T, f func(t *testing.T, b *bound)) {
	synctest.Test(t, func(t *testing.T) {
		b := bind(t, Options{})
		go b.news.run()
		f(t, b)
		b.news.close()
	})
}

func (b *bound) told(want ...string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.kernel.all(); !slices.Equal(got, want) {
		b.t.Errorf("the kernel was told %q, want %q", got, want)
	}
}

func TestNotify(t *testing.T) {
	notify(t, func(t *testing.T, b *bound) {
		run, status := tree.Ino("run"), tree.Ino("status")
		b.lookup("run/status")
		b.news.add(tree.Change{Node: tree.Ino("root"), Content: true})
		b.news.add(tree.Change{Node: run})
		b.news.add(tree.Change{Node: status})
		synctest.Wait()
		b.news.add(tree.Change{Node: status, Content: true})
		synctest.Wait()
		b.news.add(tree.Change{Node: tree.Ino("nobody"), Content: true})
		b.told("inode 1 0 0", fmt.Sprintf("inode %d -1 0", run), fmt.Sprintf("inode %d -1 0", status), fmt.Sprintf("inode %d 0 0", status))
	})
}

func TestNotifyLeavesThePagesOfOpenFiles(t *testing.T) {
	notify(t, func(t *testing.T, b *bound) {
		id := b.lookup("run/status").NodeId
		out := b.open(id, syscall.O_RDONLY)
		b.news.add(tree.Change{Node: id, Content: true})
		synctest.Wait()
		b.release(id, out.Fh)
		b.news.add(tree.Change{Node: id, Content: true})
		b.told(fmt.Sprintf("inode %d -1 0", id), fmt.Sprintf("inode %d 0 0", id))
	})
}

func TestNotifyTellsOnceWhatIsSaidOften(t *testing.T) {
	notify(t, func(t *testing.T, b *bound) {
		id := b.lookup("run").NodeId
		b.kernel.block = make(chan struct{})
		b.news.add(tree.Change{Node: tree.Ino("root")})
		synctest.Wait() // busy with it
		for range 1000 {
			b.news.add(tree.Change{Node: id})
			b.news.add(tree.Change{Node: id, Content: true})
		}
		if waiting, _ := b.news.news(); waiting != 1 {
			t.Errorf("%d changes wait, want 1", waiting)
		}
		close(b.kernel.block)
		b.told("inode 1 -1 0", fmt.Sprintf("inode %d 0 0", id))
	})
}

func TestNotifyNeverBlocksAndForgetsNothingItTook(t *testing.T) {
	notify(t, func(t *testing.T, b *bound) {
		b.kernel.block = make(chan struct{})
		for i := range uint64(backlog + 10) {
			b.nodes.link(tree.Bytes(1000+i, when, nil))
			b.news.add(tree.Change{Node: 1000 + i})
		}
		waiting, dropped := b.news.news()
		if waiting < backlog-1 || dropped < 9 {
			t.Errorf("%d wait, %d were dropped, want %d and about 10", waiting, dropped, backlog)
		}
		if n := strings.Count(b.log.String(), "too many changes"); n != 1 {
			t.Errorf("logged %d times, want once", n)
		}
		close(b.kernel.block)
		synctest.Wait()
		if got := len(b.kernel.all()); got != backlog+10-dropped {
			t.Errorf("the kernel was told %d changes, want %d", got, backlog+10-dropped)
		}
	})
}

func TestPrune(t *testing.T) {
	notify(t, func(t *testing.T, b *bound) {
		out := b.open(b.lookup("run/status").NodeId, syscall.O_RDONLY)
		for i := range uint64(plenty) {
			b.nodes.link(tree.Bytes(1000+i, when, nil))
			b.linked()
		}
		synctest.Wait()
		asked := 0
		for _, s := range b.kernel.all() {
			var n int
			fmt.Sscanf(s, "prune %d", &n)
			asked += n
		}
		if asked < plenty/2-shards || asked > plenty/2+10 {
			t.Errorf("asked to forget %d, want %d", asked, plenty/2)
		}
		if b.pruneAt.Load() <= plenty {
			t.Error("would ask again at once")
		}
		for i := range uint64(plenty) {
			b.Forget(1000+i, 1)
		}
		if got := b.pruneAt.Load(); got != plenty {
			t.Errorf("asks next at %d, want %d", got, plenty)
		}
		b.release(tree.Ino("status"), out.Fh)
	})
}
