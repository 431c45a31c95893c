package sqlite

import (
	"os"

	"tutti/internal/safefile"
)

// runLocks are the locks of live runs of a history. How a run is locked depends on the
// system.
type runLocks struct {
	path string // FILE.lock
	// uid and gid of the history file, whose user the lock files have to belong to.
	uid, gid int
}

// A runLock keeps a run alive until it is released, or the process ends.
type runLock struct{ file *os.File }

// open opens or makes a lock file. One that another user has put there, or that is
// a link, is refused: root would give away what it leads to.
func (l runLocks) open(path string) (*os.File, error) { return safefile.OpenOwn(path, l.uid, l.gid) }
