// Package fuse shows a tree (package tree) to the kernel as a mounted folder.
// It is the only place that knows go-fuse, error numbers and /proc.
//
// It stands on go-fuse's raw requests and not on its nodes. Our nodes have
// numbers that never change, so the number of a node is the kernel's name for
// it, and a table of some 70 bytes for each walked file takes the place of a tree
// of inodes. Nothing is kept for what the kernel has not been told.
//
// # What the kernel may believe
//
// Each answer says for how long it holds: tree.Info.Valid, for the name and
// for the attributes. Names in folders that can be changed through the mount
// are asked for each time. A listing gives attributes only where they cost
// nothing, so walking sends no request to the network. What changes by itself
// comes through Notify.
//
// Bytes that cannot change stay in the kernel's cache; a complete local file
// is handed to the kernel whole (passthrough); growing files are read from us
// each time.
//
// # Writing
//
// Each opening for writing is a tree.Draft of its own and is saved when the
// program that opened it closes its last descriptor after writing: once, unless
// the file is an ordinary one (tree.Truncater). See draft for how that close is
// told apart from all the others.
//
// # Rules
//
// The kernel never waits for itself: nothing here looks at a path in the
// mount. No lock is held while the tree or the kernel is asked for something
// that may wait. Every request ends, see request.
package fuse

import (
	"errors"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"replicatefs/fs/tree"
)

// Options say how a tree is mounted. The zero value is good for root.
type Options struct {
	FsName     string // the source that df shows; a colon becomes a slash
	AllowOther bool   // let other users in, as far as modes allow
	UID, GID   uint32 // the owner of everything
	Umask      uint32 // permissions that nobody has
	ReadOnly   bool   // refuse everything that writes, with EROFS
	XAttr      bool   // let the kernel ask for extended attributes (tree.Attributed)
	Debug      bool   // log every request

	// Negative is how long a name that is not there is believed not to be,
	// where names cannot be made, if its folder is to be believed for as long.
	// 0 means 2 seconds, below 0 never.
	Negative time.Duration

	// Statfs returns bytes for df. It may be called at any time, often.
	Statfs func() (used, free, total uint64)

	Log *slog.Logger
}

// ErrNoFUSE is in every error that says that this machine or this user cannot
// mount anything.
var ErrNoFUSE = errors.New("FUSE is not available")

// fsType is what df and mount show after "fuse.".
const fsType = "replicatefs"

// Mount mounts root on the folder dir, which must be empty, and serves it
// until it is unmounted. The mountpoint of a program that was killed is taken
// over. Errors say what to do; ErrNoFUSE is among them.
func Mount(dir string, root tree.Dir, o Options) (*Server, error) {
	b := newBinding(root, o)
	dir, err := prepare(dir, o.AllowOther, b.log)
	if err != nil {
		return nil, err
	}
	opts := mountOptions(b)
	server, err := gofuse.NewServer(b, dir, opts)
	if err != nil {
		// go-fuse leaves the mount where the first talk with the kernel fails.
		if m, _ := mountAt(dir); m.kind == "fuse."+fsType {
			detach(dir, true)
		}
		return nil, explain(dir, err)
	}
	s := &Server{b: b, dir: dir, fuse: server, done: make(chan struct{})}
	go s.serve()
	// Go's own polling of files could otherwise take the last thread of a
	// program that uses its own mount, as tests do.
	if err := server.WaitMount(); err != nil {
		b.log.Debug("wait for the mount", "err", err)
	}
	s.found()
	return s, nil
}

// mountOptions are what go-fuse and the kernel are told, each for a reason.
func mountOptions(b *binding) *gofuse.MountOptions {
	o := &b.o
	opts := &gofuse.MountOptions{
		// With a colon, df and others take the mount for a network one and
		// leave it out of df -l.
		FsName:     strings.ReplaceAll(o.FsName, ":", "/"),
		Name:       fsType,
		AllowOther: o.AllowOther,
		Debug:      o.Debug,

		// The kernel checks modes. Else every process could do all that the
		// modes forbid, and each access would be a request more.
		Options: []string{"default_permissions"},

		// Root needs no helper program.
		DirectMount:       true,
		DirectMountStrict: os.Geteuid() == 0,

		// How many reads ahead may be under way; the kernel's 12 is too few
		// to fill a line of some length. From three quarters on it holds back.
		MaxBackground: 64,

		// Large replies cost less; with 1 MiB, a reply and its header would
		// no longer fit the pipe through which local files are sent.
		MaxWrite: 512 << 10,

		// Writes hold their bytes until they are answered.
		MaxInflightRequestBytes: 64 << 20,

		// ls -l asks for three attributes of each file, in vain. Refused
		// once, the kernel never asks again.
		DisableXAttrs:        !o.XAttr,
		IgnoreSecurityLabels: true,

		// A link's number comes from its target, so a target never changes.
		EnableSymlinkCaching: true,

		ExtraCapabilities: 0 |
			// List with attributes only where the last listing was followed
			// by stats.
			gofuse.CAP_READDIRPLUS_AUTO |
			// O_TRUNC comes with the opening that it belongs to, not as a
			// change of size by nobody knows whom.
			gofuse.CAP_ATOMIC_O_TRUNC |
			// Growing files and files that can be written are read from us
			// each time; programs that map them shall not fail.
			gofuse.CAP_DIRECT_IO_ALLOW_MMAP,

		Logger:       log.New(debugLog{b.log}, "", 0),
		PanicHandler: b.broken,
	}
	if o.ReadOnly {
		// Then access(2) tells the truth to root as well.
		opts.Options = append(opts.Options, "ro")
	}
	return opts
}

// debugLog takes the lines that go-fuse prints.
type debugLog struct{ log *slog.Logger }

func (d debugLog) Write(p []byte) (int, error) {
	d.log.Debug("go-fuse", "line", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// Mounted returns the folders on which accounts are mounted, by this program
// or another of ours, whoever did it. It touches none of them.
func Mounted() ([]string, error) {
	all, err := mountPoints()
	var dirs []string
	for _, m := range all {
		if m.kind == "fuse."+fsType {
			dirs = append(dirs, m.dir)
		}
	}
	return dirs, err
}
