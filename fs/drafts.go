package fs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"replicatefs/fs/tree"
)

// A draftStore keeps drafts as what they look like: a folder for each, at its
// path in the mount, with plain files in it. So they outlive the mount and the
// machine, and a person can get at them without this program.
type draftStore struct {
	root *os.Root

	mu      sync.Mutex     // guards what follows
	writing map[uint64]int // files that are being written, by their number on disk
}

// unfinished is the folder of marks. A file's mark, named by its number on
// disk, is there while the file is being written, and stays when that does not
// come to its end: such a file is nobody's input.
const unfinished = ".unfinished"

// openDrafts opens the store below a folder, and makes it if it is missing.
func openDrafts(dir string) (*draftStore, error) {
	dir = filepath.Join(dir, "drafts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a place for drafts: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the place of drafts: %w", err)
	}
	if err := root.MkdirAll(unfinished, 0o700); err != nil {
		root.Close()
		return nil, fmt.Errorf("make a place for marks of drafts: %w", err)
	}
	return &draftStore{root: root, writing: map[uint64]int{}}, nil
}

func (s *draftStore) close() error { return s.root.Close() }

// local makes the errors of the disk those of a tree: here, a file that is
// missing on disk is the user's file that is missing.
func local(err error) error {
	for _, word := range []error{iofs.ErrNotExist, iofs.ErrExist} {
		if errors.Is(err, word) {
			return word
		}
	}
	return err
}

// stat tells of one file or folder; the last name may be a link.
func (s *draftStore) stat(name string) (os.FileInfo, error) {
	info, err := s.root.Lstat(name)
	return info, local(err)
}

// list returns the entries of a folder, sorted; none if it is missing.
func (s *draftStore) list(dir string) ([]os.DirEntry, error) {
	f, err := s.root.Open(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// folders are the names of the drafts in the folder of a model.
func (s *draftStore) folders(where string) []string {
	entries, err := s.list(where)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !reserved[e.Name()] {
			names = append(names, e.Name())
		}
	}
	return names
}

// models are those, as owner/name, in or below whose folders there is a draft.
func (s *draftStore) models() []string {
	var names []string
	owners, _ := s.list("models")
	for _, owner := range owners {
		models, _ := s.list(path.Join("models", owner.Name()))
		for _, model := range models {
			names = append(names, owner.Name()+"/"+model.Name())
		}
	}
	return names
}

// sync makes sure that the names in a folder, if it still is there, outlive
// the machine.
func (s *draftStore) sync(dir string) error {
	f, err := s.root.Open(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// mkdir makes the folder of a draft, and those above it.
func (s *draftStore) mkdir(where string) error {
	above := path.Dir(where)
	if err := s.root.MkdirAll(above, 0o700); err != nil {
		return local(err)
	}
	if err := s.root.Mkdir(where, 0o700); err != nil {
		return local(err)
	}
	return s.sync(above)
}

// clean removes folders that have become empty, from dir upwards.
func (s *draftStore) clean(dir string) {
	for ; strings.Contains(dir, "/"); dir = path.Dir(dir) {
		if s.root.Remove(dir) != nil {
			return
		}
	}
}

// move renames a file or a draft.
func (s *draftStore) move(from, to string) error {
	if err := s.root.MkdirAll(path.Dir(to), 0o700); err != nil {
		return local(err)
	}
	if err := s.root.Rename(from, to); err != nil {
		return local(err)
	}
	return errors.Join(s.sync(path.Dir(from)), s.sync(path.Dir(to)))
}

// remove removes a file, and its mark.
func (s *draftStore) remove(name string) error {
	info, err := s.stat(name)
	if err != nil {
		return err
	}
	if err := s.root.Remove(name); err != nil {
		return local(err)
	}
	s.forgive(inode(info))
	return nil
}

// create makes an empty file.
func (s *draftStore) create(name string) error {
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return local(err)
	}
	if info, err := f.Stat(); err == nil {
		s.forgive(inode(info)) // the mark of one that somebody else removed
	}
	return f.Close()
}

func mark(ino uint64) string { return path.Join(unfinished, strconv.FormatUint(ino, 10)) }

// begin says that a file is being written.
func (s *draftStore) begin(ino uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.root.Create(mark(ino))
	if err != nil {
		return err
	}
	s.writing[ino]++
	return f.Close()
}

// end says that one writing of a file has ended, well or not.
func (s *draftStore) end(ino uint64, well bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing[ino]--; s.writing[ino] > 0 {
		return
	}
	delete(s.writing, ino)
	if well {
		s.forgiveLocked(ino)
	}
}

// forgive takes the mark off a file.
func (s *draftStore) forgive(ino uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgiveLocked(ino)
}

func (s *draftStore) forgiveLocked(ino uint64) {
	_ = s.root.Remove(mark(ino)) // most have none
}

// ready tells whether a file was written to its end, or is being written.
func (s *draftStore) ready(ino uint64) (ready, busy bool) {
	s.mu.Lock()
	busy = s.writing[ino] > 0
	s.mu.Unlock()
	_, err := s.root.Lstat(mark(ino))
	return err != nil && !busy, busy
}

// inode is the number that a file has on disk, whatever it is called.
func inode(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}

// storedIno is the number in the mount of what is stored: it stays the same
// when it is renamed.
func storedIno(info os.FileInfo) uint64 {
	return tree.Ino("stored", strconv.FormatUint(inode(info), 10))
}

// storedInfo is what stat tells of it.
func storedInfo(info os.FileInfo, mode iofs.FileMode) tree.Info {
	size := info.Size()
	if info.IsDir() {
		size = 0
	}
	return tree.Info{Mode: mode, Size: size, ModTime: info.ModTime().Truncate(time.Microsecond), Live: true}
}
