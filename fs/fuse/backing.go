package fuse

import (
	"sync/atomic"
)

// backing lets the kernel read complete local files by itself, at the speed
// of the disk (FUSE passthrough). Only root may, and only from Linux 6.9 on;
// the first refusal ends it for the whole mount, and reads come to us.
type backing struct {
	off    bool // the kernel cannot
	failed atomic.Bool
	worked atomic.Bool
}

// use decides whether an opening can be a passthrough one. All openings of an
// inode at a time share one backing file. The lock of o is held.
func (k *backing) use(b *binding, o *opened, r *reader) bool {
	if o.pass > 0 {
		return true // must: a cached opening beside it would fail
	}
	l := r.local.Load()
	if l == nil || o.cached > 0 || k.off || k.failed.Load() {
		return false
	}
	id, err := b.kernel.back(l.fd)
	if err != nil {
		if !k.failed.Swap(true) {
			b.log.Info("local files are read through this program, the kernel does not read them itself", "err", err)
		}
		return false
	}
	if !k.worked.Swap(true) {
		b.log.Info("the kernel reads local files itself")
	}
	o.backing = id
	return true
}

// drop lets go of the backing file after the last passthrough opening. The
// lock of o is held.
func (k *backing) drop(b *binding, o *opened) {
	if o.pass == 0 {
		b.kernel.unback(o.backing)
		o.backing = 0
	}
}
