package client

import (
	"io/fs"
	"os"
	"syscall"
)

// owned reports whether a file is this user's. Of another's, such as a secret that the
// system hands out, its owner has decided who may read it.
func owned(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
