// Package tree describes a folder of things that are not there yet: nodes
// that say what they are when asked, fetch their bytes when read, and, in a
// few places, take what is written to them.
//
// It knows neither FUSE nor Replicate. Package fs builds a tree of these
// nodes, package fs/fuse gives it to the kernel, and FS shows the same tree
// as an io/fs file system for tests and for commands that work without a
// mount. The same suite of tests runs on both.
//
// # Nodes
//
// A node is a small value that can be made again at any time: it holds the
// name of what it shows, never the content. Two nodes with the same Ino are
// the same file. What a node is (Dir, File or Link) never changes during the
// life of its Ino; what it says may, and Info.Valid tells for how long an
// answer may be believed.
//
// # Cost
//
// Listing a folder costs no request per entry: List returns nodes, Peek tells
// what is known of one without asking anybody, and only Info may go to the
// network. Who lists must not call Info for entries whose Peek says no.
//
// # Writing
//
// Almost everything is read-only. A file that can be written implements
// Saver; what was written takes effect at Commit and not before. Folders in
// which names can be made, removed or renamed implement Creator, Maker,
// Linker, Remover and Renamer. All others refuse, with ErrReadOnly.
//
// All methods may be called from several goroutines at once.
package tree

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	iofs "io/fs"
	"os"
	"time"
)

// Kinds of error that io/fs has no word for. Together with iofs.ErrNotExist,
// ErrExist, ErrPermission and ErrInvalid they are everything that a node
// says on purpose; any other error is a fault of the machine or the network.
var (
	ErrReadOnly = errors.New("read-only")
	ErrBusy     = errors.New("busy, try again later")
	ErrQuota    = errors.New("no credit or quota left")
	ErrTooLarge = errors.New("too large")
	ErrNotEmpty = errors.New("folder is not empty")
	ErrIsDir    = errors.New("is a folder")
	ErrNotDir   = errors.New("not a folder")
	ErrGone     = errors.New("gone from the server and not kept here")
)

// Unknown is the size of a stream whose length nobody knows.
const Unknown = -1

// Final is the Valid of what cannot change any more.
const Final = time.Hour

// Info is what stat tells.
type Info struct {
	Mode    iofs.FileMode // type and permissions
	Size    int64         // bytes, exact before the first is read; or Unknown
	ModTime time.Time     // also the change time: it must not move when nothing changed
	Valid   time.Duration // for how long this may be believed; 0: ask every time
	Live    bool          // the bytes may differ at the next opening, so no one may keep them
}

// A Node is anything in the tree; it also is a Dir, a File or a Link.
type Node interface {
	// Ino is a number above 1 and below 1<<63 that depends only on what the
	// node is: the same after every mount and on every machine (see Ino).
	Ino() uint64

	// Peek is Info where it costs nothing. False says: ask Info.
	Peek() (Info, bool)

	// Info may ask the network.
	Info(ctx context.Context) (Info, error)
}

// A Dir is a folder.
type Dir interface {
	Node

	// Lookup returns the node of that name, which List need not show, or an
	// error that is iofs.ErrNotExist.
	Lookup(ctx context.Context, name string) (Node, error)

	// List returns the entries sorted by name. The caller owns the slice.
	List(ctx context.Context) ([]Entry, error)
}

// An Entry is one name in a folder.
type Entry struct {
	Name string
	Node Node
}

// A File has bytes.
type File interface {
	Node
	Open(ctx context.Context) (Handle, error)
}

// A Link points to another place, by a path relative to its folder.
type Link interface {
	Node
	Target(ctx context.Context) (string, error)
}

// A Handle is one opening of a file for reading.
type Handle interface {
	// ReadAt follows io.ReaderAt: fewer bytes than asked for come with an
	// error, which is io.EOF at the end. Calls may come at once and out of
	// order.
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
	Close() error
}

// A Lender is a Handle that can lend its memory instead of copying it.
type Lender interface {
	// ReadVec returns up to n bytes at off in pieces that stay as they are
	// for as long as somebody holds them. At the end it returns less, and
	// no error.
	ReadVec(ctx context.Context, off int64, n int) ([][]byte, error)
}

// A Backed handle may have its whole content in a local file, which the
// kernel can then read by itself. The file stays open until Close.
type Backed interface {
	File() (*os.File, bool)
}

