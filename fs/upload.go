package fs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"replicatefs/api"
	"replicatefs/fs/tree"
)

// uploads is files/: what was uploaded to Replicate, for a day, to be given to
// models as input. Nobody can read it back over the API, so a copy of what is
// uploaded here stays here for as long.
//
// A file under way (see parcel.go) has its name at once and is uploaded when
// it is closed. What is written over an uploaded file takes its place once it
// is uploaded itself; if that fails, the one before stays.
type uploads struct {
	fs  *FS
	dir string // of copies and of what is being written

	writing sync.Mutex // held while the list is written down: the newest comes last

	mu      sync.Mutex          // guards what follows
	known   []upload            // in order of appearance
	last    time.Time           // when the list was asked for
	deleted map[string]struct{} // ids; the list may still have them for a moment
	parcels map[string]*parcel  // under way, by name
	failed  string              // why the last upload failed
	failure time.Time
}

// An upload is a file at Replicate.
type upload struct {
	ID, Name         string // Name is that in the folder
	Size             int64
	Type, ETag, URL  string
	Created, Expires time.Time
	Ours             bool // uploaded here, and a copy is kept
}

const (
	uploadsKey = "files"
	settling   = 2 * time.Minute // in which a list may not yet tell what was done
	leftover   = 25 * time.Hour  // after which nobody uses what is still in dir
	maxParcels = 64              // under way at once
)

// newUploads goes on with what the last mount knew.
func newUploads(f *FS, dir string) *uploads {
	u := &uploads{fs: f, dir: dir, deleted: map[string]struct{}{}, parcels: map[string]*parcel{}}
	if raw, _, err := f.catalog.Doc(f.life, uploadsKey); err == nil && json.Unmarshal(raw, &u.known) != nil {
		u.known = nil
	}
	old, _ := os.ReadDir(dir) // not there before the first upload
	for _, e := range old {
		if info, err := e.Info(); err == nil && f.now().Sub(info.ModTime()) > leftover {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return u
}

// copyOf is where our copy of an upload is. An id may have any characters.
func (u *uploads) copyOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(u.dir, "copy-"+hex.EncodeToString(sum[:16]))
}

func (u *uploads) Ino() uint64 { return tree.Ino("folder", "files") }

func (u *uploads) Peek() (tree.Info, bool) {
	at := u.fs.since
	for _, one := range u.current() {
		at = later(at, one.Created.Truncate(time.Second))
	}
	info := folderInfo(at)
	if !u.fs.o.ReadOnly {
		info.Mode |= 0o200
	}
	return info, true
}

func (u *uploads) Info(context.Context) (tree.Info, error) {
	info, _ := u.Peek()
	return info, nil
}

// current are the uploads that have not expired.
func (u *uploads) current() []upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(u.known), func(one upload) bool { return u.over(one) })
}

func (u *uploads) over(one upload) bool {
	return !one.Expires.IsZero() && !u.fs.now().Before(one.Expires)
}

func (u *uploads) List(ctx context.Context) ([]tree.Entry, error) {
	if err := u.news(ctx); err != nil {
		u.fs.log.Warn("the list of files could not be read; what is known stays", "err", err)
	}
	var entries []tree.Entry
	under := u.underWay()
	for _, one := range u.current() {
		if under[one.Name] == nil {
			entries = append(entries, tree.Entry{Name: one.Name, Node: &uploaded{u, one}})
		}
	}
	for name, p := range under {
		entries = append(entries, tree.Entry{Name: name, Node: p})
	}
	if node := u.complaint(); node != nil {
		entries = append(entries, tree.Entry{Name: complaintName, Node: node})
	}
	tree.Sort(entries)
	return entries, nil
}

func (u *uploads) Lookup(ctx context.Context, name string) (tree.Node, error) {
	if n := u.find(name); n != nil {
		return n, nil
	}
	if provisional(name) || name == complaintName {
		return nil, iofs.ErrNotExist
	}
	if err := u.news(ctx); err != nil {
		u.fs.log.Debug("the list of files could not be read", "err", err)
	}
	if n := u.find(name); n != nil {
		return n, nil
	}
	return nil, iofs.ErrNotExist
}

