package ssh

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives f the owner of the file that info is about, where that is not
// us.
func keepOwner(f *os.File, info fs.FileInfo) error {
	was, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(was.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}
