package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tutti/fanout"
	"tutti/internal/errno"
	"tutti/internal/fault"
	"tutti/output"
	"tutti/store"
)

// The exit codes. 255 is never one of them, so that it always means that a
// remote command said so; a Go program that crashes exits with 2 as well.
const (
	exitOK          = 0
	exitInternal    = 1
	exitUsage       = 2
	exitFailed      = 3
	exitUnreachable = 4
	exitStopped     = 5
	exitClosedPipe  = 141
)

// The rules of --exit.
const (
	exitByClass  = "class"
	exitByRemote = "remote"
)

// exitHelp is the table above as every command's help shows it.
const exitHelp = `EXIT STATUS
  0    all hosts succeeded
  1    local error (file, history, disk)
  2    usage error; no host was contacted (flags, inventory, selector, keys)
  3    some host failed, timed out, was lost or was canceled
  4    some host was unreachable (beats 3)
  5    stopped early by the failure budget or the deadline (beats 3 and 4)
  129, 130, 143   interrupted by HUP, INT, TERM (beats all)
  141  the reader of stdout has gone away`

// exitHelpShort is the table of the commands that connect to nothing.
const exitHelpShort = `EXIT STATUS
  0  done
  1  local error (file, history, disk)
  2  usage error: flags, arguments, inventory, selector`

// The errors of a command are made by package fault.

func usage(err error) error { return fault.Usage(err) }

func usagef(format string, args ...any) error { return fault.Usagef(format, args...) }

func syntaxf(format string, args ...any) error { return fault.Syntaxf(format, args...) }

func hint(err error, text string) error { return fault.Hint(err, text) }

// hints are those of err and of what it wraps, outermost first, and behind them
// the one that follows from why the operating system refused something. A history
// knows that one by itself.
func hints(err error) []string {
	out := ownHints(err)
	if text := errno.Hint(err); text != "" && !errors.As(err, new(*store.Error)) {
		out = append(out, text)
	}
	return out
}

func ownHints(err error) []string {
	var out []string
	if h, ok := err.(fault.Hinter); ok && h.Hint() != "" {
		out = strings.Split(h.Hint(), "\n")
	}
	switch e := err.(type) { //nolint:errorlint // the chain is walked here
	case interface{ Unwrap() error }:
		if cause := e.Unwrap(); cause != nil {
			out = append(out, ownHints(cause)...)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			out = append(out, ownHints(cause)...)
		}
	}
	return out
}

// A runError is the end of a run that was carried out and whose hosts are not
// all ok. The summary has said everything; only the code is left.
type runError struct{ code int }

func (e *runError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// exitCode is the one place where an end becomes a code. sig is the signal that
// ended the run, nil without one.
func exitCode(s fanout.Summary, err error, sig os.Signal) int {
	switch {
	case sig != nil:
		return signalCode(sig)
	case errors.Is(err, syscall.EPIPE):
		return exitClosedPipe
	case errors.As(err, new(*fault.UsageError)):
		return exitUsage
	case err != nil || s.Stopped == fanout.StoppedSink:
		return exitInternal
	case s.Stopped == fanout.StoppedSignal || s.Stopped == fanout.StoppedKill:
		return signalCode(os.Interrupt)
	case s.Stopped != fanout.StoppedNone:
		return exitStopped
	case s.Counts[fanout.Unreachable] > 0:
		return exitUnreachable
	case s.Counts[fanout.OK] < s.Hosts:
		return exitFailed
	}
	return exitOK
}

// signalCode is the code a shell gives to a process that died of sig.
func signalCode(sig os.Signal) int {
	if n, ok := sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return exitInternal
}

// report prints err, once and for all, with its hints, and after a mistake in
// the command line with the usage of ran.
func report(w io.Writer, err error, ran *cobra.Command) {
	if errors.As(err, new(*runError)) || errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled) {
		return
	}
	lines := []string{"tutti: " + err.Error()}
	u := (*fault.UsageError)(nil)
	syntax := errors.As(err, &u) && u.Syntax
	if syntax {
		lines = append(lines, "usage: "+ran.UseLine())
	}
	for _, h := range hints(err) {
		lines = append(lines, "hint: "+h)
	}
	if syntax {
		lines = append(lines, "hint: "+ran.CommandPath()+" --help says more")
	}
	for _, line := range lines {
		_, _ = fmt.Fprintln(w, output.Visible(line))
	}
}
