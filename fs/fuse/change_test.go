package fuse

import (
	"syscall"
	"testing"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

func TestCreate(t *testing.T) {
	b := bind(t, Options{})
	desk := b.lookup("desk").NodeId
	create := func(dir uint64, name string, flags uint32) (gofuse.CreateOut, gofuse.Status) {
		var out gofuse.CreateOut
		status := b.Create(nil, &gofuse.CreateIn{InHeader: header(dir), Flags: flags}, name, &out)
		return out, status
	}
	out, status := create(desk, "f", syscall.O_WRONLY|syscall.O_CREAT)
	if status != gofuse.OK || out.NodeId == 0 || out.Fh == 0 || out.EntryTimeout() != 0 {
		t.Errorf("create = %v, %+v", status, out)
	}
	if _, status := create(desk, "f", syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL); status != gofuse.Status(syscall.EEXIST) {
		t.Errorf("create with O_EXCL of what is there = %v, want EEXIST", status)
	}
	if again, status := create(desk, "f", syscall.O_WRONLY|syscall.O_CREAT); status != gofuse.OK || again.NodeId != out.NodeId {
		t.Errorf("create of what somebody has just made = %v, number %d, want %d", status, again.NodeId, out.NodeId)
	}
	if _, status := create(desk, "forbidden", syscall.O_WRONLY); status != gofuse.EROFS {
		t.Errorf("create of a name that is refused = %v, want EROFS", status)
	}
	if _, status := create(b.lookup("run").NodeId, "f", syscall.O_WRONLY); status != gofuse.EROFS {
		t.Errorf("create where nothing can be made = %v, want EROFS", status)
	}
	var entry gofuse.EntryOut
	node := &gofuse.MknodIn{InHeader: header(desk), Mode: gofuse.S_IFREG | 0o644}
	if status := b.Mknod(nil, node, "g", &entry); status != gofuse.OK || entry.NodeId == 0 {
		t.Errorf("mknod of a file = %v, %+v", status, entry)
	}
	node.Mode = gofuse.S_IFIFO
	if status := b.Mknod(nil, node, "h", &entry); status != gofuse.EPERM {
		t.Errorf("mknod of a pipe = %v, want EPERM", status)
	}
}

func TestFailedCreateLeavesNothing(t *testing.T) {
	b := bind(t, Options{})
	desk := b.lookup("desk").NodeId
	b.Mkdir(nil, &gofuse.MkdirIn{InHeader: header(desk)}, "d", &gofuse.EntryOut{})
	before := b.nodes.count.Load()
	var out gofuse.CreateOut
	if status := b.Create(nil, &gofuse.CreateIn{InHeader: header(desk), Flags: syscall.O_WRONLY}, "d", &out); status != gofuse.EISDIR {
		t.Errorf("create of a folder's name = %v, want EISDIR", status)
	}
	if after := b.nodes.count.Load(); after != before {
		t.Errorf("%d nodes are left over", after-before)
	}
}

func TestMkdirAndRemove(t *testing.T) {
	b := bind(t, Options{})
	h := header(b.lookup("desk").NodeId)
	var d gofuse.EntryOut
	if status := b.Mkdir(nil, &gofuse.MkdirIn{InHeader: h}, "d", &d); status != gofuse.OK || d.Mode&syscall.S_IFMT != gofuse.S_IFDIR {
		t.Fatalf("mkdir = %v, %+v", status, d)
	}
	b.s.desk.nodes["d"].(*desk).Create(t.Context(), "f")
	inside := header(d.NodeId)
	for _, step := range []struct {
		what      string
		got, want gofuse.Status
	}{
		{"rmdir of a full folder", b.Rmdir(nil, &h, "d"), gofuse.Status(syscall.ENOTEMPTY)},
		{"unlink of a folder", b.Unlink(nil, &h, "d"), gofuse.EISDIR},
		{"rmdir of a file", b.Rmdir(nil, &inside, "f"), gofuse.ENOTDIR},
		{"unlink", b.Unlink(nil, &inside, "f"), gofuse.OK},
		{"unlink again", b.Unlink(nil, &inside, "f"), gofuse.ENOENT},
		{"rmdir", b.Rmdir(nil, &h, "d"), gofuse.OK},
	} {
		if step.got != step.want {
			t.Errorf("%s = %v, want %v", step.what, step.got, step.want)
		}
	}
	if status := b.Unlink(nil, new(gofuse.InHeader{NodeId: b.lookup("run").NodeId}), "status"); status != gofuse.EROFS {
		t.Errorf("unlink where nothing can be = %v, want EROFS", status)
	}
}

func TestRename(t *testing.T) {
	b := bind(t, Options{})
	var saved []string
	b.s.events = func(e event) { saved = append(saved, e.Content) }
	id := b.lookup("desk").NodeId
	f, _ := b.s.desk.Create(t.Context(), "temp")
	f.(*stored).b = []byte("a lion")
	rename := func(from, to uint64, name, newName string, flags uint32) gofuse.Status {
		return b.Rename(nil, &gofuse.RenameIn{InHeader: header(from), Newdir: to, Flags: flags}, name, newName)
	}
	run := b.lookup("run").NodeId
	for _, step := range []struct {
		what      string
		got, want gofuse.Status
	}{
		{"exchange", rename(id, id, "temp", "prompt.txt", 2), gofuse.EINVAL},
		{"no replace", rename(id, id, "temp", "prompt.txt", renameNoReplace), gofuse.Status(syscall.EEXIST)},
		{"into a folder for reading", rename(id, run, "temp", "x", 0), gofuse.EROFS},
		{"out of one", rename(run, id, "status", "x", 0), gofuse.EROFS},
		{"of nothing", rename(id, id, "none", "x", 0), gofuse.ENOENT},
		{"onto the trigger", rename(id, id, "temp", "prompt.txt", 0), gofuse.OK},
	} {
		if step.got != step.want {
			t.Errorf("rename %s = %v, want %v", step.what, step.got, step.want)
		}
	}
	if len(saved) != 1 || saved[0] != "a lion" {
		t.Errorf("saved %q, want the file once", saved)
	}
	// Who saved it sees, for a moment, what it saved; everybody else nothing.
	for pid, want := range map[uint32]uint64{header(id).Pid: uint64(len("a lion")), 1: 0} {
		h, out := header(id), gofuse.EntryOut{}
		h.Pid = pid
		status := b.Lookup(nil, &h, "prompt.txt", &out)
		if status != gofuse.OK || out.Size != want || out.Ino != tree.Ino("trigger", "desk/prompt.txt") {
			t.Errorf("the trigger became %v, %+v, want size %d for process %d", status, out, want, pid)
		}
	}
}

func TestRefusals(t *testing.T) {
	b := bind(t, Options{})
	h := header(b.lookup("desk").NodeId)
	for _, r := range []struct {
		what      string
		got, want gofuse.Status
	}{
		{"link", b.Link(nil, &gofuse.LinkIn{InHeader: h}, "l", &gofuse.EntryOut{}), gofuse.EPERM},
		{"symlink", b.Symlink(nil, &h, "a", "l", &gofuse.EntryOut{}), gofuse.EPERM},
		{"fsync", b.Fsync(nil, &gofuse.FsyncIn{InHeader: h}), gofuse.OK},
		{"ioctl", b.Ioctl(nil, &gofuse.IoctlIn{InHeader: h}, nil, &gofuse.IoctlOut{}, nil), gofuse.Status(syscall.ENOTTY)},
		{"lseek", b.Lseek(nil, &gofuse.LseekIn{InHeader: h}, &gofuse.LseekOut{}), gofuse.ENOSYS},
		{"fallocate", b.Fallocate(nil, &gofuse.FallocateIn{InHeader: h}), gofuse.ENOSYS},
		{"access", b.Access(nil, &gofuse.AccessIn{InHeader: h}), gofuse.ENOSYS},
	} {
		if r.got != r.want {
			t.Errorf("%s = %v, want %v", r.what, r.got, r.want)
		}
	}
	if _, status := b.GetXAttr(nil, &h, "user.x", nil); status != gofuse.ENODATA {
		t.Errorf("getxattr = %v, want ENODATA", status)
	}
}
