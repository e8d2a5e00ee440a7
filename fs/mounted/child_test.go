package mounted_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing/fstest"
)

// children are programs in the test's own file: they do what no program at
// hand does. Each takes paths and returns what went wrong.
var children = map[string]func(args ...string) error{
	"testfs":  testFolder,
	"mmap":    compareMapped,
	"header":  compareHeader,
	"random":  compareRandom,
	"readers": compareAtOnce,
	"threads": saveByThreads,
	"save":    saveOnce,
}

// testFolder looks at all of a folder in every way that io/fs has.
func testFolder(args ...string) error {
	return fstest.TestFS(os.DirFS(args[0]), args[1:]...)
}

// compareMapped compares two files through memory, back to front, so that no
// read-ahead helps.
func compareMapped(args ...string) error {
	var maps [2][]byte
	for i := range maps {
		f, err := os.Open(args[i])
		if err != nil {
			return err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if maps[i], err = syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ, syscall.MAP_SHARED); err != nil {
			return err
		}
	}
	if len(maps[0]) != len(maps[1]) {
		return fmt.Errorf("%d bytes, want %d", len(maps[0]), len(maps[1]))
	}
	const piece = 100_003
	for end := len(maps[0]); end > 0; end -= piece {
		off := max(0, end-piece)
		if !bytes.Equal(maps[0][off:end], maps[1][off:end]) {
			return fmt.Errorf("wrong bytes between %d and %d", off, end)
		}
	}
	return nil
}

// compareHeader reads as programs that show pictures do: a little of the
// beginning, then, opened anew, everything.
func compareHeader(args ...string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, 1024)
	if _, err := io.ReadFull(f, header); err != nil {
		return err
	}
	whole, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	truth, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	if !bytes.Equal(header, truth[:len(header)]) || !bytes.Equal(whole, truth) {
		return errors.New("wrong bytes")
	}
	return nil
}

// compareRandom reads at places that the seed in args[2] decides.
func compareRandom(args ...string) error {
	seed, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return err
	}
	dice := rand.New(rand.NewPCG(seed, 0))
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	truth, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	for range 50 {
		off, n := dice.IntN(len(truth)+10_000), 1+dice.IntN(1<<dice.IntN(18))
		want := truth[min(off, len(truth)):min(off+n, len(truth))]
		got := make([]byte, n)
		m, err := f.ReadAt(got, int64(off))
		if err != nil && err != io.EOF {
			return err
		}
		if !bytes.Equal(got[:m], want) {
			return fmt.Errorf("seed %d: wrong bytes at %d, length %d", seed, off, n)
		}
	}
	return nil
}

// compareAtOnce reads by several readers at the same time: from the start,
// from the middle, and at random.
func compareAtOnce(args ...string) error {
	var all sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		all.Go(func() {
			if i%2 == 0 {
				errs[i] = compareHeader(args...)
			} else {
				errs[i] = compareRandom(args[0], args[1], strconv.Itoa(i))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// saveByThreads writes args[1] to a file, half of it by one thread and half
// by another, and closes it in a third.
func saveByThreads(args ...string) error {
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	half := len(args[1]) / 2
	steps := []func() error{
		func() error { _, err := f.WriteAt([]byte(args[1][half:]), int64(half)); return err },
		func() error { _, err := f.WriteAt([]byte(args[1][:half]), 0); return err },
		f.Close,
	}
	for _, step := range steps {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends here
			done <- step()
		}()
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

// saveOnce writes args[1] to a file and prints what close() returns.
func saveOnce(args ...string) error {
	fd, err := syscall.Open(args[0], syscall.O_WRONLY|syscall.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if _, err := syscall.Write(fd, []byte(args[1])); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	err = syscall.Close(fd)
	fmt.Println(errorName(err))
	return nil
}

// errorName is the name of what close() returns.
func errorName(err error) string {
	names := map[error]string{
		nil: "ok", syscall.EINVAL: "EINVAL", syscall.EDQUOT: "EDQUOT", syscall.EACCES: "EACCES",
		syscall.ENOENT: "ENOENT", syscall.EIO: "EIO", syscall.EBUSY: "EBUSY", syscall.EROFS: "EROFS",
	}
	if name, ok := names[err]; ok {
		return name
	}
	return fmt.Sprint(err)
}
