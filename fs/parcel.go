package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"maps"
	"mime"
	"net/http"
	"os"
	"path"
	"sync"
	"time"

	"replicatefs/api"
	"replicatefs/fs/tree"
)

// A parcel is a name in files/ that is not at Replicate yet: a file that was
// created and is being written, or one with a temporary name, which is not
// uploaded before it is moved to another.
type parcel struct {
	u         *uploads
	name      string // guarded by u.mu
	ino       uint64
	made      time.Time
	temporary bool
	spool     *spool // of a temporary one: all openings share it
	open      int    // drafts, guarded by u.mu
}

// forgottenAfter is when a parcel goes that nobody has open.
const forgottenAfter = time.Hour

// Create makes a file that will be uploaded once it was written and closed.
func (u *uploads) Create(_ context.Context, name string) (tree.Saver, error) {
	if u.fs.o.ReadOnly {
		return nil, tree.ErrReadOnly
	}
	if err := u.allowed(name); err != nil {
		return nil, err
	}
	if u.find(name) != nil {
		return nil, iofs.ErrExist
	}
	now := u.fs.now()
	p := &parcel{u: u, name: name, ino: tree.Ino("parcel", name, now.String()), made: now, temporary: provisional(name)}
	p.spool = &spool{dir: u.dir}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.parcels) >= maxParcels {
		return nil, tree.ErrQuota
	}
	u.parcels[name] = p
	return p, nil
}

// underWay are the parcels, without those that were left behind.
func (u *uploads) underWay() map[string]*parcel {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.fs.now()
	for name, p := range u.parcels {
		if p.open == 0 && now.Sub(p.made) > forgottenAfter {
			p.spool.close()
			delete(u.parcels, name)
		}
	}
	return maps.Clone(u.parcels)
}

// close gives up what is still on its way.
func (u *uploads) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.parcels {
		p.spool.close()
	}
	clear(u.parcels)
}

// drop forgets a parcel. Who has it open goes on writing into nothing.
func (u *uploads) drop(p *parcel) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.parcels[p.name] == p {
		delete(u.parcels, p.name)
	}
	if p.open == 0 {
		p.spool.close()
	}
}

func (p *parcel) Ino() uint64 { return p.ino }

func (p *parcel) Peek() (tree.Info, bool) {
	return tree.Info{Mode: saveMode, Size: p.spool.Size(), ModTime: p.made.Truncate(time.Second), Live: true}, true
}

func (p *parcel) Info(context.Context) (tree.Info, error) {
	info, _ := p.Peek()
	return info, nil
}

func (p *parcel) Open(context.Context) (tree.Handle, error) { return reread{p.spool}, nil }

func (p *parcel) Save(context.Context) (tree.Draft, error) {
	p.u.mu.Lock()
	defer p.u.mu.Unlock()
	p.open++
	return &sending{u: p.u, name: p.name, parcel: p, spool: p.spool}, nil
}

// begin is an opening for writing of a file that is at Replicate.
func (u *uploads) begin(name string, old *upload) tree.Draft {
	return &sending{u: u, name: name, spool: &spool{dir: u.dir}, old: old}
}

// A sending is one opening for writing. What was written is uploaded when it
// is complete; what could not be written whole is not.
type sending struct {
	u      *uploads
	name   string
	parcel *parcel // nil for one that writes over an upload
	*spool

	mu  sync.Mutex // guards what follows
	old *upload    // what this writes over, while nothing was written; else nil
}

// Size counts what is written over as long as it is there.
func (s *sending) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.old != nil {
		return s.old.Size
	}
	return s.spool.Size()
}

// adoptLocked takes the bytes of what is written over, unless all of them go.
func (s *sending) adoptLocked(ctx context.Context) error {
	old := s.old
	if old == nil {
		return nil
	}
	if old.Size > 0 {
		if !old.Ours {
			return iofs.ErrPermission // to change a part, one must have the rest
		}
		from, err := os.Open(s.u.copyOf(old.ID))
		if err != nil {
			return iofs.ErrPermission
		}
		defer from.Close()
		buf := make([]byte, 1<<20)
		for off := int64(0); off < old.Size; {
			n, err := from.Read(buf)
			if n == 0 || err != nil && err != io.EOF {
				return fmt.Errorf("read our copy: %w", err)
			}
			if _, err := s.spool.WriteAt(ctx, buf[:n], off); err != nil {
				return err
			}
			off += int64(n)
		}
	}
	s.old = nil
	return nil
}

