package cmd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"tutti/fanout"
	"tutti/output"
)

// passphrasePrompt asks for passphrases on the terminal. It is nil where there
// is none: a script must fail, not hang.
func (a *app) passphrasePrompt() func(context.Context, string) ([]byte, error) {
	if !hasTerminal() {
		return nil
	}
	return func(ctx context.Context, path string) ([]byte, error) {
		return a.askSecret(ctx, fmt.Sprintf("passphrase of %s: ", output.Visible(path)))
	}
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

// loginPassword asks for the password to log in with; nil if none is wanted.
func (l *launching) loginPassword(ctx context.Context) (fanout.Secret, error) {
	if !l.o.Login.AskPass {
		return nil, nil
	}
	password, err := l.askSecret(ctx, "password to log in with: ")
	switch {
	case ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, hint(usagef("--ask-pass: there is no terminal to ask on: %w", err), "log in with a key, by --identity or from the agent")
	case len(password) == 0 || bytes.IndexByte(password, 0) >= 0:
		return nil, usagef("the password to log in with is empty, or holds a NUL byte")
	}
	return password, nil
}

// passphrases asks for the passphrase of a key; nil: there is nobody to ask.
func (l *launching) passphrases() func(ctx context.Context, path string) ([]byte, error) {
	if l.unattended {
		return nil
	}
	return l.passphrasePrompt()
}

// confirmTouches asks whether somebody is there to touch a hardware key n times.
func (l *launching) confirmTouches(ctx context.Context, n int) error {
	if n > 0 && l.unattended {
		return hint(usagef("a hardware key has to be touched for a login, and nobody is there to do it"), "--identity names another key")
	}
	if n <= 1 || l.o.yes {
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