// A Prover is a Handle of a file that cannot change, but may have been read
// wrong: bytes are given before the last one of the file is there, and only
// then is it known whether they were right. Where Proven is false, nobody
// may keep for this opening what others have read before.
type Prover interface {
	Proven() bool
}

// An Announcer tells of bytes that arrived ahead of its reader, so that the
// kernel can be given them before it asks.
type Announcer interface {
	// Announce sets the receiver, called from one goroutine at a time with
	// page-aligned pieces; the piece at the end of the file ends with it.
	// The receiver must not keep b and may be slow: pieces are then left out.
	Announce(receive func(off int64, b []byte))
}

// A Recaller may want back bytes that its reader was given.
type Recaller interface {
	// Recall sets how to get them: give fills b with those at off as far as it
	// can, and returns how many. They may be wrong. It is called after Close too.
	Recall(give func(off int64, b []byte) int)
}

// A Saver is a File that can be written.
type Saver interface {
	File
	Save(ctx context.Context) (Draft, error)
}

// A Draft is one opening of a file for writing. What is written is nobody
// else's until Commit.
type Draft interface {
	Handle // reads what was written so far
	WriteAt(ctx context.Context, p []byte, off int64) (int, error)
	Truncate(ctx context.Context, size int64) error
	Size() int64

	// Commit says that the content is complete and does what saving means
	// here. It may wait for the outcome as long as ctx allows; an ended ctx
	// ends the waiting, not what was begun. It is called at most once, but
	// see Truncater, and never if nothing was written or a change failed.
	Commit(ctx context.Context) error
}

// A Truncater is a Saver of an ordinary, stored file. Its content can be cut to
// size without an opening, and what is written is there at once, so that more
// may be written after a Commit, which then comes again. Where a Saver is none,
// only the size 0 is accepted, and does nothing.
type Truncater interface {
	Truncate(ctx context.Context, size int64) error
}

// A Toucher is a node whose time of change can be set.
type Toucher interface {
	Touch(ctx context.Context, mod time.Time) error
}

// A Creator is a folder in which files can be made.
type Creator interface {
	// Create makes an empty file. The name may be taken by then, which is
	// iofs.ErrExist, or not allowed here, which is ErrReadOnly.
	Create(ctx context.Context, name string) (Saver, error)
}

// A Maker is a folder in which folders can be made.
type Maker interface {
	Mkdir(ctx context.Context, name string) (Dir, error)
}

// A Linker is a folder in which links can be made.
type Linker interface {
	Link(ctx context.Context, name, target string) (Link, error)
}

// A Remover is a folder from which names can be removed.
type Remover interface {
	// Remove removes a file or link, or, with dir, an empty folder.
	Remove(ctx context.Context, name string, dir bool) error
}

// A Renamer is a folder whose names can be moved. What stands at the new
// name is replaced, which may mean a save, with the waiting of Commit.
type Renamer interface {
	Rename(ctx context.Context, name string, to Dir, newName string) error
}

// An Attributed node has facts that stat has no place for, by name. They may
// be asked for over the network where Info may.
type Attributed interface {
	// Attrs are the names of those that it has, sorted.
	Attrs(ctx context.Context) ([]string, error)

	// Attr is one of them; for a name that it does not have, iofs.ErrNotExist.
	Attr(ctx context.Context, name string) (string, error)
}

// A Change says that a node is no longer as it was last told: its attributes
// and, with Content, its bytes; of a folder, what is in it.
//
// A name may come to be another node only when the time is over for which the
// old one was to be believed, however soon that is told.
type Change struct {
	Node    uint64
	Content bool
}

// Ino is the number of what these words name: 63 bits of a hash, and never
// 0 or 1, which the kernel keeps for itself. Ten million files collide with
// a probability of five in a million.
func Ino(words ...string) uint64 {
	h := sha256.New()
	for _, w := range words {
		var n [4]byte
		binary.LittleEndian.PutUint32(n[:], uint32(len(w)))
		h.Write(n[:])
		h.Write([]byte(w))
	}
	var sum [sha256.Size]byte
	ino := binary.LittleEndian.Uint64(h.Sum(sum[:0])) &^ (1 << 63)
	if ino < 2 {
		ino += 2
	}
	return ino
}

// Type returns the type bits of a node's mode.
func Type(n Node) iofs.FileMode {
	switch n.(type) {
	case Dir:
		return iofs.ModeDir
	case Link:
		return iofs.ModeSymlink
	default:
		return 0
	}
}
