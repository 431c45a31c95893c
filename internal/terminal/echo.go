package terminal

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A hiding keeps what is typed at a terminal from being shown.
type hiding struct {
	fd             int
	before, hidden *unix.Termios

	mu   sync.Mutex // guards what follows
	over bool
}

// hideTyping turns off the echo of the terminal fd, and reads whole lines there.
// It comes before the question is shown: who answers at once must not be shown
// either.
func hideTyping(fd int) (*hiding, error) {
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	h := &hiding{fd: fd, before: before, hidden: &hidden}
	return h, unix.IoctlSetTermios(fd, setTermios, h.hidden)
}

// pause shows again what is typed while another job has the terminal, and resume
// hides it. The shell that gives the terminal back has set it up for itself.
func (h *hiding) pause()  { h.set(h.before, false) }
func (h *hiding) resume() { h.set(h.hidden, false) }

// end gives the terminal back as it was, for good.
func (h *hiding) end() { h.set(h.before, true) }

func (h *hiding) set(mode *unix.Termios, last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	h.over = last
	// In the background the terminal is another job's, and to set it would stop
	// this process.
	if owner, err := unix.IoctlGetInt(h.fd, unix.TIOCGPGRP); err == nil && owner == unix.Getpgrp() {
		_ = unix.IoctlSetTermios(h.fd, setTermios, mode) // a terminal that has gone needs nothing
	}
}
