//go:build !linux

package command

import (
	"net"
	"os"
)

// peer is the user at the other end of a socket. Other systems tell it in ways
// of their own; there the folder of the socket alone keeps others out.
func peer(net.Conn) (uid int, err error) { return os.Geteuid(), nil }
