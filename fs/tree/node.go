package tree

import (
	"context"
	"io"
	iofs "io/fs"
	"slices"
	"strings"
	"time"
)

// base is what every generic node is: a number and what stat tells of it.
type base struct {
	ino  uint64
	info Info
}

func (b base) Ino() uint64                        { return b.ino }
func (b base) Peek() (Info, bool)                 { return b.info, true }
func (b base) Info(context.Context) (Info, error) { return b.info, nil }

// Modes of what nobody can write.
const (
	DirMode  = iofs.ModeDir | 0o555
	FileMode = iofs.FileMode(0o444)
	LinkMode = iofs.ModeSymlink | 0o777
)

// Folder is a Dir with these entries, for good.
func Folder(ino uint64, mod time.Time, entries ...Entry) Dir {
	Sort(entries)
	return &folder{base{ino, Info{Mode: DirMode, ModTime: mod, Valid: Final}}, entries}
}

type folder struct {
	base
	entries []Entry
}

func (d *folder) Lookup(_ context.Context, name string) (Node, error) {
	return Find(d.entries, name)
}

func (d *folder) List(context.Context) ([]Entry, error) { return slices.Clone(d.entries), nil }

// Listing is a Dir made of two functions. Lookup may answer for names that
// List does not show; where it is nil, only what List shows is there.
type Listing struct {
	Number  uint64 // its Ino
	Told    func() Info
	Entries func(context.Context) ([]Entry, error)
	Named   func(ctx context.Context, name string) (Node, error)
}

func (d *Listing) Ino() uint64                        { return d.Number }
func (d *Listing) Peek() (Info, bool)                 { return d.Told(), true }
func (d *Listing) Info(context.Context) (Info, error) { return d.Told(), nil }

func (d *Listing) List(ctx context.Context) ([]Entry, error) {
	entries, err := d.Entries(ctx)
	Sort(entries)
	return entries, err
}

func (d *Listing) Lookup(ctx context.Context, name string) (Node, error) {
	if d.Named != nil {
		return d.Named(ctx, name)
	}
	entries, err := d.List(ctx)
	if err != nil {
		return nil, err
	}
	return Find(entries, name)
}

// Sort sorts entries by name, as List must.
func Sort(entries []Entry) {
	byName := func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(entries, byName) {
		slices.SortFunc(entries, byName)
	}
}

// Find looks for a name in sorted entries.
func Find(entries []Entry, name string) (Node, error) {
	i, ok := slices.BinarySearchFunc(entries, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		return nil, iofs.ErrNotExist
	}
	return entries[i].Node, nil
}

// Bytes is a File that says b, for good.
func Bytes(ino uint64, mod time.Time, b []byte) File {
	return &bytesFile{base{ino, Info{Mode: FileMode, Size: int64(len(b)), ModTime: mod, Valid: Final}}, b}
}

type bytesFile struct {
	base
	b []byte
}

func (f *bytesFile) Open(context.Context) (Handle, error) { return Memory(f.b), nil }

// Text is a Live File rendered anew for every stat and every opening, so that
// its size is exact and one opening sees one version. Render also tells the
// time of the last change.
func Text(ino uint64, render func(context.Context) ([]byte, time.Time, error)) File {
	return &textFile{ino, render}
}

type textFile struct {
	ino    uint64
	render func(context.Context) ([]byte, time.Time, error)
}

func (f *textFile) Ino() uint64        { return f.ino }
func (f *textFile) Peek() (Info, bool) { return Info{}, false }

func (f *textFile) Info(ctx context.Context) (Info, error) {
	b, mod, err := f.render(ctx)
	if err != nil {
		return Info{}, err
	}
	return Info{Mode: FileMode, Size: int64(len(b)), ModTime: mod, Live: true}, nil
}

func (f *textFile) Open(ctx context.Context) (Handle, error) {
	b, _, err := f.render(ctx)
	if err != nil {
		return nil, err
	}
	return Memory(b), nil
}

// Symlink is a Link to target. Its number must come from the target: the
// kernel keeps a link's target for as long as it knows the number.
func Symlink(ino uint64, mod time.Time, target string) Link {
	return &symlink{base{ino, Info{Mode: LinkMode, Size: int64(len(target)), ModTime: mod, Valid: Final}}, target}
}

type symlink struct {
	base
	target string
}

func (l *symlink) Target(context.Context) (string, error) { return l.target, nil }

// Memory is a Handle on bytes that stay as they are.
type Memory []byte

func (m Memory) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, iofs.ErrInvalid
	}
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// ReadVec lends a piece of m.
func (m Memory) ReadVec(_ context.Context, off int64, n int) ([][]byte, error) {
	if off < 0 {
		return nil, iofs.ErrInvalid
	}
	if off >= int64(len(m)) {
		return nil, nil
	}
	return [][]byte{m[off:min(off+int64(n), int64(len(m)))]}, nil
}

func (m Memory) Close() error { return nil }
