package fleet

import (
	"io"
)

// Handler runs one command. It may write to the session's streams until
// it returns; it is called by many sessions at once. It should return soon after
// Session.Done is closed, but a handler that waits for a process may take until
// the process has ended, as a real server leaves its processes alone.
type Handler interface {
	Run(s *Session) Exit
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(s *Session) Exit

// Run calls the function.
func (run HandlerFunc) Run(s *Session) Exit { return run(s) }

// Exit is how a command ended.
type Exit struct {
	Code   uint32 // exit status, if Signal is empty
	Signal string // name of the signal that ended it, without SIG
	Core   bool   // whether it left a core dump
	Msg    string // the text that goes with a signal
}

// Session is one command at a host, as its handler sees it.
type Session struct {
	Host    string // the host's name
	User    string
	Command string // as sent; empty for a shell
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Signals delivers the names of the signals the client asked for, without
	// SIG. It is never closed.
	Signals <-chan string
	// Done is closed when the channel or the connection is gone, or the fleet
	// closes.
	Done <-chan struct{}

	exit func(Exit)
	conn *conn
}

// Exit tells the client how the command ended before its output has, as a
// server does when the command is gone but a child of it still holds the
// streams. What the handler returns later is then not sent.
func (s *Session) Exit(e Exit) { s.exit(e) }

// Canned returns a handler that answers from a function, without a process.
func Canned(answer func(host, command string) (stdout, stderr []byte, code uint32)) Handler {
	return canned(answer)
}

type canned func(host, command string) (stdout, stderr []byte, code uint32)

func (answer canned) Run(s *Session) Exit {
	stdout, stderr, code := answer(s.Host, s.Command)
	return write(s, stdout, stderr, code)
}

// write puts out a canned answer. Errors mean that the client has gone, which
// the session notices by itself.
func write(s *Session, stdout, stderr []byte, code uint32) Exit {
	_, _ = s.Stdout.Write(stdout)
	_, _ = s.Stderr.Write(stderr)
	return Exit{Code: code}
}
