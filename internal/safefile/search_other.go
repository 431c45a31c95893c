//go:build unix && !linux && !darwin

package safefile

import "golang.org/x/sys/unix"

// search opens a directory for finding names in it. It has to be readable.
const search = unix.O_RDONLY
