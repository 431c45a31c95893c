package cmd

import (
	"context"
	"fmt"

	"tutti/internal/sanitize"
	"tutti/internal/terminal"
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
	if !terminal.Attended() {
		return nil
	}
	return func(ctx context.Context, path string) ([]byte, error) {
		return p.secret(ctx, fmt.Sprintf("passphrase of %s: ", sanitize.Visible(path)))
	}
}

// ConfirmTouches asks whether somebody is there to touch a hardware key more than
// once.
func (p *prompter) ConfirmTouches(ctx context.Context, n int) error {
	if n <= 1 || p.yes {
		return nil
	}
	touches := fmt.Sprintf("a hardware key may want %d touches, one for each login", n)
	if !terminal.Attended() {
		return hint(usagef("%s, and there is no terminal to confirm that at", touches), "--yes goes on; --identity names another key")
	}
	agreed, err := terminal.AskYes(ctx, touches+". Go on? [yes/no] ")
	if err == nil && !agreed {
		err = usagef("%s: not confirmed", touches)
	}
	return err
}

// secret asks for a line that is not shown.
func (p *prompter) secret(ctx context.Context, question string) ([]byte, error) {
	return terminal.Secret(ctx, question, p.interrupts.onLeaving)
}
