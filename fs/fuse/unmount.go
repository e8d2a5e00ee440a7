package fuse

import "fmt"

// UnmountOptions say what becomes of a mount that is in use. The zero value
// leaves it as it is.
type UnmountOptions struct {
	Lazy  bool // out of sight now, away when the last program lets go
	Force bool // away now; who uses it gets errors, and saves that wait lose their outcome
}

// Unmount unmounts what another process of this program, or a killed one, has
// mounted on dir. What is in use stays, and the error is tree.ErrBusy.
func Unmount(dir string, o UnmountOptions) error {
	m, err := mountAt(dir)
	if err != nil {
		return err
	}
	if m.kind != "fuse."+fsType {
		return fmt.Errorf("%s is not a mounted account", dir)
	}
	if !o.Force {
		return detach(m.dir, o.Lazy)
	}
	return breakOff(m)
}

// A User is a process that keeps a mount from going away.
type User struct {
	PID  int
	Name string // of its program
	Uses string // a path in the mount
}
