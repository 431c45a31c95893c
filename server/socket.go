package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"

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
	dirMode, mode := dirOfOne, fs.FileMode(0o660)
	if len(rules) > 0 {
		dirMode, mode = dirOfMany, 0o666
	}
	if err := socketDir(path, dirMode, os.Geteuid()); err != nil {
		return nil, err
	}
	lock, err := safefile.OpenOwn(lockOf(path), os.Geteuid(), os.Getegid())
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

// The modes of a directory that is made for a socket: for this user, and for others too.
const dirOfOne, dirOfMany = fs.FileMode(0o700), fs.FileMode(0o711)

// socketDir makes the directory of the socket at path, or refuses one in which users other
// than uid, and root, can put something in its place. One that was made for other things, such as /run, stays
// as it is.
func socketDir(path string, mode fs.FileMode, uid int) error {
	dir := filepath.Dir(path)
	_, err := os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if dir, err = safefile.MkdirAll(dir); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok && sys.Uid != 0 && int(sys.Uid) != uid {
		return fmt.Errorf("%s belongs to another user (user id %d)", dir, sys.Uid)
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("others can write %s", dir)
	}
	if info.Mode() == fs.ModeDir|mode || !made && !forSocket(dir, info, filepath.Base(path)) {
		return nil
	}
	return os.Chmod(dir, mode)
}

// forSocket reports whether a directory was made for the socket of that name: it has the
// mode of one, and nothing else in it.
func forSocket(dir string, info fs.FileInfo, socket string) bool {
	if perm := info.Mode(); perm != fs.ModeDir|dirOfOne && perm != fs.ModeDir|dirOfMany {
		return false
	}
	entries, err := os.ReadDir(dir)
	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() != socket && e.Name() != lockOf(socket)
	})
}

// lockOf is what is locked by who serves a socket.
func lockOf(socket string) string { return socket + ".lock" }

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
