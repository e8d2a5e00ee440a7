package cache

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// vault is the folder of what is kept: whole files that were checked before they came in, each with its sidecar, and
// nothing else. It is not the folder of the disk tier, which anybody may empty who needs room. No limit evicts what is in
// it, only Forget takes it out, and nothing in it depends on the process that brought it having ended well: all of it was
// synced before it got its name.
//
//	objects/aa/bb….data    the bytes of one file
//	objects/aa/bb….meta    its sidecar
//	objects/aa/bb….part    one that is on its way in; locked by who brings it
//	objects/aa/bb….bad     the bytes of one that Verify found damaged
type vault struct {
	*disk
	files   atomic.Int64
	counted chan struct{} // closed when what there is was counted
}

func openVault(dir string, limit int64, log *slog.Logger) (*vault, error) {
	if err := MakeDir(filepath.Join(dir, "objects")); err != nil {
		return nil, fmt.Errorf("make folder of kept files: %w", err)
	}
	return &vault{disk: newDisk(dir, "folder of kept files", limit, log), counted: make(chan struct{})}, nil
}

// count finds out how much is kept, and removes what a process left behind that died on its way in.
func (v *vault) count() {
	defer close(v.counted)
	parts, _ := filepath.Glob(filepath.Join(v.dir, "objects", "*", "*.part"))
	sweep(parts)
	all, err := v.walk()
	if err != nil {
		v.log.Warn("kept files cannot be counted", "folder", v.dir, "error", err)
	}
	for _, e := range all {
		switch b, err := os.ReadFile(e.name + ".meta"); {
		case !e.data || !e.meta:
			v.tidy(e)
		case err != nil:
		default:
			v.files.Add(1)
			if s, err := decodeSidecar(b); err != nil || v.nameOf(s.key) != e.name || !v.complete(s.key) {
				v.setAside(e.name)
			}
		}
	}
}

// tidy removes what did not come in whole, unless somebody who lives is bringing it, or has done so since it was seen:
// every process that opens this folder tidies it.
func (v *vault) tidy(e entry) {
	p, err := v.claim(e.name)
	if p == nil || err != nil {
		return
	}
	defer p.drop()
	_, data := os.Stat(e.name + ".data")
	_, meta := os.Stat(e.name + ".meta")
	if data == nil && meta == nil {
		v.files.Add(1)
		v.account(space(e.name) - e.used)
		return
	}
	if err := v.remove(e.name); err != nil {
		v.log.Debug("what did not come in whole cannot be removed", "file", e.name, "error", err)
		return
	}
	v.account(-e.used)
}

// fits tells whether there is room for n more bytes.
func (v *vault) fits(n int64) error {
	switch {
	case v.usedNow.Load()+n > v.limit:
		return fmt.Errorf("%w: %d of %d bytes for kept files are used", ErrFull, v.usedNow.Load(), v.limit)
	case v.spare(0) < n:
		return fmt.Errorf("%w: the disk under %s has too little free", ErrFull, v.dir)
	}
	return nil
}

// meaning is what an error of the disk says to who keeps. There may be no room although fits saw some. Nothing
// is switched off by it, as the disk tier is: who keeps asks seldom, and there may be room again.
func (v *vault) meaning(err error) error {
	if noSpace(err) {
		return fmt.Errorf("%w: the disk under %s: %w", ErrFull, v.dir, err)
	}
	return err
}

// part is a file on its way into the vault.
type part struct {
	*os.File
	v    *vault
	name string // of the object, without ending
}

