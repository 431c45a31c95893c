package cmd

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// inBackground reports whether w is our terminal and another job has it: what is
// redrawn there would run through what the operator types.
func inBackground(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	owner, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && owner != unix.Getpgrp()
}
