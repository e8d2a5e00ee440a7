package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// What stays free on the disk for everybody else: a tenth of it and a gibibyte at least.
const (
	keepFreePart = 10
	keepFree     = 1 << 30
)

// errUnfit: the folder is on a file system that cannot carry the disk tier. The cache does without.
var errUnfit = errors.New("file system is not fit for a cache")

// disk is the folder of the disk tier.
//
//	lock               taken for moments: coming, going
//	epoch              how often a process of ours ended without saying so
//	run-PID-N          of each process that uses the folder; locked as long as it lives, removed when it ends well
//	objects/aa/bb….data    the bytes of one object, sparse
//	objects/aa/bb….meta    its sidecar
//
// Several processes may share it. Whoever holds the exclusive lock of an object's data may write to it and its sidecar;
// readers of a complete object share the lock; only who can have the exclusive lock may delete. Those without any can still
// read what the sidecar promises, since nothing in a data file that was promised ever changes.
type disk struct {
	dir   string
	what  string // it is, for the log
	log   *slog.Logger
	limit int64
	epoch uint64
	run   *os.File

	// What tests replace to make a disk fail.
	pwrite func(f *os.File, bufs [][]byte, off int64) error
	space  func() (total, free int64, err error)

	opened   time.Time
	offUntil atomic.Int64 // a time.Duration after opened, as the clock may jump; see off
	usedNow  atomic.Int64
	evicted  atomic.Int64
	faultMu  sync.Mutex    // one at a time; guards the next two
	faults   int           // errors of the device so far
	rest     time.Duration // the last, for want of space
	evictMu  sync.Mutex    // one at a time
	freeMu   sync.Mutex    // guards what follows
	freeAt   time.Time
	freeLeft int64 // above the reserve, when last asked
}

func newDisk(dir, what string, limit int64, log *slog.Logger) *disk {
	d := &disk{dir: dir, what: what, log: log, limit: limit, opened: time.Now(), pwrite: pwritev}
	d.space = func() (int64, int64, error) { return Space(dir) }
	return d
}

// Space returns the bytes of the disk under a folder, and how many of them
// this user may still take.
func Space(dir string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := int64(st.Bsize) // of other types elsewhere
	return int64(st.Blocks) * size, int64(st.Bavail) * size, nil
}

// openDisk opens or makes the folder.
func openDisk(dir string, limit int64, log *slog.Logger) (*disk, error) {
	d := newDisk(dir, "disk tier", limit, log)
	if err := MakeDir(filepath.Join(dir, "objects")); err != nil {
		return nil, fmt.Errorf("make cache folder: %w", err)
	}
	if err := d.sparse(); err != nil {
		return nil, fmt.Errorf("use cache folder: %w", err)
	}
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := d.enter(); err != nil {
		return nil, fmt.Errorf("enter cache folder: %w", err)
	}
	return d, nil
}

// sparse finds out whether the file system keeps holes: without them each file would cost its whole size at once.
func (d *disk) sparse() error {
	f, err := os.CreateTemp(d.dir, "probe-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	const size = 8 << 20
	if err := f.Truncate(size); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte{1}, size/2); err != nil {
		return err
	}
	if used(f) > size/2 {
		return fmt.Errorf("%w: no sparse files", errUnfit)
	}
	return nil
}

// blockSize is what a file system gives space in, most of them: a small file takes a whole one, and gives it back.
const blockSize = 4 << 10

// used is the space that f takes on its disk.
func used(f *os.File) int64 {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return 0
	}
	return st.Blocks * 512
}

// lock takes the folder's lock, which nobody holds for long.
func (d *disk) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(d.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock cache folder: %w", err)
	}
	if err := flock(f, unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: no locks: %w", errUnfit, err)
	}
	return func() { f.Close() }, nil
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if err != unix.EINTR {
			return err
		}
	}
}

// enter signs this process in, and begins a new epoch if another one has died since. What was stored in an older epoch is
// checked before its first use.
func (d *disk) enter() error {
	runs, err := filepath.Glob(filepath.Join(d.dir, "run-*"))
	if err != nil {
		return err
	}
	died := false
	for _, name := range runs {
		if f, err := os.OpenFile(name, os.O_RDWR, 0); err == nil {
			if flock(f, unix.LOCK_EX|unix.LOCK_NB) == nil {
				died = true
				os.Remove(name)
			}
			f.Close()
		}
	}
	path := filepath.Join(d.dir, "epoch")
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	d.epoch, err = strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		// A new folder, or one whose count is lost: the clock is later than any count that began with a clock.
		d.epoch = uint64(time.Now().UnixNano())
	}
	if died || err != nil {
		d.epoch++
		if err := replace(path, []byte(strconv.FormatUint(d.epoch, 10)+"\n")); err != nil {
			return err
		}
	}
	d.run, err = os.CreateTemp(d.dir, fmt.Sprintf("run-%d-", os.Getpid()))
	if err != nil {
		return err
	}
	if err := flock(d.run, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	return syncDir(d.dir)
}

