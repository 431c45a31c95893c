package terminal

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// hasJobControl reports whether a shell has made this process a job of its own, so
// that it can stop it and have it go on. The kernel stops no others at Ctrl-Z.
func hasJobControl() bool {
	session, err := unix.Getsid(0)
	if err != nil || session == unix.Getpgrp() {
		return false
	}
	parents, err := unix.Getsid(os.Getppid())
	return err == nil && parents == session
}

// InBackground reports whether w is the terminal of this process and another job has
// it: what is redrawn there would run through what the operator types.
func InBackground(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	owner, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && owner != unix.Getpgrp()
}
