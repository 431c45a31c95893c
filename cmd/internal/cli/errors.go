package cli

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

// Hints are those of err and of what it wraps, outermost first, and behind them
// the one that follows from why the operating system refused something. A history
// knows that one by itself.
func Hints(err error) []string {
	out := Wording.Hints(err)
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

// Report prints err, once and for all, with its hints, and after a mistake in
// the command line with the usage of ran.
func Report(w io.Writer, err error, ran *cobra.Command) {
	if errors.As(err, new(*runner.ExitError)) || errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled) {
		return
	}
	lines := []string{"tutti: " + Wording.Text(err)}
	u := (*fault.UsageError)(nil)
	syntax := errors.As(err, &u) && u.Syntax
	if syntax {
		lines = append(lines, "usage: "+ran.UseLine())
	}
	for _, h := range Hints(err) {
		lines = append(lines, "hint: "+h)
	}
	if syntax {
		lines = append(lines, "hint: "+ran.CommandPath()+" --help shows the usage")
	}
	for _, line := range lines {
		_, _ = fmt.Fprintln(w, sanitize.Visible(line))
	}
}
