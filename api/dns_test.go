package api

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
)

// nameServer answers every question with a code and addresses, and counts them.
// Without a code it never answers.
type nameServer struct {
	code      int // of RFC 1035; -1: no answer
	addresses []string
	asked     atomic.Int32
	silence   func() // called instead of an answer
}

const (
	noError  = 0
	servFail = 2
	nxDomain = 3
	silent   = -1
)

// resolver looks names up at s.
func (s *nameServer) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			s.asked.Add(1)
			if s.code == silent {
				s.silence()
			} else {
				pc.WriteTo(s.answer(b[:n]), from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// answer is the reply to a question: its own header and name, and the addresses
// of the kind that it asks for.
func (s *nameServer) answer(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += 1 + int(question[end])
	}
	kind := binary.BigEndian.Uint16(question[end+1:])
	end += 5
	reply := append([]byte(nil), question[:end]...)
	binary.BigEndian.PutUint16(reply[2:], 0x8180|uint16(s.code))
	count := 0
	for _, a := range s.addresses {
		ip := netip.MustParseAddr(a).AsSlice()
		if (kind == 1) != (len(ip) == 4) || (kind == 28) != (len(ip) == 16) {
			continue
		}
		count++
		reply = append(reply, 0xc0, 12)
		reply = binary.BigEndian.AppendUint16(reply, kind)
		reply = binary.BigEndian.AppendUint16(reply, 1)
		reply = binary.BigEndian.AppendUint32(reply, 0)
		reply = binary.BigEndian.AppendUint16(reply, uint16(len(ip)))
		reply = append(reply, ip...)
	}
	binary.BigEndian.PutUint16(reply[6:], uint16(count))
	clear(reply[8:12])
	return reply
}

// A name that cannot be resolved is trouble of the network, which is tried
// again and told as such. One that leads into the network that we are in is
// refused before anything is sent there, whoever says so.
func TestNames(t *testing.T) {
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	go func() {
		for {
			conn, err := inside.Accept()
			if err != nil {
				return
			}
			t.Error("somebody came in")
			conn.Close()
		}
	}()
	for _, test := range []struct {
		name   string
		server *nameServer
		refuse bool
	}{
		{"no such name", &nameServer{code: nxDomain}, false},
		{"a name server in trouble", &nameServer{code: servFail}, false},
		{"a name server that says nothing", &nameServer{code: silent}, false},
		{"a name without addresses", &nameServer{code: noError}, false},
		{"loopback", &nameServer{addresses: []string{"127.0.0.1"}}, true},
		{"loopback of IPv6", &nameServer{addresses: []string{"::1"}}, true},
		{"a private network", &nameServer{addresses: []string{"10.0.0.1", "192.168.1.1", "fd00::1"}}, true},
		{"the cloud's own", &nameServer{addresses: []string{"169.254.169.254"}}, true},
		{"IPv4 inside IPv6", &nameServer{addresses: []string{"::ffff:127.0.0.1", "64:ff9b::7f00:1"}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			test.server.silence = cancel // who asks gives up
			c, err := NewContent(ContentOptions{resolver: test.server.resolver(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Stat(ctx, "https://replicate.delivery/xezq/out.png")
			var e *ContentError
			switch {
			case test.refuse && !errors.Is(err, ErrForbidden):
				t.Errorf("%v, want a refusal", err)
			case test.server.code == silent && ctx.Err() == nil:
				t.Errorf("it ended by itself: %v", err)
			case !test.refuse && test.server.code != silent && (!errors.As(err, &e) || !e.Temporary()):
				t.Errorf("%v, want an error that may pass", err)
			}
			if test.server.asked.Load() == 0 {
				t.Error("nobody was asked")
			}
		})
	}
}
