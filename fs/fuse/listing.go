package fuse

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// fresh is how old a listing may be to tell more than names. Who holds a
// folder open and reads on later must not bring back what was told then.
const fresh = 5 * time.Second

// A listing is an open folder. Its entries are those of the first read, so
// that positions stay what they are while names come and go; reading from the
// start again, as rewinddir does, looks anew.
type listing struct {
	id  uint64
	dir tree.Dir

	// The lock is held while the tree lists. That delays nobody: the kernel
	// lets one reader at a time into an open folder.
	mu      sync.Mutex // guards all below
	entries []tree.Entry
	taken   time.Time
}

func (b *binding) OpenDir(_ <-chan struct{}, in *gofuse.OpenIn, out *gofuse.OpenOut) gofuse.Status {
	dir, status := b.dir(in.NodeId)
	if status != gofuse.OK {
		return status
	}
	out.Fh = b.handles.add(&listing{id: in.NodeId, dir: dir})
	// The kernel may keep the names of a folder that cannot change: the
	// second walk over finished predictions then reads no folder at all.
	// Only there, because kernels 6.9 to 6.12 do not drop them when a later
	// opening says so. A Change of the folder drops them on all kernels.
	if info, ok := dir.Peek(); ok && info.Valid == tree.Final && !changeable(dir) {
		out.OpenFlags = gofuse.FOPEN_CACHE_DIR | gofuse.FOPEN_KEEP_CACHE
	}
	return gofuse.OK
}

func (b *binding) ReadDir(cancel <-chan struct{}, in *gofuse.ReadIn, out *gofuse.DirEntryList) gofuse.Status {
	return b.readDir(cancel, in, func(e gofuse.DirEntry, _ tree.Node, _ bool) bool { return out.AddDirEntry(e) })
}

// ReadDirPlus answers with attributes where they are known and worth it.
//
// An entry without attributes has the number 0, and the kernel then makes
// nothing of it but a name. So ls and find send no request for sizes, and a
// walk that never stats leaves nothing behind, here or there.
func (b *binding) ReadDirPlus(cancel <-chan struct{}, in *gofuse.ReadIn, out *gofuse.DirEntryList) gofuse.Status {
	dir, status := b.dir(in.NodeId)
	if status != gofuse.OK {
		return status
	}
	// Where each name is asked for anyway, attributes would be for nothing.
	plain := changeable(dir)
	return b.readDir(cancel, in, func(e gofuse.DirEntry, n tree.Node, fresh bool) bool {
		entry := out.AddDirLookupEntry(e)
		if entry == nil {
			return false // no room, and so not counted
		}
		if n == nil || plain || !fresh {
			return true
		}
		if info, ok := n.Peek(); ok && info.Valid > 0 {
			b.fill(dir, n, info, entry)
		}
		return true
	})
}

// readDir calls add for the entries from where the kernel is, until there is
// no more room. The entry at position i leads to position i+1; the first two
// are the folder itself and its parent.
func (b *binding) readDir(cancel <-chan struct{}, in *gofuse.ReadIn, add func(e gofuse.DirEntry, n tree.Node, fresh bool) bool) gofuse.Status {
	l, ok := b.handles.get(in.Fh).(*listing)
	if !ok {
		return gofuse.EBADF
	}
	ctx := b.request(cancel, in.Pid)
	defer ctx.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.look(ctx, in.Offset); err != nil {
		return b.fail("list", aName, l.id, "", err)
	}
	young := time.Since(l.taken) < fresh
	for pos := in.Offset; ; pos++ {
		e := gofuse.DirEntry{Mode: gofuse.S_IFDIR, Off: pos + 1}
		var n tree.Node
		switch {
		case pos == 0:
			e.Name, e.Ino = ".", b.nodes.ino(l.dir)
		case pos == 1:
			// We do not keep who is whose parent, and the kernel knows.
			e.Name, e.Ino = "..", gofuse.FUSE_UNKNOWN_INO
		case pos-2 < uint64(len(l.entries)):
			entry := l.entries[pos-2]
			if !b.listed(l.id, entry) {
				continue
			}
			n = entry.Node
			e.Name, e.Ino, e.Mode = entry.Name, b.nodes.ino(n), fileType(n)
		default:
			return gofuse.OK
		}
		if !add(e, n, young) {
			return gofuse.OK
		}
	}
}

// look makes the snapshot, at the first reading and whenever reading starts
// over.
func (l *listing) look(ctx context.Context, offset uint64) error {
	if offset > 0 && !l.taken.IsZero() {
		return nil
	}
	entries, err := l.dir.List(ctx)
	if err != nil {
		return err
	}
	l.entries, l.taken = entries, time.Now()
	return nil
}

// listed says whether an entry can be shown. One that the kernel refuses
// would make the whole folder unreadable, so it is left out.
func (b *binding) listed(dir uint64, e tree.Entry) bool {
	err := sound(e.Node)
	if e.Name == "" || e.Name == "." || e.Name == ".." || len(e.Name) > 255 || strings.ContainsAny(e.Name, "/\x00") {
		err = errName
	}
	if err != nil {
		b.faults.report("list", dir, e.Name, err)
	}
	return err == nil
}

// errName is a name that the kernel would not take.
var errName = errors.New("name that cannot be")

func (b *binding) ReleaseDir(in *gofuse.ReleaseIn) {
	b.handles.release(in.Fh, b)
}

func (l *listing) close(*binding) {}
