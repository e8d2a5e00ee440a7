package command

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The register is a folder with a file for each mount of the user. A mount
// holds a lock on its file for as long as it lives, so a file that can be
// locked is that of a mount which was killed, whatever became of its pid.

// A post is an entry: a mount, and where commands can reach it.
type post struct {
	Dir     string    `json:"dir"`
	PID     int       `json:"pid"`
	Account string    `json:"account"`
	BaseURL string    `json:"base_url"`
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Socket  string    `json:"socket"`
	Store   string    `json:"store"` // the account's folder among the caches
	Host    string    `json:"host"`  // homes may be shared by machines, mounts are not
}

// register is the entry of one mount.
type register struct {
	file   *os.File // locked
	socket string
}

// registerDir is the folder of the register, whatever --cache-dir says: a
// command must find mounts that keep their data elsewhere.
func registerDir() (string, error) {
	dir, err := homeFolder("XDG_DATA_HOME", ".local/share")
	return filepath.Join(dir, "mounts"), err
}

// socketDir is where sockets are: in the folder that the system keeps for that
// in memory, if it has one for us, else beside the register.
func socketDir() (string, error) {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		dir = filepath.Join(dir, "replicatefs")
		if private(dir) == nil {
			return dir, nil
		}
	}
	dir, err := registerDir()
	if err != nil {
		return "", err
	}
	return dir, private(dir)
}

// private makes a folder that is ours alone, and checks that it is.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || !st.IsDir() || int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to somebody else: %w", dir, iofs.ErrPermission)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// enter puts a mount into the register and listens for commands.
func enter(p *post) (*register, net.Listener, error) {
	dir, err := registerDir()
	if err == nil {
		err = private(dir)
	}
	if err != nil {
		return nil, nil, err
	}
	p.Host, _ = os.Hostname()
	sum := sha256.Sum256([]byte(p.Host + "\x00" + p.Dir))
	name := hex.EncodeToString(sum[:8])
	r := new(register)
	if r.file, err = lockNew(filepath.Join(dir, name+".json")); err != nil {
		return nil, nil, err
	}
	listener, err := r.listen(name)
	if err == nil {
		p.Socket = r.socket
		var raw []byte
		if raw, err = json.Marshal(p); err == nil {
			_, err = r.file.Write(append(raw, '\n'))
		}
	}
	if err != nil {
		r.leave()
		return nil, nil, err
	}
	return r, listener, nil
}

func (r *register) listen(name string) (net.Listener, error) {
	dir, err := socketDir()
	if err != nil {
		return nil, err
	}
	r.socket = filepath.Join(dir, name+".sock")
	// The lock says that nobody listens there any more.
	if err := os.Remove(r.socket); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return nil, err
	}
	short, done, err := shortened(r.socket)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.Listen("unix", short)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // leave does it, by the name that lasts
	return l, os.Chmod(r.socket, 0o600)
}

// maxSocketPath is the longest that every system takes for a socket.
const maxSocketPath = 100

// shortened is a name by which a socket can be used now, until done: Linux has
// short ones for what is in an open folder.
func shortened(socket string) (name string, done func(), err error) {
	if len(socket) <= maxSocketPath {
		return socket, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(socket))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(socket)), func() { dir.Close() }, nil
}

// leave takes the mount out again.
func (r *register) leave() {
	os.Remove(r.file.Name())
	os.Remove(r.socket)
	r.file.Close()
}

// lockTries is how often a lock is tried: commands hold it while they look.
const (
	lockTries = 50
	lockPause = 20 * time.Millisecond
)

// lockNew returns an empty file of that name that is locked by us. One that
// another living mount holds is an error.
func lockNew(name string) (*os.File, error) {
	for tries := 1; ; tries++ {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			if tries < lockTries {
				time.Sleep(lockPause)
				continue
			}
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if current(f) { // not one that was removed before we had the lock
			return f, f.Truncate(0)
		}
		f.Close()
	}
}

// current tells whether a file still is what its name leads to.
func current(f *os.File) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(f.Name())
	return err == nil && os.SameFile(a, b)
}

// posts are the mounts of the user on this machine that live, by folder. What
// killed ones left is removed.
func posts() ([]post, error) {
	dir, err := registerDir()
	if err != nil {
		return nil, err
	}
	return postsIn(dir)
}

func postsIn(dir string) ([]post, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	var all []post
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		if p, ok := readPost(filepath.Join(dir, e.Name())); ok && p.Host == host {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b post) int { return strings.Compare(a.Dir, b.Dir) })
	return all, nil
}

func readPost(name string) (post, bool) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return post{}, false
	}
	defer f.Close()
	var p post
	decoded := json.NewDecoder(f).Decode(&p)
	// The lock is shared, so that two commands that look at once do not take
	// each other for the mount.
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		// While we hold it no mount can take the name.
		if current(f) {
			os.Remove(name)
			os.Remove(p.Socket)
		}
		return post{}, false
	}
	return p, decoded == nil
}
