package fuse

import (
	"context"
	"fmt"
	"os"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// Features are what the kernel offers a mount of this user.
type Features struct {
	Protocol    string // its version of FUSE, as 7.45
	Passthrough bool   // complete local files are read by the kernel itself (Linux 6.9, root)
	Prune       bool   // it forgets on request what nobody uses (Linux 6.18)
}

// probeLimit is how long the mount of a probe may take to go away again.
const probeLimit = 10 * time.Second

// Probe finds out whether this user can mount, and what the kernel offers, by
// mounting nothing for a moment in a folder of its own.
func Probe(o Options) (f Features, err error) {
	dir, err := os.MkdirTemp("", "replicatefs-probe-")
	if err != nil {
		return f, err
	}
	defer os.Remove(dir)
	s, err := Mount(dir, tree.Folder(tree.Ino("probe"), time.Time{}), o)
	if err != nil {
		return f, err
	}
	in := s.fuse.KernelSettings()
	f = Features{
		Protocol:    fmt.Sprintf("%d.%d", in.Major, in.Minor),
		Passthrough: !s.b.backing.off && os.Geteuid() == 0,
		Prune:       in.SupportsNotify(gofuse.NOTIFY_PRUNE),
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeLimit)
	defer cancel()
	return f, s.Unmount(ctx)
}

// Helper is the program by which ordinary users mount.
func Helper() (string, error) { return helper() }

// OthersAllowed tells whether ordinary users may let other users into their
// mounts.
func OthersAllowed() bool { return othersAllowed("/etc/fuse.conf") }

// Usable says what is wrong with the device, nil if nothing is.
func Usable() error { return usable("/dev/fuse") }
