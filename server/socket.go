package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tutti/access"
	"tutti/internal/safefile"
)

// maxSocketPath is how long the path of a local socket may be on every system.
const maxSocketPath = 103

// ErrSocketTaken says that another daemon serves the socket.
var ErrSocketTaken = errors.New("another daemon serves it")

// A Socket is a local socket that this process alone serves.
type Socket struct {
	net.Listener
	lock *os.File
}

// ListenSocket serves a local socket at path, in a directory that is made if it is not
// there. What a daemon left there that is gone is replaced; one that another daemon
// serves is left alone, which is [ErrSocketTaken]. Only this user can connect, and
// others if there are rules for them: who they are the kernel says.
func ListenSocket(path string, rules []access.PeerRule) (_ *Socket, err error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path is too long: %d bytes, at most %d", len(path), maxSocketPath)
	}
	dirMode, mode := fs.FileMode(0o700), fs.FileMode(0o660)
	if len(rules) > 0 {
		dirMode, mode = 0o711, 0o666
	}
	if err := socketDir(filepath.Dir(path), dirMode); err != nil {
		return nil, err
	}
	lock, err := safefile.OpenOwn(path+".lock", os.Geteuid(), os.Getegid())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close() // nothing was written to it
		}
	}()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrSocketTaken
		}
		return nil, err
	}
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &Socket{l, lock}, nil
}

// Close removes the socket.
func (s *Socket) Close() error {
	return errors.Join(s.Listener.Close(), s.lock.Close())
}

// socketDir makes the directory of a socket, or refuses one in which others can put
// something in its place.
func socketDir(dir string, mode fs.FileMode) error {
	dir, err := safefile.MkdirAll(dir)
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, mode); err != nil && mode != 0o700 {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("others can write %s", dir)
	}
	return nil
}

// removeSocket removes what a daemon has left that is gone.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is no socket", path)
	}
	return os.Remove(path)
}