// find looks a name up among those that are known.
func (u *uploads) find(name string) tree.Node {
	if p := u.underWay()[name]; p != nil {
		return p
	}
	if one, ok := u.named(name); ok {
		return &uploaded{u, one}
	}
	if name == complaintName {
		if node := u.complaint(); node != nil {
			return node
		}
	}
	return nil
}

func (u *uploads) named(name string) (upload, bool) {
	for _, one := range u.current() {
		if one.Name == name {
			return one, true
		}
	}
	return upload{}, false
}

// complaintName is the file that says why the last upload failed.
const complaintName = "error.txt"

func (u *uploads) complaint() tree.Node {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failed == "" {
		return nil
	}
	said, at := line(u.failed), u.failure.Truncate(time.Second)
	return tree.Bytes(tree.Ino("files", complaintName, u.failed, at.String()), at, said)
}

// complain notes how an upload ended, for error.txt.
func (u *uploads) complain(sentence string) {
	u.mu.Lock()
	u.failed, u.failure = sentence, u.fs.now()
	u.mu.Unlock()
	u.fs.notify(tree.Change{Node: u.Ino(), Content: true})
}

// news asks for the list, at most once in Options.Poll.
func (u *uploads) news(ctx context.Context) error {
	_, err := u.fs.asking.ask(ctx, uploadsKey, listLimit, func(ctx context.Context) (any, error) {
		u.mu.Lock()
		due := u.fs.away() == nil && (u.last.IsZero() || u.fs.now().Sub(u.last) >= u.fs.o.Poll)
		if due {
			u.last = u.fs.now()
		}
		u.mu.Unlock()
		if !due {
			return nil, nil
		}
		var told []*api.File
		for file, err := range u.fs.api.Files(ctx) {
			if err != nil {
				return nil, translate(err)
			}
			told = append(told, file)
		}
		u.mu.Lock()
		u.mergeLocked(told)
		u.mu.Unlock()
		return nil, u.keep(ctx)
	})
	return err
}

// mergeLocked takes in the whole list. A name once given stays; others get
// theirs in order of age.
func (u *uploads) mergeLocked(told []*api.File) {
	listed := map[string]bool{}
	for _, file := range told {
		listed[file.ID] = true
	}
	now := u.fs.now()
	u.known = slices.DeleteFunc(u.known, func(one upload) bool {
		gone := u.over(one) || !listed[one.ID] && now.Sub(one.Created) > settling
		if gone && one.Ours {
			os.Remove(u.copyOf(one.ID))
		}
		return gone
	})
	for id := range u.deleted {
		if !listed[id] {
			delete(u.deleted, id)
		}
	}
	slices.SortStableFunc(told, func(a, b *api.File) int { return a.Created.Compare(b.Created) })
	for _, file := range told {
		_, gone := u.deleted[file.ID]
		if gone || slices.ContainsFunc(u.known, func(one upload) bool { return one.ID == file.ID }) {
			continue
		}
		u.addLocked(file, file.Name, false)
	}
}

// addLocked adds an upload under a name that is free. A list may have told of
// it before the answer to its upload was here.
func (u *uploads) addLocked(file *api.File, name string, ours bool) {
	u.known = slices.DeleteFunc(u.known, func(one upload) bool { return one.ID == file.ID })
	taken := names{complaintName: 1}
	for _, one := range u.known {
		taken[one.Name] = 1
	}
	if name == "" {
		name = file.ID
	}
	u.known = append(u.known, upload{
		ID: file.ID, Name: taken.take(name), Size: max(file.Size, 0), Type: file.Type, ETag: file.ETag, URL: file.URL,
		Created: file.Created, Expires: file.Expires, Ours: ours,
	})
}