// claim locks the place of an object for who brings it. Nil without an error: somebody else has it.
func (v *vault) claim(name string) (*part, error) {
	f, err := os.OpenFile(name+".part", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if flock(f, unix.LOCK_EX|unix.LOCK_NB) != nil || !linked(f) {
		return nil, f.Close()
	}
	return &part{f, v, name}, nil
}

// begin claims the place of key, and waits for it. Nil without an error: it is kept already.
func (v *vault) begin(ctx context.Context, key string) (*part, error) {
	name := v.nameOf(key)
	if err := MakeDir(filepath.Dir(name)); err != nil {
		return nil, err
	}
	for !v.complete(key) {
		p, err := v.claim(name)
		switch {
		case err != nil:
			return nil, err
		case p == nil: // somebody else brings it, perhaps in another process
			if !sleep(ctx, 100*time.Millisecond) {
				return nil, context.Cause(ctx)
			}
			continue
		}
		if !v.complete(key) {
			if err = p.Truncate(0); err == nil {
				return p, nil
			}
		}
		p.drop()
		return nil, err
	}
	return nil, nil
}

// drop gives up what did not become a kept file.
func (p *part) drop() {
	if linked(p.File) {
		os.Remove(p.Name())
	}
	p.Close()
}

// place makes a kept file of the bytes in f, which are durable: p itself, or a file of the disk tier, which then has two
// names. Where that cannot be, the answer is an error and nothing has happened.
func (p *part) place(f *os.File, side *sidecar) error {
	data := p.name + ".data"
	if f != p.File {
		// What has its name but is not complete is a leftover, since p is locked.
		if err := errors.Join(removed(os.Remove(data)), os.Link(f.Name(), data)); err != nil {
			return err
		}
	}
	err := replace(p.name+".meta", side.encode())
	if err == nil && f == p.File {
		err = errors.Join(p.Chmod(0o400), os.Rename(p.Name(), data))
	}
	if err == nil {
		err = syncDir(filepath.Dir(p.name))
	}
	if err != nil {
		return fmt.Errorf("place kept file: %w", err)
	}
	p.v.account(space(p.name))
	p.v.files.Add(1)
	return nil
}

// fill brings the bytes of r into p, checked and durable.
func (p *part) fill(ctx context.Context, r *Reader, pace func(i int64) error) (*sidecar, error) {
	size, n := r.Size(), chunksOf(r.Size())
	side := &sidecar{key: r.Key(), etag: r.o.etag(), size: size, complete: true, have: newBitmap(n), sums: make([]uint32, n)}
	sum := md5.New()
	buf := make([]byte, chunkSize)
	for i := range n {
		b := buf[:lenOf(size, i)]
		if err := p.v.fits(int64(len(b))); err != nil {
			return nil, err
		}
		if err := pace(i); err != nil {
			return nil, err
		}
		if _, err := r.ReadAt(ctx, b, i*chunkSize); err != nil && err != io.EOF {
			return nil, err
		}
		if err := p.v.pwrite(p.File, [][]byte{b}, i*chunkSize); err != nil {
			return nil, err
		}
		p.v.spare(int64(len(b)))
		sum.Write(b)
		side.have.set(i)
		side.sums[i] = checksum(b)
	}
	if want, ok := md5Of(side.etag); ok && hex.EncodeToString(sum.Sum(nil)) != want {
		r.o.mu.Lock()
		r.o.mismatchLocked()
		r.o.mu.Unlock()
		return nil, ErrMismatch
	}
	return side, p.Sync()
}

// setAside takes a damaged file out of the vault. Its bytes stay, for a person who wants what is left of them.
func (v *vault) setAside(name string) {
	n := space(name)
	if err := errors.Join(removed(os.Remove(name+".meta")), os.Rename(name+".data", name+".bad")); err != nil {
		v.log.Warn("a damaged kept file cannot be set aside", "file", name+".data", "error", err)
		return
	}
	v.account(-n)
	v.files.Add(-1)
	v.log.Warn("a kept file was damaged and is no longer one; what is left of it stays", "file", name+".bad")
}

// forget takes key out of the vault.
func (v *vault) forget(key string) error {
	name := v.nameOf(key)
	if v.complete(key) {
		v.files.Add(-1)
		v.account(-space(name))
	}
	return errors.Join(v.remove(name), removed(os.Remove(name+".bad")))
}

// remove deletes the files of an object. Who has it open can read on.
func (v *vault) remove(name string) error {
	return errors.Join(removed(os.Remove(name+".meta")), removed(os.Remove(name+".data")))
}

// space is what an object takes on its disk.
func space(name string) (n int64) {
	for _, ext := range []string{".data", ".meta"} {
		var st unix.Stat_t
		if unix.Stat(name+ext, &st) == nil {
			n += st.Blocks * 512
		}
	}
	return n
}

// sweep removes files that a process had in the making when it died: those that nobody has locked.
func sweep(names []string) {
	for _, name := range names {
		if f, err := os.Open(name); err == nil {
			if flock(f, unix.LOCK_EX|unix.LOCK_NB) == nil {
				os.Remove(name)
			}
			f.Close()
		}
	}
}
