package ssh

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickReads is for how many reads acknowledgements are hurried: about as many
// as a login and the start of a command take.
const quickReads = 64

// A quickAck makes the kernel acknowledge at once. Until the first command
// starts, a common server leaves Nagle's algorithm on: the answer to our
// channel open then waits for our delayed acknowledgement, some 40 ms. The
// setting does not last, so it is renewed after each read.
type quickAck struct {
	raw  syscall.RawConn
	left int
}

func newQuickAck(c net.Conn) quickAck {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return quickAck{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return quickAck{}
	}
	return quickAck{raw: raw, left: quickReads}
}

func (q *quickAck) rearm() {
	if q.left == 0 {
		return
	}
	q.left--
	// Slower is the worst that can come of an error.
	_ = q.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
