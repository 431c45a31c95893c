package remote

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"testing"

	"tutti/fanout"
)

// nasty is what quoting has to survive.
const nasty = "a b'c\"d$HOME`id`\\e\\\\f!g\n\th*?[x]{1,2}~#;&|<>()\xff\x81\xc3é \n"

// An input is there, and is not read here.
type input struct{}

func (input) Open(context.Context) io.Reader { return nil }
func (input) Close() error                   { return nil }

// TestPlainCommandIsVerbatim: a task with a command alone is sent without a prologue.
func TestPlainCommandIsVerbatim(t *testing.T) {
	for _, task := range []fanout.Task{
		{Action: fanout.Command("a 'b' \\c")},
		{Action: fanout.Command("a 'b' \\c"), Stdin: input{}},
	} {
		if got := NewOrder(&task, nil); got.Command != task.Label() || got.Markers != nil {
			t.Errorf("got %q, want %q, and nothing to talk about", got.Command, task.Label())
		}
	}
}

// TestLoginShellsAgree: whatever the login shell is, the prologue means the same.
// The shells of this machine that are not POSIX are tried as well.
func TestLoginShellsAgree(t *testing.T) {
	line := loginLine("printf %s " + quote(nasty))
	for _, shell := range []string{"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh", "busybox"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		t.Run(shell, func(t *testing.T) {
			args := []string{"-c", line}
			if shell == "busybox" {
				args = append([]string{"sh"}, args...)
			}
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(t.Context(), path, args...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil || stdout.String() != nasty {
				t.Errorf("got %q, stderr %q, error %v, want %q", stdout.String(), stderr.String(), err, nasty)
			}
		})
	}
}
