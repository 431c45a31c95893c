package store

import "os"

// runLocks says which runs of a history are alive. How a run is locked depends
// on the system.
type runLocks struct {
	path string // FILE.lock
	// uid and gid of the history file, for a lock file that root makes.
	uid, gid int
}

// A runLock keeps a run alive until it is released, or the process ends.
type runLock struct{ file *os.File }

// open opens or makes a lock file. Made by root next to the history of
// another user, it must stay usable for that user.
func (l runLocks) open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 && l.uid != 0 {
		if err := f.Chown(l.uid, l.gid); err != nil {
			_ = f.Close() // nothing was written
			return nil, err
		}
	}
	return f, nil
}
