package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"tutti/internal/safefile"
)

// CheckOwner returns an error if a user other than this one and root may have written
// the file; a group that is its owner's own does not count as another user. info must be
// that of the file that is read.
func CheckOwner(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("cannot determine its owner")
	}
	if uid := os.Geteuid(); st.Uid != 0 && int(st.Uid) != uid {
		return fmt.Errorf("it belongs to user %d, not to you or root", st.Uid)
	}
	mode := info.Mode().Perm()
	if info.Mode().Type() == fs.ModeSymlink || mode&0o022 == 0 || mode&0o002 == 0 && safefile.PrivateGroup(st.Uid, st.Gid) {
		return nil
	}
	return fmt.Errorf("others can write it (%04o): chmod go-w it", mode)
}

// checkDirectory returns an error if somebody else than us and root may replace what
// is in the directory of a file. In a sticky directory, such as /tmp, nobody can who does
// not own it.
func checkDirectory(path string) error {
	directory := filepath.Dir(path)
	info, err := os.Stat(directory)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	if err := CheckOwner(info); err != nil {
		return fmt.Errorf("its directory %s is not safe: %w", directory, err)
	}
	return nil
}
