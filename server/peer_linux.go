package server

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerIDs are the user and the group that connected, as the kernel has noted them.
func peerIDs(c *net.UnixConn) (uid, gid int64, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var peer *unix.Ucred
	if controlErr := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); controlErr != nil {
		return 0, 0, controlErr
	}
	if err != nil {
		return 0, 0, err
	}
	return int64(peer.Uid), int64(peer.Gid), nil
}
