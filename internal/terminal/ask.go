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
			case <-ctx.Done(): // the answer is too late
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
