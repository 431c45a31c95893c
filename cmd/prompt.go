package cmd

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"tutti/output"
	"tutti/runner"
)

// A prompter asks the operator on the terminal.
type prompter struct {
	interrupts *interrupter
	// yes: many touches of a hardware key need no confirmation.
	yes bool
}

var _ runner.Prompter = (*prompter)(nil)

// LoginPassword asks for the password to log in with.
func (p *prompter) LoginPassword(ctx context.Context) ([]byte, error) {
	password, err := p.secret(ctx, "password to log in with: ")
	if err != nil && ctx.Err() == nil {
		return nil, hint(usagef("--ask-pass: there is no terminal to ask on: %w", err), "log in with a key, by --identity or from the agent")
	}
	return password, err
}

// SudoPassword asks for the password for sudo.
func (p *prompter) SudoPassword(ctx context.Context, login bool) ([]byte, error) {
	question := "password for sudo: "
	if login {
		question = "password for sudo (empty: the same as to log in): "
	}
	password, err := p.secret(ctx, question)
	if err != nil && ctx.Err() == nil {
		return nil, hint(usagef("--ask-sudo-pass: there is no terminal to ask on: %w", err), "--sudo-pass-command gets it without one")
	}
	return password, err
}

// Passphrases asks for passphrases. It is nil where there is no terminal: a script
// must fail, not hang.
func (p *prompter) Passphrases() func(context.Context, string) ([]byte, error) {
	if !hasTerminal() {
		return nil
	}
	return func(ctx context.Context, path string) ([]byte, error) {
		return p.secret(ctx, fmt.Sprintf("passphrase of %s: ", output.Visible(path)))
	}
}

// ConfirmTouches asks whether somebody is there to touch a hardware key more than
// once.
func (p *prompter) ConfirmTouches(ctx context.Context, n int) error {
	if n <= 1 || p.yes {
		return nil
	}
	touches := fmt.Sprintf("a hardware key may want %d touches, one for each login", n)
	if !hasTerminal() {
		return hint(usagef("%s, and there is no terminal to confirm that at", touches), "--yes goes on; --identity names another key")
	}
	agreed, err := askYes(ctx, touches+". Go on? [yes/no] ")
	if err == nil && !agreed {
		err = usagef("%s: not confirmed", touches)
	}
	return err
}

// hasTerminal reports whether there is somebody to ask.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = tty.Close() // it was only to know whether there is one
	return true
}

// askYes asks until the answer is yes or no.
func askYes(ctx context.Context, question string) (bool, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = tty.Close() }()
	type line struct {
		text string
		err  error
	}
	lines := make(chan line)
	answers := bufio.NewReader(tty)
	for {
		if _, err := tty.WriteString(question); err != nil {
			return false, err
		}
		go func() {
			text, err := answers.ReadString('\n')
			select {
			case lines <- line{strings.ToLower(strings.TrimSpace(text)), err}:
			case <-ctx.Done(): // nobody is waiting any more
			}
		}()
		select {
		case l := <-lines:
			switch {
			case l.err != nil:
				return false, l.err
			case l.text == "yes", l.text == "y":
				return true, nil
			case l.text == "no", l.text == "n":
				return false, nil
			}
		case <-ctx.Done():
			// The read cannot be interrupted and ends with the process.
			_, _ = tty.WriteString("\n")
			return false, context.Cause(ctx)
		}
	}
}
