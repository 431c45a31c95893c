package terminal

import (
	"bufio"
	"context"
	"os"
	"strings"
)

// Attended reports whether this process has a terminal to ask the operator on.
func Attended() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = tty.Close() // it was only to know whether there is one
	return true
}

// AskYes asks on the terminal until the answer is yes or no.
func AskYes(ctx context.Context, question string) (bool, error) {
	for {
		switch text, err := AskLine(ctx, question); {
		case err != nil:
			return false, err
		case strings.EqualFold(text, "yes"), strings.EqualFold(text, "y"):
			return true, nil
		case strings.EqualFold(text, "no"), strings.EqualFold(text, "n"):
			return false, nil
		}
	}
}

// AskLine asks on the terminal for a line, and returns it without the spaces around it.
func AskLine(ctx context.Context, question string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = tty.Close() }()
	if _, err := tty.WriteString(question); err != nil {
		return "", err
	}
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1)
	go func() { // it cannot be interrupted and ends with the process
		text, err := bufio.NewReader(tty).ReadString('\n')
		lines <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-lines:
		return l.text, l.err
	case <-ctx.Done():
		_, _ = tty.WriteString("\n")
		return "", context.Cause(ctx)
	}
}
