package terminal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// maxSecret bounds what is typed as a secret: no terminal has longer lines.
const maxSecret = 4096

var errLongLine = errors.New("longer than a line of a terminal")

// Secret reads a line from the terminal without showing it. The terminal is given
// back as it was, also while this process is stopped, if ctx ends first, or if
// restore is called by who leaves the program at once: leaving gets that function,
// and returns one that takes it back. The caller wipes the secret.
func Secret(ctx context.Context, question string, leaving func(restore func()) (end func())) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tty.Close() }()
	typing, err := hideTyping(int(tty.Fd()))
	if err != nil {
		return nil, err
	}
	defer leaving(typing.end)()
	defer typing.end()
	stops := make(chan os.Signal, 2)
	if !signal.Ignored(syscall.SIGTSTP) {
		signal.Notify(stops, syscall.SIGTSTP)
	}
	signal.Notify(stops, syscall.SIGCONT)
	defer signal.Stop(stops)
	if _, err := tty.WriteString(question); err != nil {
		return nil, err
	}
	type answer struct {
		secret []byte
		err    error
	}
	answered := make(chan answer, 1)
	go func() { // it cannot be interrupted and ends with the process
		secret, err := readSecret(tty)
		answered <- answer{secret, err}
	}()
	for {
		select {
		case got := <-answered:
			_, err := tty.WriteString("\n")
			if got.err != nil {
				err = got.err
			}
			return got.secret, err
		case sig := <-stops:
			if sig == syscall.SIGTSTP {
				if !hasJobControl() {
					continue // nothing would have it go on
				}
				typing.pause()
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // which cannot fail
				continue
			}
			if typing.resume(); !InBackground(tty) {
				_, _ = tty.WriteString(question) // the answer may come without it
			}
		case <-ctx.Done():
			typing.end()
			_, _ = tty.WriteString("\n")
			return nil, context.Cause(ctx)
		}
	}
}

// readSecret reads a line into memory that does not move, so that no copy of it
// is left behind.
func readSecret(from io.Reader) ([]byte, error) {
	line := make([]byte, 0, maxSecret)
	for {
		n, err := from.Read(line[len(line):cap(line)])
		line = line[:len(line)+n]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			return bytes.TrimSuffix(line[:end], []byte("\r")), nil
		}
		switch {
		case n > 0 && len(line) < cap(line):
			continue
		case err == nil && len(line) == cap(line):
			err = errLongLine
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case err == nil:
			err = io.ErrNoProgress
		}
		clear(line)
		return nil, err
	}
}