// keep writes the list down for the next mount.
func (u *uploads) keep(ctx context.Context) error {
	u.writing.Lock()
	defer u.writing.Unlock()
	u.mu.Lock()
	raw, err := json.Marshal(u.known)
	u.mu.Unlock()
	if err == nil {
		_, err = u.fs.catalog.PutDoc(context.WithoutCancel(ctx), uploadsKey, raw)
	}
	return err
}

// delete deletes an upload at Replicate. One that is gone there is no error.
func (u *uploads) delete(ctx context.Context, one upload) error {
	if err := u.fs.api.DeleteFile(ctx, one.ID); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return translate(err)
	}
	u.mu.Lock()
	u.deleted[one.ID] = struct{}{}
	u.known = slices.DeleteFunc(u.known, func(o upload) bool { return o.ID == one.ID })
	u.mu.Unlock()
	if one.Ours {
		os.Remove(u.copyOf(one.ID))
	}
	return u.keep(ctx)
}

// Remove deletes a file at Replicate, or drops what is under way.
func (u *uploads) Remove(ctx context.Context, name string, dir bool) error {
	switch {
	case u.fs.o.ReadOnly:
		return tree.ErrReadOnly
	case dir:
		return tree.ErrNotDir
	}
	if p := u.underWay()[name]; p != nil {
		u.drop(p)
		return nil
	}
	if one, ok := u.named(name); ok {
		return u.delete(ctx, one)
	}
	return tree.ErrReadOnly
}

// Rename uploads a temporary file under its real name, as programs mean it
// that write beside and then move. Replicate's files cannot be renamed.
func (u *uploads) Rename(ctx context.Context, name string, to tree.Dir, newName string) error {
	p := u.underWay()[name]
	if to != tree.Dir(u) || u.fs.o.ReadOnly || p == nil || !p.temporary {
		return tree.ErrReadOnly
	}
	if err := u.allowed(newName); err != nil {
		return err
	}
	if provisional(newName) {
		u.mu.Lock()
		defer u.mu.Unlock()
		if old := u.parcels[newName]; old != nil && old != p && old.open == 0 {
			old.spool.close()
		}
		delete(u.parcels, name)
		u.parcels[newName] = p
		p.name = newName
		return nil
	}
	if err := u.send(ctx, newName, p.spool); err != nil {
		return err
	}
	u.drop(p)
	return nil
}

// allowed tells whether a file may have this name.
func (u *uploads) allowed(name string) error {
	switch {
	case name == complaintName:
		return tree.ErrReadOnly
	case safe(name) != name:
		return iofs.ErrInvalid
	}
	return nil
}

// provisional tells whether programs use such a name for a moment, until they
// move the file to its own. Such a file is not uploaded.
func provisional(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".tmp") ||
		strings.HasSuffix(name, ".part") || name == "4913" || strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

// An uploaded file can be written anew, and read if its copy is here.
type uploaded struct {
	u *uploads
	upload
}

func (n *uploaded) Ino() uint64 { return tree.Ino("file", n.ID) }

func (n *uploaded) Peek() (tree.Info, bool) {
	var mode iofs.FileMode
	if n.Ours {
		mode = tree.FileMode
	}
	if !n.u.fs.o.ReadOnly {
		mode |= 0o200
	}
	return tree.Info{Mode: mode, Size: n.Size, ModTime: n.Created.Truncate(time.Second), Valid: time.Second}, true
}

func (n *uploaded) Info(context.Context) (tree.Info, error) {
	info, _ := n.Peek()
	return info, nil
}

func (n *uploaded) Open(context.Context) (tree.Handle, error) {
	if !n.Ours {
		return nil, iofs.ErrPermission
	}
	f, err := os.Open(n.u.copyOf(n.ID))
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, iofs.ErrPermission // somebody has cleaned up
	}
	if err != nil {
		return nil, err
	}
	return onDisk{f}, nil
}

func (n *uploaded) Save(context.Context) (tree.Draft, error) {
	if n.u.fs.o.ReadOnly {
		return nil, tree.ErrReadOnly
	}
	return n.u.begin(n.Name, &n.upload), nil
}
