package ssh

import (
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickReads is for how many reads after the login acknowledgements are hurried:
// many times what the start of a command takes, since a bastion, on which no command
// ever starts, opens a channel for each of many hosts.
const quickReads = 256

// A quickAck reads from a connection and, once the login is done, makes the kernel
// acknowledge at once. Until the first command starts, a common server leaves
// Nagle's algorithm on: the answer to our channel open then waits for our delayed
// acknowledgement, some 40 ms. The setting does not last, so it is renewed after
// each read. During the login we nearly always have something to send, which carries
// the acknowledgement.
type quickAck struct {
	net.Conn
	loggedIn *atomic.Bool
	raw      syscall.RawConn
	left     int
}

func newQuickAck(c net.Conn, loggedIn *atomic.Bool) *quickAck {
	q := &quickAck{Conn: c, loggedIn: loggedIn}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			q.raw, q.left = raw, quickReads
		}
	}
	return q
}

func (q *quickAck) Read(p []byte) (int, error) {
	n, err := q.Conn.Read(p)
	if n > 0 && q.left > 0 && q.loggedIn.Load() {
		q.left--
		q.rearm()
	}
	return n, err
}

func (q *quickAck) rearm() {
	// Slower is the worst that can come of an error.
	_ = q.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
