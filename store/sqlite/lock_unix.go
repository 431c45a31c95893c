//go:build unix && !linux

package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"tutti/internal/safefile"
)

// These systems have no documented lock on a range of bytes that belongs to an
// open file, so that each run has a lock file of its own, FILE.lock-RUN, under
// flock(2). It is removed when the run ends, or is found cut off.

// acquire locks the run, or returns nil if another recorder holds it.
func (l runLocks) acquire(run int64) (*runLock, error) {
	path := l.file(run)
	for {
		f, err := l.open(path)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && sameFile(f, path) {
			return &runLock{file: f}, nil
		}
		_ = f.Close() // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		if err != nil {
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
	}
}

// held reports whether a recorder holds the run, and changes nothing.
func (l runLocks) held(run int64) (bool, error) {
	f, err := safefile.ReadOwn(l.file(run), l.uid)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only read
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

func (l runLocks) file(run int64) string { return l.path + "-" + strconv.FormatInt(run, 10) }

// sameFile reports whether path still leads to f: the previous holder removes the file
// before it releases the lock.
func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

func (l *runLock) release() error {
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}
