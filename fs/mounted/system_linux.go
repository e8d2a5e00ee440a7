package mounted

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// attributes are those of a process that runs as user. If the test dies, it
// is interrupted, and so unmounts.
func attributes(user identity) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT, Setpgid: true}
	if user != self() {
		a.Credential = &syscall.Credential{Uid: uint32(user.uid), Gid: uint32(user.gid)}
	}
	return a
}

// reserve returns an address of loopback with a port that nobody else is given
// until free is called. A socket is bound to it and does not listen: a server
// may, because both say SO_REUSEADDR, and whoever dials while none does is
// refused.
func reserve() (addr string, free func() error, err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	free = func() error { return syscall.Close(fd) }
	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	at, named := syscall.Getsockname(fd)
	in, ok := at.(*syscall.SockaddrInet4)
	if err = errors.Join(err, named); err != nil || !ok {
		free()
		return "", nil, fmt.Errorf("reserve a port: %w", err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)).String(), free, nil
}

// mountsIn are the mounted folders in dir, or dir itself. Nothing is looked
// into: a dead mount does not answer.
func mountsIn(dir string) []string {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if at := unescape.Replace(f[1]); at == dir || strings.HasPrefix(at, dir+"/") {
			found = append(found, at)
		}
	}
	return found
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// detach takes a mount away that may be in use or dead, and ends what waits
// for it: a program that is gone answers nobody.
func detach(dir string) error {
	err := syscall.Unmount(dir, syscall.MNT_FORCE|syscall.MNT_DETACH)
	if err == syscall.EPERM {
		return exec.Command("fusermount3", "-u", "-z", dir).Run()
	}
	return err
}

// threads tells where the threads of a process are in the kernel.
func threads(pid int) string {
	var b strings.Builder
	dirs, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, dir := range dirs {
		status, _ := os.ReadFile(dir + "/status")
		stack, _ := os.ReadFile(dir + "/stack")
		_, state, _ := strings.Cut(string(status), "State:")
		state, _, _ = strings.Cut(state, "\n")
		fmt.Fprintf(&b, "thread %s:%s\n%s", filepath.Base(dir), state, stack)
	}
	return b.String()
}

// goroutines has a Go program print them and end.
const goroutines = syscall.SIGQUIT
