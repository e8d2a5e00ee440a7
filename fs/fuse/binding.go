package fuse

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// A binding answers the kernel's requests from a tree. What a request does
// that has no method here is decided in refusals.go.
type binding struct {
	refusals
	o       Options
	log     *slog.Logger
	nodes   *table
	handles handles
	procs   processes
	kernel  kernel
	news    *notifier
	pages   chan struct{} // holds a token for each push under way
	backing backing
	echoes  echoes
	pushed  atomic.Int64 // bytes
	pruneAt atomic.Int64 // nodes
	faults  faults

	quit  chan struct{}  // closed when nothing may wait any longer
	saves sync.WaitGroup // saves that go on without a caller
	mount struct {
		sync.Mutex
		device string // "0:45"; empty while unknown
	}
}

// A kernel is the way to tell the kernel something that it did not ask.
type kernel interface {
	InodeNotify(node uint64, off, length int64) gofuse.Status
	InodeNotifyStoreCache(node uint64, off int64, b []byte) gofuse.Status
	InodeRetrieveCache(node uint64, off int64, b []byte) (int, gofuse.Status)
	PruneNotify(nodes []uint64) gofuse.Status

	// back and unback make a local file known as one that the kernel may
	// read by itself.
	back(fd uintptr) (int32, error)
	unback(id int32)
}

func newBinding(root tree.Dir, o Options) *binding {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Negative == 0 {
		o.Negative = 2 * time.Second
	}
	b := &binding{
		o:      o,
		log:    o.Log,
		nodes:  newTable(root),
		procs:  newProcesses(),
		pages:  make(chan struct{}, pushers),
		quit:   make(chan struct{}),
		faults: faults{log: o.Log},
	}
	b.pruneAt.Store(plenty)
	b.refusals.RawFileSystem = gofuse.NewDefaultRawFileSystem()
	b.news = newNotifier(b)
	return b
}

func (b *binding) String() string { return fsType }

// Init comes before the first request.
func (b *binding) Init(s *gofuse.Server) { b.attach(device{s}, s.KernelSettings().Flags64()) }

func (b *binding) attach(k kernel, offered uint64) {
	b.kernel = k
	b.backing.off = offered&gofuse.CAP_PASSTHROUGH == 0
}

// device returns the number of the mount as /proc writes it.
func (b *binding) device() string {
	b.mount.Lock()
	defer b.mount.Unlock()
	return b.mount.device
}

// fail translates the error of a request, and logs it if nobody meant it.
func (b *binding) fail(op string, s subject, id uint64, name string, err error) gofuse.Status {
	status, meant := errno(err, s)
	if !meant {
		b.faults.report(op, id, name, err)
	}
	return status
}

// broken is what a panic in a handler becomes: one failed request.
func (b *binding) broken(v any) gofuse.Status {
	b.log.Error("panic in a request", "panic", v, "stack", string(debug.Stack()))
	return gofuse.EIO
}

// faults logs what went wrong, once for each thing in a while: a dead network
// fails thousands of reads.
type faults struct {
	log  *slog.Logger
	mu   sync.Mutex
	last map[fault]time.Time
}

type fault struct {
	op   string
	id   uint64
	name string
}

// quiet is how long a fault that was logged is not logged again.
const quiet = time.Minute

func (f *faults) report(op string, id uint64, name string, err error) {
	key := fault{op, id, name}
	now := time.Now()
	f.mu.Lock()
	if len(f.last) > 1000 {
		f.last = nil
	}
	if f.last == nil {
		f.last = make(map[fault]time.Time)
	}
	last, again := f.last[key]
	again = again && now.Sub(last) < quiet
	if !again {
		f.last[key] = now
	}
	f.mu.Unlock()
	if again {
		f.log.Debug("request went wrong again", "op", op, "ino", id, "name", name, "err", err)
		return
	}
	f.log.Error("request went wrong", "op", op, "ino", id, "name", name, "err", err)
}

// dir returns the folder of a number.
func (b *binding) dir(id uint64) (tree.Dir, gofuse.Status) {
	n, ok := b.nodes.node(id)
	if !ok {
		return nil, gofuse.ENOENT
	}
	d, ok := n.(tree.Dir)
	if !ok {
		return nil, gofuse.ENOTDIR
	}
	return d, gofuse.OK
}

// told returns what stat tells of n, from the network only if it must.
func told(ctx context.Context, n tree.Node) (tree.Info, error) {
	if info, ok := n.Peek(); ok {
		return info, nil
	}
	return n.Info(ctx)
}

// errNumber is a node whose number the kernel would not take.
var errNumber = errors.New("node with a number that cannot be")

