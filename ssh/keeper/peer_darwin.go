package keeper

import "golang.org/x/sys/unix"

// peerUser is the user whose process is at the other side of the socket fd.
func peerUser(fd int) (int, error) {
	credentials, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(credentials.Uid), nil
}
