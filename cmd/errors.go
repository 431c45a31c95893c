package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"

	"tutti/internal/errno"
	"tutti/internal/fault"
	"tutti/internal/sanitize"
	"tutti/runner"
	"tutti/store"
)

// The rules of --exit.
const (
	exitByClass  = "class"
	exitByRemote = "remote"
)

// exitHelp is the table of the exit codes as every command's help shows it.
const exitHelp = `EXIT STATUS
  0    all hosts succeeded
  1    local error (file, history, disk)
  2    usage error; no host was contacted (flags, inventory, selector, keys)
  3    some host failed, timed out, was lost or was canceled
  4    some host was unreachable (beats 3)
  5    stopped early by the failure budget or the deadline (beats 3 and 4)
  129, 130, 143   interrupted by HUP, INT, TERM (beats all)
  141  the reader of stdout closed it`

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
	out := wording.Hints(err)
	if text := errnoHint(err); text != "" && !errors.As(err, new(*store.Error)) {
		out = append(out, text)
	}
	return out
}

// errnoHint is [errno.Hint], with the flag for fewer hosts where these help.
func errnoHint(err error) string {
	text := errno.Hint(err)
	if e := errno.Of(err); e == syscall.EMFILE || e == syscall.ENOMEM {
		text += " (-f)"
	}
	return text
}

// A decided is the result of a run that is on record with its exit code, which
// counts whatever happens from then on.
type decided struct {
	err  error // nil: every host is ok
	code int
}

func (d *decided) Error() string {
	if d.err == nil {
		return fmt.Sprintf("exit status %d", d.code)
	}
	return d.err.Error()
}

func (d *decided) Unwrap() error { return d.err }

// also adds to err, the result of a command, what went wrong later.
func also(err, later error) error {
	if d, ok := errors.AsType[*decided](err); ok {
		d.err = errors.Join(d.err, later)
		return err
	}
	return errors.Join(err, later)
}

// report prints err, once and for all, with its hints, and after a mistake in
// the command line with the usage of ran.
func report(w io.Writer, err error, ran *cobra.Command) {
	if errors.As(err, new(*runner.ExitError)) || errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled) {
		return
	}
	lines := []string{"tutti: " + wording.Text(err)}
	u := (*fault.UsageError)(nil)
	syntax := errors.As(err, &u) && u.Syntax
	if syntax {
		lines = append(lines, "usage: "+ran.UseLine())
	}
	for _, h := range hints(err) {
		lines = append(lines, "hint: "+h)
	}
	if syntax {
		lines = append(lines, "hint: "+ran.CommandPath()+" --help shows the usage")
	}
	for _, line := range lines {
		_, _ = fmt.Fprintln(w, sanitize.Visible(line))
	}
}
