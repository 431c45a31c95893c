package client

import (
	"io/fs"
	"os"
	"syscall"
)

// owned reports whether this user owns a file. The owner of another file, such as a secret
// that the system provides, has decided who may read it.
func owned(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
