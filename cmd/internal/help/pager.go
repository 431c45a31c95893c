package help

import (
	"io"
	"os"
	"os/exec"
	"strings"

	"tutti/internal/terminal"
)

// A Paged is stdout for help, which goes through a pager where it does not fit
// on the screen.
type Paged struct {
	io.Writer
	Getenv func(string) string
	// IgnoreInterrupts leaves Ctrl-C to the pager until what it returns is called.
	IgnoreInterrupts func() (end func())
}

// terminalOf is what out is behind a pager.
func terminalOf(out io.Writer) io.Writer {
	if p, ok := out.(Paged); ok {
		return p.Writer
	}
	return out
}

// showHelp writes text to out, through a pager if that is a terminal which does
// not have so many lines.
func showHelp(out io.Writer, text string) {
	if p, ok := out.(Paged); ok && p.tooLong(text) && p.page(text) {
		return
	}
	_, _ = io.WriteString(out, text)
}

func (p Paged) tooLong(text string) bool {
	if p.Getenv("TERM") == "dumb" {
		return false
	}
	_, rows := terminal.Size(p.Writer)
	return rows > 0 && strings.Count(text, "\n") >= rows
}

// The statuses by which a shell says that it could not run a command.
const (
	cannotRun = 126
	notFound  = 127
)

// page shows text in the pager of the user, $PAGER or less, and reports whether
// there was one. Until it returns, Ctrl-C goes to the pager.
func (p Paged) page(text string) bool {
	pager := p.Getenv("PAGER")
	if pager == "" {
		pager = "less"
	}
	cmd := exec.Command("/bin/sh", "-c", pager)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), p.Writer, io.Discard
	cmd.Env = os.Environ()
	if p.Getenv("LESS") == "" {
		// Quit at once if the text fits, pass colours, and leave the text on the screen.
		cmd.Env = append(cmd.Env, "LESS=FRX")
	}
	defer p.IgnoreInterrupts()()
	if err := cmd.Start(); err != nil {
		return false
	}
	_ = cmd.Wait() // what is left of the text when the pager is closed is no error
	code := cmd.ProcessState.ExitCode()
	return code != cannotRun && code != notFound
}
