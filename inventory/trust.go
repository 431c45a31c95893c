package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner returns an error if somebody else than us and root may have
// written the file. info must be that of the file that is read.
func checkOwner(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("its owner is not known")
	}
	if uid := os.Geteuid(); st.Uid != 0 && int(st.Uid) != uid {
		return fmt.Errorf("it belongs to user %d, who is neither us nor root", st.Uid)
	}
	if mode := info.Mode().Perm(); info.Mode().Type() != fs.ModeSymlink && mode&0o022 != 0 {
		return fmt.Errorf("others can write it (mode %04o), which chmod go-w mends", mode)
	}
	return nil
}
