// Package cli is what all commands share: the streams and the environment of the process,
// and how they speak to an operator, in texts, tables and errors.
package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tutti/internal/sanitize"
	"tutti/internal/stdio"
)

// Streams are all that a command takes from the process: its three streams, its
// environment, and the clock by which jobs fire.
type Streams struct {
	// In is read only if the command line asks for it.
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Getenv looks up a variable of the environment.
	Getenv func(string) string
	// LookupEnv does too, and says whether it is set.
	LookupEnv func(string) (string, bool)
	// Now is the wall clock of jobs and their daemon; nil is time.Now.
	Now func() time.Time
}

// System returns the streams and the environment of the process. A stream that
// was closed leads to an error where it is used.
func System() Streams {
	s := Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, LookupEnv: os.LookupEnv}
	if stdio.Closed(0) {
		s.In = closedStream("standard input")
	}
	if stdio.Closed(1) {
		s.Out = closedStream("standard output")
	}
	if stdio.Closed(2) {
		s.Err = closedStream("standard error")
	}
	return s
}

// CheckStandard refuses a path to a standard stream that was closed: it leads to a file
// of the Go runtime.
func CheckStandard(path string) error {
	for fd, name := range []string{"stdin", "stdout", "stderr"} {
		switch filepath.Clean(path) {
		case "/dev/" + name, fmt.Sprintf("/dev/fd/%d", fd), fmt.Sprintf("/proc/self/fd/%d", fd):
			if stdio.Closed(fd) {
				return fmt.Errorf("%s is closed: %w", path, syscall.EBADF)
			}
		}
	}
	return nil
}

// A closedStream is a stream of that name that was closed from the beginning.
type closedStream string

func (s closedStream) Read([]byte) (int, error)  { return 0, s.fault() }
func (s closedStream) Write([]byte) (int, error) { return 0, s.fault() }
func (s closedStream) fault() error              { return fmt.Errorf("%s is closed: %w", string(s), syscall.EBADF) }

// Time reads the wall clock.
func (s Streams) Time() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Home is the user's home directory, empty if the environment does not say
// where it is.
func (s Streams) Home() string {
	if dir := s.Getenv("HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return ""
}

// Print writes text to stdout, with control characters made visible.
func (s Streams) Print(format string, args ...any) error {
	_, err := fmt.Fprint(s.Out, sanitize.Visible(fmt.Sprintf(format, args...)))
	return err
}

// Say writes a line to stderr.
func (s Streams) Say(text string) error {
	_, err := fmt.Fprintln(s.Err, sanitize.Visible(text))
	return err
}

// Warn shows a warning of a command that has no screen.
func (s Streams) Warn(text string) {
	_, _ = fmt.Fprintln(s.Err, Warning(text))
}

// Warning is a warning as it is shown.
func Warning(text string) string { return "tutti: warning: " + sanitize.Visible(text) }
