package output

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// sendFile writes n bytes of src from an offset to dst, without a copy in this process,
// and returns how many it has written. That is fewer without an error where the kernel
// cannot do it: not to a file that is open for appending, for example.
func sendFile(dst, src *os.File, from, n int64) (int64, error) {
	raw, err := dst.SyscallConn()
	if err != nil {
		return 0, nil //nolint:nilerr // an ordinary write has the error
	}
	in, sent := int(src.Fd()), int64(0)
	var fault error
	err = raw.Write(func(out uintptr) bool {
		for sent < n {
			k, err := unix.Sendfile(int(out), in, &from, int(n-sent))
			sent += int64(max(k, 0))
			switch {
			case errors.Is(err, unix.EAGAIN):
				return false
			case errors.Is(err, unix.EINTR):
			case err != nil:
				fault = err
				return true
			case k == 0:
				return true
			}
		}
		return true
	})
	switch {
	case errors.Is(fault, unix.EINVAL), errors.Is(fault, unix.ENOSYS), errors.Is(fault, unix.EOPNOTSUPP):
		return sent, nil
	case fault != nil:
		return sent, &os.PathError{Op: "write", Path: dst.Name(), Err: fault}
	}
	return sent, err
}
