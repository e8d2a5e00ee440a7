//go:build !linux

package mounted

import (
	"errors"
	"syscall"
)

// No test gets as far as this here, see NeedFUSE.

func attributes(identity) *syscall.SysProcAttr { return nil }

func reserve() (string, func() error, error) {
	return "127.0.0.1:0", func() error { return nil }, nil
}

func mountsIn(string) []string { return nil }

func detach(string) error { return errors.ErrUnsupported }

func threads(int) string { return "" }

const goroutines = syscall.SIGQUIT
