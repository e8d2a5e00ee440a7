package tree

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"path"
	"strings"
	"sync"
	"time"
)

// maxLinks is how many links one path may lead through, as in the kernel.
const maxLinks = 40

// Errors of paths that only a link can make.
var (
	errLoop    = errors.New("too many links")
	errOutside = errors.New("link leads out of the tree")
)

// FS shows the tree as an io/fs file system, which also is a ReadDirFS,
// StatFS, ReadFileFS and ReadLinkFS. Its files are io.Seeker and io.ReaderAt
// as well. Opening follows links inside the tree; a link that leads out of it
// is an error. A size that is Unknown shows as 0, and FileInfo.Sys returns the
// Info that says so.
//
// All that is asked of the tree, for as long as the file system is used, is
// asked with ctx.
func FS(ctx context.Context, root Dir) iofs.FS { return &view{ctx, root} }

type view struct {
	ctx  context.Context // io/fs has no other place for it
	root Dir
}

var (
	_ iofs.ReadDirFS  = (*view)(nil)
	_ iofs.StatFS     = (*view)(nil)
	_ iofs.ReadFileFS = (*view)(nil)
	_ iofs.ReadLinkFS = (*view)(nil)
)

// find returns the node of a path. Where follow is false, a link at its end
// is not followed.
func (v *view) find(op, name string, follow bool) (Node, error) {
	if !iofs.ValidPath(name) {
		return nil, &iofs.PathError{Op: op, Path: name, Err: iofs.ErrInvalid}
	}
	n, err := walk(v.ctx, v.root, name, follow)
	if err != nil {
		return nil, &iofs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

// Resolve returns the node that a path leads to from root, through links too.
// The path is relative, with slashes, and does not lead out of the tree.
func Resolve(ctx context.Context, root Dir, name string) (Node, error) {
	return walk(ctx, root, name, true)
}

func walk(ctx context.Context, root Dir, name string, follow bool) (Node, error) {
	way := []Node{root} // from the root to where we are
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		word := rest[0]
		rest = rest[1:]
		dir, ok := way[len(way)-1].(Dir)
		if !ok {
			return nil, ErrNotDir
		}
		switch word {
		case "", ".":
			continue
		case "..":
			if len(way) == 1 {
				return nil, errOutside
			}
			way = way[:len(way)-1]
			continue
		}
		n, err := dir.Lookup(ctx, word)
		if err != nil {
			return nil, err
		}
		link, ok := n.(Link)
		if !ok || len(rest) == 0 && !follow {
			way = append(way, n)
			continue
		}
		if links++; links > maxLinks {
			return nil, errLoop
		}
		target, err := link.Target(ctx)
		if err != nil {
			return nil, err
		}
		if path.IsAbs(target) {
			return nil, errOutside
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return way[len(way)-1], nil
}

func (v *view) Open(name string) (iofs.File, error) {
	n, err := v.find("open", name, true)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (iofs.File, error) {
		return nil, &iofs.PathError{Op: "open", Path: name, Err: err}
	}
	switch n := n.(type) {
	case Dir:
		return &openDir{view: v, name: name, dir: n}, nil
	case File:
		h, err := n.Open(v.ctx)
		if err != nil {
			return fail(err)
		}
		return &openFile{view: v, name: name, node: n, h: h}, nil
	}
	return fail(iofs.ErrInvalid)
}

func (v *view) Stat(name string) (iofs.FileInfo, error) {
	n, err := v.find("stat", name, true)
	if err != nil {
		return nil, err
	}
	return v.info("stat", name, n)
}

func (v *view) Lstat(name string) (iofs.FileInfo, error) {
	n, err := v.find("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return v.info("lstat", name, n)
}

func (v *view) ReadLink(name string) (string, error) {
	n, err := v.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	link, ok := n.(Link)
	if !ok {
		return "", &iofs.PathError{Op: "readlink", Path: name, Err: iofs.ErrInvalid}
	}
	return link.Target(v.ctx)
}

func (v *view) ReadDir(name string) ([]iofs.DirEntry, error) {
	n, err := v.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	dir, ok := n.(Dir)
	if !ok {
		return nil, &iofs.PathError{Op: "readdir", Path: name, Err: ErrNotDir}
	}
	return v.list(name, dir)
}

func (v *view) list(name string, dir Dir) ([]iofs.DirEntry, error) {
	entries, err := dir.List(v.ctx)
	if err != nil {
		return nil, &iofs.PathError{Op: "readdir", Path: name, Err: err}
	}
	shown := make([]iofs.DirEntry, len(entries))
	for i, e := range entries {
		shown[i] = &dirEntry{v, e}
	}
	return shown, nil
}

func (v *view) ReadFile(name string) ([]byte, error) {
	f, err := v.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// info asks for what stat tells, from the network only if it must.
func (v *view) info(op, name string, n Node) (iofs.FileInfo, error) {
	info, ok := n.Peek()
	if !ok {
		var err error
		if info, err = n.Info(v.ctx); err != nil {
			return nil, &iofs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return &fileInfo{path.Base(name), Type(n), info}, nil
}

type fileInfo struct {
	name string
	kind iofs.FileMode
	info Info
}

func (i *fileInfo) Name() string        { return i.name }
func (i *fileInfo) Size() int64         { return max(i.info.Size, 0) }
func (i *fileInfo) Mode() iofs.FileMode { return i.kind | i.info.Mode.Perm() }
func (i *fileInfo) ModTime() time.Time  { return i.info.ModTime }
func (i *fileInfo) IsDir() bool         { return i.kind.IsDir() }
func (i *fileInfo) Sys() any            { return i.info }
func (i *fileInfo) String() string      { return iofs.FormatFileInfo(i) }

type dirEntry struct {
	view *view
	e    Entry
}

func (d *dirEntry) Name() string        { return d.e.Name }
func (d *dirEntry) Type() iofs.FileMode { return Type(d.e.Node) }
func (d *dirEntry) IsDir() bool         { return d.Type().IsDir() }
func (d *dirEntry) String() string      { return iofs.FormatDirEntry(d) }

func (d *dirEntry) Info() (iofs.FileInfo, error) {
	return d.view.info("stat", d.e.Name, d.e.Node)
}

// An openDir is a folder being listed: what it was at the first ReadDir.
type openDir struct {
	view *view
	name string
	dir  Dir

	mu      sync.Mutex // guards all below
	entries []iofs.DirEntry
	listed  bool
	closed  bool
}

func (d *openDir) Stat() (iofs.FileInfo, error) { return d.view.info("stat", d.name, d.dir) }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &iofs.PathError{Op: "read", Path: d.name, Err: ErrIsDir}
}

func (d *openDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return &iofs.PathError{Op: "close", Path: d.name, Err: iofs.ErrClosed}
	}
	d.closed, d.entries = true, nil
	return nil
}

func (d *openDir) ReadDir(n int) ([]iofs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, &iofs.PathError{Op: "readdir", Path: d.name, Err: iofs.ErrClosed}
	}
	if !d.listed {
		entries, err := d.view.list(d.name, d.dir)
		if err != nil {
			return nil, err
		}
		d.entries, d.listed = entries, true
	}
	if n <= 0 {
		n = len(d.entries)
	} else if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	some := d.entries[:n:n]
	d.entries = d.entries[n:]
	return some, nil
}

// An openFile is a file being read.
type openFile struct {
	view *view
	name string
	node File
	h    Handle

	mu     sync.Mutex // guards all below; not held while reading
	off    int64
	closed bool
}

func (f *openFile) Stat() (iofs.FileInfo, error) { return f.view.info("stat", f.name, f.node) }

// where returns the position of the next read.
func (f *openFile) where(op string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, &iofs.PathError{Op: op, Path: f.name, Err: iofs.ErrClosed}
	}
	return f.off, nil
}

func (f *openFile) Read(p []byte) (int, error) {
	off, err := f.where("read")
	if err != nil || len(p) == 0 {
		return 0, err
	}
	n, err := f.ReadAt(p, off)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = off + int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *openFile) ReadAt(p []byte, off int64) (int, error) {
	if _, err := f.where("read"); err != nil {
		return 0, err
	}
	n, err := f.h.ReadAt(f.view.ctx, p, off)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	if err != nil && err != io.EOF {
		err = &iofs.PathError{Op: "read", Path: f.name, Err: err}
	}
	return n, err
}

func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	off, err := f.where("seek")
	if err != nil {
		return 0, err
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += off
	case io.SeekEnd:
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		offset += info.Size()
		if info.Sys().(Info).Size == Unknown {
			offset = -1 // nobody knows where the end is
		}
	default:
		offset = -1
	}
	if offset < 0 {
		return 0, &iofs.PathError{Op: "seek", Path: f.name, Err: iofs.ErrInvalid}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = offset
	return offset, nil
}

func (f *openFile) Close() error {
	f.mu.Lock()
	closed := f.closed
	f.closed = true
	f.mu.Unlock()
	if closed {
		return &iofs.PathError{Op: "close", Path: f.name, Err: iofs.ErrClosed}
	}
	return f.h.Close()
}
