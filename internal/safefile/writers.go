package safefile

import (
	"fmt"
	"io/fs"
	"syscall"
)

// CheckWriters is an error if others than we and root can write the file or
// directory at path, which info is about. In a directory such as /tmp others can
// make names, but not take ours away. A group that is its owner's own counts as the
// owner.
func CheckWriters(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	mode := info.Mode()
	sticky := mode.IsDir() && mode&fs.ModeSticky != 0
	switch {
	case !trusted(int(st.Uid)):
		return fmt.Errorf("%s belongs to another user (user id %d)", path, st.Uid)
	case sticky:
		return nil
	case mode.Perm()&0o002 != 0, mode.Perm()&0o020 != 0 && !PrivateGroup(st.Uid, st.Gid):
		return fmt.Errorf("%s can be written by other users (mode %04o)", path, mode.Perm())
	}
	return nil
}
