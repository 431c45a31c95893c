package ssh

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// isNear reports whether the host at the other end is known to be near. The kernel
// measures it; how long an answer takes says more of how busy the host is.
func isNear(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	near := false
	// What cannot be measured is far away.
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		near = err == nil && info.Rtt > 0 && time.Duration(info.Rtt)*time.Microsecond <= nearHost
	})
	return near
}
