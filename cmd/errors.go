package cmd

import (
	"errors"
	"fmt"

	"tutti/internal/fault"
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

// The errors of a command are made by package fault.

func usage(err error) error { return fault.Usage(err) }

func usagef(format string, args ...any) error { return fault.Usagef(format, args...) }

func syntaxf(format string, args ...any) error { return fault.Syntaxf(format, args...) }

func hint(err error, text string) error { return fault.Hint(err, text) }

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
