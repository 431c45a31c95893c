//go:build !linux

package cmd

import (
	"slices"

	"golang.org/x/sys/unix"
)

// networkKind names a file system that may be another machine's; empty: it is
// not.
func networkKind(fs *unix.Statfs_t) string {
	var name []byte
	for _, c := range fs.Fstypename {
		if c == 0 {
			break
		}
		name = append(name, byte(c))
	}
	if slices.Contains([]string{"nfs", "smbfs", "afpfs", "webdav", "macfuse"}, string(name)) {
		return string(name)
	}
	return ""
}