// leave signs the process out: it has written all that it wanted to.
func (d *disk) leave() error {
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	err = os.Remove(d.run.Name())
	return errors.Join(err, d.run.Close())
}

// replace writes a file so that it is there whole or as before.
func replace(path string, b []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(tmp)
		return err
	}
	return os.Rename(tmp, path)
}

// MakeDir makes a folder for this user alone, and those above it. What is durable in there does not go with the folder in a
// crash.
func MakeDir(path string) error {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil
	}
	above := filepath.Dir(path)
	if above != path {
		if err := MakeDir(above); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(path, 0o700); err != nil { // another process may make it too
		return err
	}
	if err := syncDir(above); !errors.Is(err, iofs.ErrPermission) { // it may be one that we can write to and not read
		return err
	}
	return nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// nameOf is the path of an object's files without their endings. Keys may be long and hold anything; a hash is neither.
func (d *disk) nameOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	h := hex.EncodeToString(sum[:])
	return filepath.Join(d.dir, "objects", h[:2], h[2:])
}

// room asks for space for n more bytes of an object.
func (d *disk) room(n int64) error {
	if d.off() {
		return errors.ErrUnsupported
	}
	if d.usedNow.Load()+n > d.limit {
		return ErrFull
	}
	if d.spare(n) < 0 {
		return ErrFull
	}
	return nil
}

// spare is how much the disk has free beyond our reserve, after n more bytes. It asks the disk once a second.
func (d *disk) spare(n int64) int64 {
	d.freeMu.Lock()
	defer d.freeMu.Unlock()
	if now := time.Now(); now.Sub(d.freeAt) >= time.Second || d.freeAt.IsZero() {
		total, free, err := d.space()
		if err != nil {
			return -1
		}
		d.freeAt, d.freeLeft = now, free-max(total/keepFreePart, keepFree)
	}
	d.freeLeft -= n
	return d.freeLeft
}

// account notes that an object has grown by n bytes, or shrunk.
func (d *disk) account(n int64) { d.usedNow.Add(n) }

// A disk without space is left alone for a minute, and each further time for twice as long, up to an hour: whoever filled it
// may make room.
const (
	fullRest     = time.Minute
	fullRestMost = time.Hour
)

// off tells whether the tier is switched off after errors.
func (d *disk) off() bool {
	until := d.offUntil.Load()
	return until != 0 && time.Since(d.opened) < time.Duration(until)
}

// noSpace tells whether an error says that the disk is full, for this user at least: a quota shows in no figure.
func noSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// fault notes an error of the disk. A full disk switches the tier off for a while, the third error of the device and a disk
// that can only be read for good: reading goes on without it.
func (d *disk) fault(err error) {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		d.log.Debug(d.what+" has no descriptor for a file", "error", err) // it is we who have too many open
		return
	}
	d.faultMu.Lock()
	defer d.faultMu.Unlock()
	until, how := time.Duration(math.MaxInt64), "until the next start"
	switch {
	case noSpace(err) && d.off():
		return // it was on its way when the tier was switched off
	case noSpace(err):
		d.rest = min(max(fullRest, 2*d.rest), fullRestMost)
		until, how = time.Since(d.opened)+d.rest, "for "+d.rest.String()
	case !errors.Is(err, unix.EROFS):
		if d.faults++; d.faults < 3 {
			d.log.Debug(d.what+" met an error", "error", err)
			return
		}
	}
	if d.offUntil.Swap(int64(until)) < int64(until) {
		d.log.Warn(d.what+" is switched off "+how+"; reading goes on without it", "error", err)
	}
}

// readSidecar reads the sidecar of an object, which must be of key and size.
func readSidecar(name, key string, size int64) (*sidecar, error) {
	b, err := os.ReadFile(name + ".meta")
	if err != nil {
		return nil, err
	}
	s, err := decodeSidecar(b)
	if err != nil {
		return nil, err
	}
	if s.key != key || s.size != size {
		return nil, errSidecar
	}
	return s, nil
}
