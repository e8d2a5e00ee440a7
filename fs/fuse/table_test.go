package fuse

import (
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// TestTableUnderLoad has the kernel's side of the bargain: it forgets exactly
// what it was told, at any time, and in between must always find the node.
func TestTableUnderLoad(t *testing.T) {
	root := tree.Folder(tree.Ino("root"), when)
	table := newTable(root)
	nodes := make([]tree.Node, 200)
	for i := range nodes {
		nodes[i] = tree.Bytes(uint64(1000+i), when, nil)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			held := map[uint64]uint64{}
			for range 20_000 {
				n := nodes[random.IntN(len(nodes))]
				if id := n.Ino(); held[id] > 0 && random.IntN(2) == 0 {
					some := 1 + random.Uint64N(held[id])
					table.forget(id, some)
					held[id] -= some
				} else {
					held[table.link(n)]++
				}
				for id, n := range held {
					if n > 0 {
						if _, ok := table.node(id); !ok {
							t.Errorf("node %d is gone while it is held", id)
							return
						}
						break
					}
				}
			}
			for id, n := range held {
				if n > 0 {
					table.forget(id, n)
				}
			}
		})
	}
	wg.Wait()
	if n := table.count.Load(); n != 0 {
		t.Errorf("%d nodes are left", n)
	}
	for i := range table.shards {
		if n := len(table.shards[i].nodes); n != 0 {
			t.Errorf("shard %d has %d nodes left", i, n)
		}
	}
}

func TestTableKeepsTheNewestNode(t *testing.T) {
	table := newTable(tree.Folder(tree.Ino("root"), when))
	table.link(tree.Bytes(5, when, []byte("old")))
	table.link(tree.Bytes(5, when, []byte("newer")))
	n, _ := table.node(5)
	if info, _ := n.Peek(); info.Size != 5 {
		t.Errorf("size %d, want that of the newer node", info.Size)
	}
}

func TestTableShrinks(t *testing.T) {
	table := newTable(tree.Folder(tree.Ino("root"), when))
	const n = 64 * 4096
	for i := range uint64(n) {
		table.link(tree.Bytes(2+i, when, nil))
	}
	for i := range uint64(n) {
		table.forget(2+i, 1)
	}
	for i := range table.shards {
		if peak := table.shards[i].peak; peak > 1024 {
			t.Errorf("shard %d still has room for %d", i, peak)
		}
	}
}

func TestForgetOfTheUnknown(t *testing.T) {
	b := bind(t, Options{})
	b.Forget(rootID, 1)
	b.Forget(99, 1)
	if _, status := b.stat(rootID); status != gofuse.OK {
		t.Errorf("stat of the root = %v", status)
	}
}

func TestNewFileIsNotTheOpenOldOne(t *testing.T) {
	b := bind(t, Options{})
	desk := b.lookup("desk").NodeId
	var made gofuse.CreateOut
	create := &gofuse.CreateIn{InHeader: header(desk), Flags: syscall.O_RDWR | syscall.O_CREAT}
	if status := b.Create(nil, create, "f", &made); status != gofuse.OK {
		t.Fatal(status)
	}
	b.write(made.NodeId, made.Fh, 0, 0, "old")
	h := header(desk)
	if status := b.Unlink(nil, &h, "f"); status != gofuse.OK {
		t.Fatal(status)
	}
	if out, _ := b.stat(made.NodeId); out.Nlink != 0 || out.Size != 3 {
		t.Errorf("stat of the removed file: %d links, size %d, want 0 and 3", out.Nlink, out.Size)
	}
	var anew gofuse.CreateOut
	if status := b.Create(nil, create, "f", &anew); status != gofuse.OK {
		t.Fatal(status)
	}
	if anew.NodeId == made.NodeId || anew.Ino != made.Ino {
		t.Errorf("new file has number %d, ino %d; want another number than %d and the same ino %d", anew.NodeId, anew.Ino, made.NodeId, made.Ino)
	}
	b.write(anew.NodeId, anew.Fh, 0, 0, "newer")
	if got, status := b.read(made.NodeId, made.Fh, 0, 10); got != "old" {
		t.Errorf("old handle reads %q, %v, want old", got, status)
	}
	if got, status := b.read(anew.NodeId, anew.Fh, 0, 10); got != "newer" {
		t.Errorf("new handle reads %q, %v, want newer", got, status)
	}
	if again := b.lookup("desk/f"); again.NodeId != anew.NodeId {
		t.Errorf("lookup gives number %d, want that of the new file, %d", again.NodeId, anew.NodeId)
	}
	b.release(made.NodeId, made.Fh)
	b.release(anew.NodeId, anew.Fh)
	b.saves.Wait()
	b.Forget(made.NodeId, 1)
	b.Forget(anew.NodeId, 2)
	if again := b.lookup("desk/f"); again.NodeId != again.Ino {
		t.Errorf("lookup gives number %d after all was forgotten, want the ino %d", again.NodeId, again.Ino)
	}
}
