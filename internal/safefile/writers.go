package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// A WritersError says that a user other than this one and root may have written a
// file, or may replace what is in a directory.
type WritersError struct {
	// UID is the owner.
	UID uint32
	// Mode has the permission bits if these are why, else it is 0: the owner is.
	Mode fs.FileMode
}

// Error is a clause about "it", with the remedy.
func (e *WritersError) Error() string {
	if e.Mode == 0 {
		return fmt.Sprintf("it belongs to user %d, not to you or root", e.UID)
	}
	return fmt.Sprintf("others can write it (%04o): chmod go-w it", e.Mode)
}

// About is the error as a sentence about path.
func (e *WritersError) About(path string) error {
	if e.Mode == 0 {
		return fmt.Errorf("%s belongs to another user (user id %d)", path, e.UID)
	}
	return fmt.Errorf("%s can be written by other users (mode %04o)", path, e.Mode)
}

// CheckWriters returns a *WritersError if a user other than this one and root can
// write the file, or make and remove names in the directory; info must be that of the
// file that is read. A group that is its owner's own counts as the owner. The mode of
// a symbolic link does not matter, and in a sticky directory, such as /tmp, only the
// owners of a file and of the directory can remove its name.
func CheckWriters(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("cannot determine its owner")
	}
	if !trusted(int(st.Uid)) {
		return &WritersError{UID: st.Uid}
	}
	mode := info.Mode()
	switch perm := mode.Perm(); {
	case mode.Type() == fs.ModeSymlink, mode.IsDir() && mode&fs.ModeSticky != 0:
		return nil
	case perm&0o002 != 0, perm&0o020 != 0 && !PrivateGroup(st.Uid, st.Gid):
		return &WritersError{UID: st.Uid, Mode: perm}
	}
	return nil
}