func (s *sending) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.adoptLocked(ctx); err != nil {
		return 0, err
	}
	return s.spool.ReadAt(ctx, p, off)
}

func (s *sending) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := 0, s.adoptLocked(ctx)
	if err == nil {
		n, err = s.spool.WriteAt(ctx, p, off)
	}
	return n, s.told(err)
}

func (s *sending) Truncate(ctx context.Context, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size == 0 {
		s.old = nil
	}
	err := s.adoptLocked(ctx)
	if err == nil {
		err = s.spool.Truncate(ctx, size)
	}
	return s.told(err)
}

// told says in words what its program can only say is too large.
func (s *sending) told(err error) error {
	if errors.Is(err, tree.ErrTooLarge) {
		s.u.complain(tooLarge(s.name))
	}
	return err
}

func tooLarge(name string) string {
	return fmt.Sprintf("%s was not uploaded: Replicate takes files of at most 100 MB. Give models the address of a larger one, as text in input.json.", name)
}

func (s *sending) Commit(ctx context.Context) error {
	if s.parcel != nil && s.parcel.temporary {
		return nil // until it is moved to its own name
	}
	return s.u.send(ctx, s.name, s.spool)
}

// Close lets go of what was not uploaded. A file that was created and never
// written is gone: there is nothing to upload.
func (s *sending) Close() error {
	if s.parcel == nil {
		return s.spool.close()
	}
	p := s.parcel
	s.u.mu.Lock()
	p.open--
	left := s.u.parcels[p.name] == p
	s.u.mu.Unlock()
	if !p.temporary || !left {
		s.u.drop(p)
	}
	return nil
}

// send uploads what is in a spool, and makes the spool our copy of it. It takes
// the place of what has had the name.
func (u *uploads) send(ctx context.Context, name string, s *spool) error {
	size := s.Size()
	if size == 0 {
		return nil // nothing that a model could read
	}
	file, err := u.fs.api.Upload(ctx, name, mime.TypeByExtension(path.Ext(name)), s.reader(), size)
	if err != nil {
		var answer *api.Error
		switch {
		case errors.Is(err, context.Canceled):
			u.complain(fmt.Sprintf("%s was not uploaded: interrupted before all of it was sent.", name))
		case errors.As(err, &answer) && answer.Status == http.StatusRequestEntityTooLarge:
			u.complain(tooLarge(name))
		default:
			u.complain(fmt.Sprintf("%s was not uploaded: %v. Copy it again.", name, err))
		}
		return translate(err)
	}
	ctx = context.WithoutCancel(ctx)
	before, replaced := u.named(name)
	ours := s.keep(u.copyOf(file.ID)) == nil
	if replaced && before.ID != file.ID { // a list may have told of this one already
		if err := u.delete(ctx, before); err != nil {
			u.fs.log.Warn("a file that was written over could not be deleted", "name", name, "err", err)
			u.mu.Lock()
			for i := range u.known {
				if u.known[i].ID == before.ID {
					u.known = append(u.known[:i], u.known[i+1:]...) // it gets another name with the next list
					break
				}
			}
			u.mu.Unlock()
		}
	}
	if file.Size < 0 {
		file.Size = size
	}
	if file.Created.IsZero() {
		file.Created = u.fs.now()
	}
	u.mu.Lock()
	if p := u.parcels[name]; p != nil && p.spool == s {
		delete(u.parcels, name) // from here on the name is that of the upload
	}
	u.addLocked(file, name, ours)
	u.failed = ""
	u.mu.Unlock()
	u.fs.log.Info("uploaded", "name", name, "bytes", size)
	u.fs.notify(tree.Change{Node: u.Ino(), Content: true})
	return u.keep(ctx)
}
