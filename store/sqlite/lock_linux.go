package sqlite

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"tutti/internal/safefile"
)

// A run is locked by an open-file-description lock on the byte of FILE.lock
// whose offset is the run's number. Such a lock belongs to the open file, not
// to the process: two runs of one process do not disturb each other, and the
// kernel drops it when the process ends, however it ends.

// acquire locks the run, or returns nil if another recorder holds it.
func (l runLocks) acquire(run int64) (*runLock, error) {
	f, err := l.open(l.path)
	if err != nil {
		return nil, err
	}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, runByte(run))
	if err == nil {
		return &runLock{file: f}, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return nil, nil
	}
	return nil, &os.PathError{Op: "lock", Path: l.path, Err: err}
}

// held reports whether a recorder holds the run, and changes nothing.
func (l runLocks) held(run int64) (bool, error) {
	f, err := safefile.ReadOwn(l.path, l.uid)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only read
	b := runByte(run)
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, b); err != nil {
		return false, &os.PathError{Op: "look at lock", Path: l.path, Err: err}
	}
	return b.Type != unix.F_UNLCK, nil
}

func runByte(run int64) *unix.Flock_t {
	return &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: run, Len: 1}
}

func (l *runLock) release() error { return l.file.Close() }