// sound says whether the kernel can take n. What it would not take breaks a
// whole folder, not only one name.
func sound(n tree.Node) error {
	if n == nil {
		return errNumber
	}
	if ino := n.Ino(); ino < 2 || ino >= aliasBit {
		return fmt.Errorf("%w: %d", errNumber, ino)
	}
	return nil
}

func (b *binding) Lookup(cancel <-chan struct{}, h *gofuse.InHeader, name string, out *gofuse.EntryOut) gofuse.Status {
	dir, status := b.dir(h.NodeId)
	if status != gofuse.OK {
		return status
	}
	ctx := b.request(cancel, h.Pid)
	defer ctx.end()
	n, err := dir.Lookup(ctx, name)
	if err == nil {
		err = b.entry(ctx, dir, n, out)
	}
	if err == nil && b.echo(n, h.Pid, &out.Attr) {
		out.SetAttrTimeout(0) // the kernel may do without asking again
	}
	status = b.fail("lookup", aName, h.NodeId, name, err)
	if status == gofuse.ENOENT && errors.Is(err, iofs.ErrNotExist) {
		// A number of 0 with a time is a name that the kernel may believe to
		// be absent.
		if absent := b.absent(dir); absent > 0 {
			out.SetEntryTimeout(absent)
			return gofuse.OK
		}
	}
	return status
}

// absent is for how long a name that is not in a folder may be believed not to
// be: never longer than what the folder says of itself, so that the output of a
// run is seen as soon as it is there. Where names can be made, each is asked for.
func (b *binding) absent(dir tree.Dir) time.Duration {
	if info, ok := dir.Peek(); ok && !changeable(dir) {
		return min(b.o.Negative, info.Valid)
	}
	return 0
}

// entry fills in the answer that makes n known to the kernel.
func (b *binding) entry(ctx context.Context, dir tree.Dir, n tree.Node, out *gofuse.EntryOut) error {
	if err := sound(n); err != nil {
		return err
	}
	info, err := told(ctx, n)
	if err != nil {
		return err
	}
	b.fill(dir, n, info, out)
	return nil
}

// fill makes n known, with what is told of it.
func (b *binding) fill(dir tree.Dir, n tree.Node, info tree.Info, out *gofuse.EntryOut) {
	out.NodeId = b.nodes.link(n)
	b.linked()
	// A rename leaves the kernel with the old node at the new name, while the
	// tree may have another one there. So names that can change are asked for
	// each time.
	if !changeable(dir) {
		out.SetEntryTimeout(info.Valid)
	}
	out.SetAttrTimeout(b.attr(out.NodeId, n, info, &out.Attr))
}

// changeable says whether names can be made, removed or moved in dir.
func changeable(dir tree.Node) bool {
	switch dir.(type) {
	case tree.Creator, tree.Maker, tree.Linker, tree.Remover, tree.Renamer:
		return true
	}
	return false
}

func (b *binding) Forget(id, n uint64) {
	b.nodes.forget(id, n)
	b.forgot()
}

func (b *binding) Readlink(cancel <-chan struct{}, h *gofuse.InHeader) ([]byte, gofuse.Status) {
	n, ok := b.nodes.node(h.NodeId)
	if !ok {
		return nil, gofuse.ENOENT
	}
	l, ok := n.(tree.Link)
	if !ok {
		return nil, gofuse.EINVAL
	}
	ctx := b.request(cancel, h.Pid)
	defer ctx.end()
	target, err := l.Target(ctx)
	if err != nil {
		return nil, b.fail("readlink", aName, h.NodeId, "", err)
	}
	return []byte(target), gofuse.OK
}

func (b *binding) StatFs(_ <-chan struct{}, _ *gofuse.InHeader, out *gofuse.StatfsOut) gofuse.Status {
	const block = 4096
	var used, free, total uint64
	if b.o.Statfs != nil {
		used, free, total = b.o.Statfs()
	}
	total = max(total, used+free)
	out.Bsize, out.Frsize = block, block
	// df does not show a file system without blocks.
	out.Blocks = max(total/block, 1)
	out.Bfree = min((total-used)/block, out.Blocks)
	out.Bavail = min(free/block, out.Bfree)
	out.Files = uint64(b.nodes.count.Load())
	out.NameLen = 255
	return gofuse.OK
}

// OnUnmount comes after the last request. An open file that the kernel never
// released, because the mount was forced down, is closed here; nobody knows
// whether its writer had finished.
func (b *binding) OnUnmount() {
	for _, h := range b.handles.all() {
		if w, ok := h.(*draft); ok {
			w.abandon(b, "the mount was forced down while it was written")
		}
		h.close(b)
	}
}
