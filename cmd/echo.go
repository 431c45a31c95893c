package cmd

import (
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// hideTyping turns off the echo of the terminal fd, and everything else stays
// as it is. It comes before the question is shown: who answers at once must not
// be shown either.
func hideTyping(fd int) (restore func(), err error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	mode, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	mode.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, setTermios, mode); err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(fd, before) }, nil // a terminal that has gone needs nothing
}
