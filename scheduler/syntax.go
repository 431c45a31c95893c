package scheduler

import (
	"fmt"
	"strings"
)

// A SyntaxError is what is wrong with the text of a schedule.
type SyntaxError struct {
	// Text is the expression, and Index its place among those of a schedule,
	// from 0.
	Text  string
	Index int
	// Column is where in Text the mistake is, from 1; 0 if it is in the whole.
	Column int
	// Msg says what is wrong, and Hint what to write instead; Hint may be empty.
	Msg, Hint string
}

// Error is the text, the column, the message and the hint.
func (e *SyntaxError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "schedule %q", clipped(e.Text))
	if e.Column > 0 {
		fmt.Fprintf(&b, ", column %d", e.Column)
	}
	b.WriteString(": " + e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// badf is an error without a hint.
func badf(column int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Column: column, Msg: fmt.Sprintf(format, args...)}
}

// A hint is what to write instead.
type hint string

func hintf(format string, args ...any) hint { return hint(fmt.Sprintf(format, args...)) }

// at is the error that the hint is for.
func (h hint) at(column int, format string, args ...any) *SyntaxError {
	err := badf(column, format, args...)
	err.Hint = string(h)
	return err
}
