package cmd

import (
	"context"
	"fmt"

	"tutti/cmd/internal/interrupt"
	"tutti/internal/sanitize"
	"tutti/internal/terminal"
	"tutti/runner"
)

// A prompter asks the operator on the terminal.
type prompter struct {
	interrupts *interrupt.Interrupter
	// yes: many touches of a hardware key need no confirmation.
	yes bool
}

var _ runner.Prompter = (*prompter)(nil)

// LoginPassword asks for the password to log in with.
func (p *prompter) LoginPassword(ctx context.Context) ([]byte, error) {
	password, err := p.secret(ctx, "login password: ")
	if err != nil && ctx.Err() == nil {
		return nil, hint(usagef("--ask-pass: no terminal to ask for the password: %w", err), "log in with a key: --identity, or the agent")
	}
	return password, err
}

// SudoPassword asks for the password for sudo.
func (p *prompter) SudoPassword(ctx context.Context, login bool) ([]byte, error) {
	question := "sudo password: "
	if login {
		question = "sudo password (empty: the login password): "
	}
	password, err := p.secret(ctx, question)
	if err != nil && ctx.Err() == nil {
		return nil, hint(usagef("--ask-sudo-pass: no terminal to ask for the password: %w", err), "--sudo-pass-command needs no terminal")
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

// ConfirmTouches asks whether the operator is there to touch a hardware key more than
// once.
func (p *prompter) ConfirmTouches(ctx context.Context, n int) error {
	if n <= 1 || p.yes {
		return nil
	}
	touches := fmt.Sprintf("the security key may need %d touches, one for each login", n)
	if !terminal.Attended() {
		return hint(usagef("%s, and there is no terminal to confirm it", touches), "continue with --yes, or name another key with --identity")
	}
	agreed, err := terminal.AskYes(ctx, touches+". Continue? [yes/no] ")
	if err == nil && !agreed {
		err = usagef("%s: not confirmed", touches)
	}
	return err
}

// asks asks the operator for a line that is not shown.
func (c *console) asks(ctx context.Context, question string) ([]byte, error) {
	return (&prompter{interrupts: c.interrupts}).secret(ctx, question)
}

// secret asks for a line that is not shown.
func (p *prompter) secret(ctx context.Context, question string) ([]byte, error) {
	return terminal.Secret(ctx, question, p.interrupts.OnLeaving)
}
