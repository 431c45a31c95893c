package cmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

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

// checkStandard refuses a path to a standard stream that was closed: it leads to a file
// of the Go runtime.
func checkStandard(path string) error {
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

// now reads the wall clock.
func (s Streams) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// clockText is how a time is written for people: as the clock shows it in the
// location of t, with the zone. JSON, logs and the history have UTC instead.
func clockText(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }

// home is the user's home directory, empty if the environment does not say
// where it is.
func (s Streams) home() string {
	if dir := s.Getenv("HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return ""
}
